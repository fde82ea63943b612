// Adding documents: chosen and dropped files, progress, files that cannot be read or sent, and the target of each upload.
import { api, axe, equal, expects, ok, sees, spec, step, tabTo, until, visit } from "./support.mjs";

const text = (name, words) => ({ name, mimeType: "text/markdown", buffer: Buffer.from(words) });
const row = (page, path) => page.locator("#sent > li").filter({ hasText: path });

await spec(async () => {
  for (const look of [{ width: "desktop" }, { width: "phone", language: "zh", theme: "dark" }]) {
    await step(`${look.width}: files are added by keyboard, processed, and opened`, async () => {
      const page = await visit({ at: "/add", as: "ada", ...look });
      await axe(page);
      await tabTo(page.locator("#library"), 40);
      await page.keyboard.type(`pier-${look.width}`);
      await page.locator("#files").setInputFiles([
        text("lines.md", "# Lines\n\nMooring lines are doubled in a storm.\n"),
        { name: "torn.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7 and nothing of it") },
      ]);
      // Chosen files can be sent at once.
      await page.locator("#send:focus").waitFor();
      await page.keyboard.press("Enter");
      for (const path of ["lines.md", "torn.pdf"]) await row(page, path).locator(".badge.good").waitFor();
      // The error of one file is shown where the progress of both is.
      const standing = page.locator("#standing");
      await standing.locator(".rows li", { hasText: "torn.pdf" }).waitFor();
      await standing.locator(".steps .badge.good").nth(1).waitFor();
      await axe(page);
      // The scroll position stays while the numbers change.
      await page.locator("#standing-open").focus();
      await page.keyboard.press("Enter");
      await page.waitForURL(new RegExp(`/l/pier-${look.width}/`));
      await sees(page, page.getByRole("link", { name: "Lines" }));
    });
  }

  await step("files are dropped, and a failed upload is retried", async () => {
    const page = await visit({ at: "/add?library=pier-dropped&version=1", as: "ada" });
    expects(page, 503);
    let refused = 0;
    await page.route("**/api/v1/documents", async (route) => {
      if (refused++ === 0) await route.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify({ detail: "come back in a moment" }) });
      else await route.continue();
    });
    const held = await page.evaluateHandle(() => {
      const held = new DataTransfer();
      held.items.add(new File(["# Fenders\n\nFenders are inflated.\n"], "fenders.md", { type: "text/markdown" }));
      return held;
    });
    await page.dispatchEvent("#drop", "drop", { dataTransfer: held });
    await sees(page, row(page, "fenders.md").getByText("come back in a moment"));
    await axe(page);
    await row(page, "fenders.md").getByRole("button").click();
    await row(page, "fenders.md").locator(".badge.good").waitFor();
    await page.locator("#standing-open").waitFor();
  });

  await step("changes to the form during an upload apply to the next files", async () => {
    const page = await visit({ at: "/add?library=pier-first&version=1", as: "ada" });
    await page.route("**/api/v1/documents", async (route) => {
      await new Promise((later) => setTimeout(later, 200));
      await route.continue();
    });
    await page.locator("#files").setInputFiles(Array.from({ length: 7 }, (_, number) => text(`n${number}.md`, `# N${number}\n\nwords\n`)));
    await page.locator("#send").click();
    await page.locator("#library").fill("pier-second");
    await until("all seven", async () => await page.locator("#sent .badge.good").count() === 7);
    equal((await api("GET", "/api/v1/documents?library=pier-first", undefined, "ada")).items.length, 7);
    const libraries = await api("GET", "/api/v1/libraries", undefined, "ada");
    ok(!libraries.some(({ name }) => name === "pier-second"), "a library was made of what was only being written");
  });
});
