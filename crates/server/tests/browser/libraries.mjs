// Libraries and their versions: browsing, changing, and the consequences shown before a deletion.
import { api, axe, equal, go, ok, sees, spec, step, tabTo, until, visit } from "./support.mjs";

await spec(async () => {
  for (const width of ["phone", "desktop"]) {
    await step(`${width}: browse from a library to a document`, async () => {
      const page = await visit({ at: "/libraries", width, as: "ben" });
      await axe(page);
      await page.getByRole("searchbox").fill("harb");
      await until("the list is narrowed", async () => (await page.getByRole("link", { name: "handbook" }).count()) === 0);
      await tabTo(page.getByRole("link", { name: "harbour", exact: true }));
      await page.keyboard.press("Enter");
      await sees(page, page.getByRole("heading", { level: 1, name: "harbour" }));
      await axe(page);
      equal(await page.getByRole("button", { name: /Make active/ }).count(), 0);
      await page.getByRole("link", { name: "2.0", exact: true }).first().click();
      await sees(page, page.getByRole("heading", { name: "guides/" }));
      await axe(page);
      await page.getByRole("searchbox").fill("upgrad");
      await until("the list is narrowed", async () => (await page.getByText("control.json").count()) === 0);
      await sees(page, "upgrading.md");
      equal(new URL(page.url()).searchParams.get("q"), "upgrad");
    });
  }

  await step("an owner describes a library and activates a version", async () => {
    const page = await visit({ at: "/l/harbour", as: "ada" });
    await axe(page);
    await page.getByText("Title, description and visibility").click();
    await page.getByLabel("Title").fill("Harbour, a gateway");
    await page.getByLabel("Description").fill("It stands before the services of a team.");
    await axe(page);
    await page.getByRole("button", { name: "Save" }).click();
    await sees(page, "Saved.");
    await sees(page, page.getByRole("heading", { level: 1, name: "Harbour, a gateway" }));
    await page.getByRole("button", { name: "Make active 1.8" }).click();
    await sees(page, "This is the default version now.");
    equal((await api("GET", "/api/v1/libraries/harbour", undefined, "ada")).active_version, "1.8");
  });

  await step("a document is deleted after its consequences are shown", async () => {
    const page = await visit({ at: "/l/harbour/2.0/guides/upgrading.md", as: "ada" });
    await page.locator("details.sure summary").click();
    await sees(page, /from every version that has it \(2\.0\)/);
    await axe(page);
    await page.getByRole("button", { name: "Delete permanently" }).click();
    await sees(page, "Document deleted.");
    await go(page, "/l/harbour/2.0/guides/upgrading.md", 404);
    // A reader sees none of these controls.
    const reader = await visit({ at: "/l/harbour/2.0/manual.md", as: "ben" });
    equal(await reader.locator("details.sure").count(), 0);
  });

  await step("the consequences are shown before anything is deleted", async () => {
    const page = await visit({ at: "/l/harbour/2.0", as: "ada", width: "phone" });
    await page.getByText("Delete version").click();
    await sees(page, /Permanently deletes .* documents of this version/);
    await axe(page);
    await page.getByRole("button", { name: "Delete permanently" }).click();
    await sees(page, "Version deleted.");
    await go(page, "/l/harbour/2.0", 404);
    await go(page, "/l/hostile");
    await page.getByText("Delete library").click();
    await page.getByLabel(/to confirm/).fill("hostile");
    await page.getByRole("button", { name: "Delete permanently" }).click();
    await until("the list is shown", () => new URL(page.url()).pathname === "/libraries");
    ok(!(await page.getByRole("link", { name: "hostile" }).isVisible()), "the library is still listed");
  });

  await step("in Chinese, dark, without scripts", async () => {
    const page = await visit({ at: "/l/handbook", as: "ben", language: "zh", theme: "dark", script: false });
    await page.getByRole("link", { name: "2026" }).first().click();
    await sees(page, "部署手册.md");
  });
});
