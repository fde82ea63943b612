// Administration: adding a user and granting a library, testing a model, on a phone and on a desktop.
import { axe, equal, expects, go, ok, sees, spec, step, tabTo, visit } from "./support.mjs";

const rooms = ["", "/users", "/access", "/keys", "/sessions", "/models", "/servers", "/jobs", "/settings"];

await spec(async () => {
  for (const [width, language, theme] of [["phone", "zh", "dark"], ["desktop", "en", "light"]]) {
    await step(`${width}: every administration page opens`, async () => {
      const page = await visit({ at: "/admin", width, language, theme, as: "ada" });
      for (const room of rooms) {
        await go(page, `/admin${room}`);
        await sees(page, page.getByRole("heading", { level: 1 }));
        equal(await page.locator("main nav [aria-current=page]").count(), 1, room);
        await axe(page);
      }
      await go(page, "/worklist");
      await axe(page);
    });

    await step(`${width}: a user is added by keyboard and granted a library`, async () => {
      const page = await visit({ at: "/admin/users", width, as: "ada" });
      const name = `new-${width}`;
      await tabTo(page.locator("details.new > summary"), 60);
      await page.keyboard.press("Enter");
      await tabTo(page.locator("#username"), 3);
      await page.keyboard.type(name);
      await page.keyboard.press("Enter");
      const link = page.locator("#link");
      await sees(page, link);
      ok((await link.textContent()).includes("/password?token="), "no link");
      await axe(page);
      await go(page, "/admin/access/handbook");
      await page.locator("#grantee").fill("no-such-person");
      expects(page, 404);
      await page.getByRole("button", { name: "Grant", exact: true }).click();
      await sees(page, page.getByRole("alert"));
      equal(await page.locator("#grantee").inputValue(), "no-such-person");
      await axe(page);
      await page.locator("#grantee").fill(name);
      await page.locator("#level").selectOption("write");
      await page.getByRole("button", { name: "Grant", exact: true }).click();
      await sees(page, page.locator(".done"));
      await sees(page, page.locator(".rows li").filter({ hasText: name }));
      await axe(page);
      await page.locator(".rows li").filter({ hasText: name }).getByRole("button").click();
      await sees(page, page.locator(".done"));
      equal(await page.locator(".rows li").filter({ hasText: name }).count(), 0);
    });

    await step(`${width}: a model is tested without leaving its page`, async () => {
      const page = await visit({ at: "/admin/models", width, as: "ada" });
      await page.locator(".rows a").first().click();
      await page.waitForURL((url) => url.pathname.startsWith("/admin/models/"));
      await page.evaluate(() => { window.stayed = true; });
      await page.getByRole("button", { name: "Test" }).click();
      await page.locator("#result .done, #result .fault").waitFor();
      ok(await page.evaluate(() => window.stayed === true), "the page was left");
      await axe(page);
    });
  }

  await step("a model is tested without script", async () => {
    const page = await visit({ at: "/admin/models", script: false, as: "ada" });
    await page.locator(".rows a").first().click();
    await page.getByRole("button", { name: "Test" }).click();
    await sees(page, page.locator("#result .done, #result .fault"));
  });
});
