// Searching: while typing, by keyboard and by pointer, narrowing by links, and advice when nothing is found.
import { api, axe, equal, go, ok, sees, spec, step, tabTo, until, visit } from "./support.mjs";

const field = (page) => page.getByRole("searchbox");
const hits = (page) => page.locator("[data-hit]");
const query = (page) => Object.fromEntries(new URL(page.url()).searchParams);

await spec(async () => {
  for (const width of ["phone", "desktop"]) {
    await step(`${width}: a passage is found while typing and opened by keyboard`, async () => {
      const page = await visit({ at: "/", width, as: "ben" });
      await axe(page);
      await page.evaluate(() => document.activeElement.blur());
      await page.keyboard.press("/");
      ok(await field(page).evaluate((element) => element === document.activeElement), "/ does not lead to the field");
      await page.keyboard.type("drain seconds");
      await sees(page, page.locator("mark", { hasText: "drain" }).first());
      await until("the address follows", () => query(page).q === "drain seconds");
      await until("the count is spoken", async () => /passages? in/.test(await page.locator("#told").textContent()));
      await axe(page);
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowUp");
      ok(await hits(page).first().evaluate((element) => element === document.activeElement), "the arrows do not lead to the first hit");
      await page.keyboard.press("Escape");
      ok(await field(page).evaluate((element) => element === document.activeElement), "Escape does not lead back");
      await page.keyboard.press("ArrowDown");
      equal(await page.evaluate(() => document.activeElement.pathname.split("/")[1]), "passages");
    });

    await step(`${width}: links narrow the search, and each filter can be removed`, async () => {
      const page = await visit({ at: "/?q=berths", width, as: "ben" });
      const filters = page.getByText("Filters", { exact: true });
      if (width === "phone") await filters.click();
      await page.locator(".narrow-by").getByRole("link", { name: "harbour", exact: true }).click();
      await until("the library is in the address", () => query(page).library === "harbour");
      if (width === "phone") await filters.click();
      await page.locator(".narrow-by").getByRole("link", { name: "1.8" }).click();
      await until("the version is in the address", () => query(page).version === "1.8");
      await sees(page, page.locator(".hit .badge", { hasText: "1.8" }).first());
      equal(await page.locator(".hit .badge.accent", { hasText: "2.0" }).count(), 0);
      await axe(page);
      // Further typing searches in the same version.
      await field(page).fill("settings");
      await until("the version stays", () => query(page).q === "settings" && query(page).version === "1.8");
      await page.getByRole("list", { name: "Selected filters" }).getByRole("link", { name: /^harbour/ }).click();
      await until("the library is left", () => !("library" in query(page)) && !("version" in query(page)));
      equal(query(page).q, "settings");
    });
  }

  await step("a typo gets a suggestion, and owners see only final questions", async () => {
    const page = await visit({ at: "/?library=harbour", as: "ben" });
    await field(page).pressSequentially("berhts drian", { delay: 20 });
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "berths drain", exact: true }).click();
    await sees(page, page.locator("mark").first());
    await field(page).fill("");
    await field(page).pressSequentially("sourdough pizza", { delay: 20 });
    await sees(page, "No results.");
    await axe(page);
    const told = async () => (await api("GET", "/api/v1/worklist?kind=nothing_found&limit=100", undefined, "ada")).items.flatMap(({ questions }) => questions);
    await until("owners are told", async () => (await told()).includes("sourdough pizza"));
    equal((await told()).filter((question) => question.startsWith("sour")), ["sourdough pizza"]);
  });

  await step("recent searches are offered and can be cleared", async () => {
    const page = await visit({ at: "/?q=berths", as: "ben" });
    await sees(page, page.locator(".hit").first());
    await go(page, "/");
    await sees(page, page.getByRole("heading", { name: "Recent searches" }));
    await axe(page);
    await page.getByRole("link", { name: "berths", exact: true }).click();
    await until("it is searched again", () => query(page).q === "berths");
    await go(page, "/");
    await page.getByRole("button", { name: "Clear" }).click();
    ok(!(await page.getByRole("heading", { name: "Recent searches" }).isVisible()), "they are still shown");
  });

  await step("Chinese is found in Chinese, on a phone, dark", async () => {
    const page = await visit({ at: "/", width: "phone", language: "zh", theme: "dark", as: "ben" });
    await field(page).fill("部署");
    await sees(page, page.locator("mark", { hasText: "部署" }).first());
    await axe(page);
  });

  await step("everything works without scripts", async () => {
    const page = await visit({ at: "/", as: "ben", script: false });
    await field(page).fill("drain seconds");
    await field(page).press("Enter");
    await sees(page, page.locator("mark").first());
    await page.locator(".narrow-by").getByRole("link", { name: "harbour", exact: true }).click();
    equal(query(page), { q: "drain seconds", library: "harbour" });
  });

  await step("the results can be reached by Tab with a visible focus", async () => {
    const page = await visit({ at: "/?q=berths", as: "ben" });
    await tabTo(hits(page).first());
  });
});
