// The account page: creating and copying a key, ending another session, language and theme that follow to another browser.
import { axe, equal, expects, go, ok, sees, signIn, spec, fixture, step, tabTo, visit } from "./support.mjs";

await spec(async () => {
  for (const width of ["phone", "desktop"]) {
    await step(`${width}: a key is created by keyboard, copied, disabled and deleted`, async () => {
      const page = await visit({ at: "/account", width, as: "ben" });
      await axe(page);
      const summary = page.locator("details.new > summary");
      await tabTo(summary, 60);
      await page.keyboard.press("Enter");
      await tabTo(page.locator("#key-name"), 3);
      await page.keyboard.type(`agent ${width}`);
      await page.locator("input[name=notes]").check();
      await axe(page);
      await page.locator("#key-name").press("Enter");
      const secret = page.locator("#secret");
      await sees(page, secret);
      await axe(page);
      await page.locator("[data-copy='#secret']").click();
      await page.locator("#said p").waitFor();
      equal(await page.evaluate(() => navigator.clipboard.readText()), (await secret.textContent()).trim());
      await go(page, "/account");
      ok(!(await page.content()).includes((await secret.count()) ? await secret.textContent() : "wy_secret"), "the key is shown again");
      const row = page.locator("#keys ~ .rows > li").filter({ hasText: `agent ${width}` });
      await row.getByRole("button", { name: "Disable" }).click();
      await sees(page, page.locator(".done"));
      await row.locator(".badge.warn").waitFor();
      await row.locator("details.sure summary").click();
      await axe(page);
      await row.getByRole("button", { name: "Delete permanently" }).click();
      await sees(page, page.locator(".done"));
      equal(await row.count(), 0);
    });
  }

  await step("a double click creates one key and shows it", async () => {
    const page = await visit({ at: "/connect", as: "ben" });
    await page.locator("#name").fill("pressed twice");
    await page.locator("main form button").dblclick();
    await sees(page, page.locator("#key"));
    ok((await page.locator("#key").innerText()).startsWith("wy_"));
  });

  await step("another session is ended, and the current one is marked", async () => {
    const here = await visit({ at: "/sign-in" });
    await signIn(here, "ben");
    const there = await visit({ at: "/sign-in", width: "phone" });
    await signIn(there, "ben");
    await go(here, "/account");
    equal(await here.locator("#sessions ~ .rows .badge.good").count(), 1);
    await here.getByRole("button", { name: "Sign out everywhere else" }).click();
    await sees(here, here.locator(".done"));
    await go(there, "/account");
    equal(new URL(there.url()).pathname, "/sign-in");
  });

  await step("an error in a form far down the page scrolls into view", async () => {
    const page = await visit({ at: "/account", as: "ada", width: "phone" });
    expects(page, 403);
    await page.locator("#current").fill("not my password");
    await page.locator("#new").fill("another good password");
    await page.locator("#new").press("Enter");
    await page.locator(".fault:focus").waitFor();
    const { top, bottom } = await page.locator(".fault").evaluate((fault) => fault.getBoundingClientRect().toJSON());
    ok(top >= 0 && bottom <= 740, `the fault stands at ${top}`);
    await axe(page);
  });

  await step("language and theme follow the account", async () => {
    const here = await visit({ at: "/sign-in", width: "phone" });
    await signIn(here, "ben");
    await go(here, "/account");
    await here.locator("input[name=language][value=zh]").check();
    await here.locator("input[name=theme][value=dark]").check();
    await here.locator("form[action='/account/look'] button").click();
    await here.locator("html[lang=zh-CN][data-theme=dark]").waitFor();
    await axe(here);
    const there = await visit({ at: "/sign-in" });
    await signIn(there, "ben", fixture.password);
    await there.locator("html[lang=zh-CN][data-theme=dark]").waitFor();
    await go(there, "/account");
    await there.locator("input[name=language][value=en]").check();
    await there.locator("input[name=theme][value=system]").check();
    await there.locator("form[action='/account/look'] button").click();
    await there.locator("html[lang=en][data-theme=system]").waitFor();
  });
});
