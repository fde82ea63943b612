// First use: the setup link, signing in and out by keyboard, language and theme. An example for other specs.
import { axe, equal, expects, go, ok, sees, signIn, site, spec, fixture, step, tabTo, visit } from "./support.mjs";

await spec(async () => {
  await step("the setup link creates an administrator, by keyboard on a phone", async () => {
    const page = await visit({ at: `/setup?token=${fixture.setup}`, width: "phone" });
    await axe(page);
    await tabTo(page.locator("input[name=username]"));
    await page.keyboard.type("ada");
    await tabTo(page.locator("input[name=password]"));
    await page.keyboard.type(fixture.password);
    await tabTo(page.locator("main form button").last());
    await page.keyboard.press("Enter");
    // The first steps, none of which is done.
    await page.waitForURL((url) => url.pathname === "/start");
    await sees(page, page.getByRole("heading", { level: 1 }));
    equal([await page.locator(".first-steps li").count(), await page.locator(".first-steps .badge").count()], [4, 0]);
    await axe(page);
    await go(page, "/");
    equal(await page.locator(".first-steps li").count(), 4);
    const status = await page.evaluate(async () => {
      const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name: "agent" }) };
      return (await fetch("/api/v1/keys", request)).status;
    });
    equal(status, 201);
    await go(page, "/start");
    equal(await page.locator(".first-steps .badge").count(), 1);
    await go(page, `/setup?token=${fixture.setup}`, 404);
  });

  for (const width of ["phone", "desktop"]) {
    await step(`${width}: sign in and out by keyboard`, async () => {
      const page = await visit({ at: "/libraries", width });
      // The first focus target is the skip link.
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      equal(new URL(page.url()).hash, "#content");
      await go(page, "/sign-in");
      await axe(page);
      // The first field has the focus.
      await sees(page, page.locator("input[name=name]:focus"));
      await page.keyboard.type("ada");
      await tabTo(page.locator("input[name=password]"), 3);
      await page.keyboard.type(fixture.password);
      await page.keyboard.press("Enter");
      await page.waitForURL((url) => url.pathname !== "/sign-in");
      const menu = page.locator("details.menu summary").first();
      await tabTo(menu);
      await page.keyboard.press("Enter");
      await sees(page, page.getByRole("button", { name: "Sign out", exact: true }));
      await axe(page);
      await page.keyboard.press("Escape");
      ok(!(await page.getByRole("button", { name: "Sign out", exact: true }).isVisible()), "Escape does not close the menu");
      await page.keyboard.press("Enter");
      await tabTo(page.getByRole("button", { name: "Sign out", exact: true }));
      await page.keyboard.press("Enter");
      await page.waitForURL(`${site}/`);
      await sees(page, page.locator(".mine a[href='/sign-in']"));
      equal((await page.context().cookies()).filter(({ name }) => name === "wenyuan_session"), []);
    });
  }

  await step("a wrong password is reported beside the form, which keeps its input", async () => {
    const page = await visit({ at: "/sign-in" });
    expects(page, 403);
    await page.locator("input[name=name]").fill("ada");
    await page.locator("input[name=password]").fill("not this one");
    await Promise.all([page.waitForNavigation(), page.locator("main form button").click()]);
    await sees(page, page.getByRole("alert"));
    equal(await page.locator("input[name=name]").inputValue(), "ada");
    await axe(page);
  });

  for (const width of ["phone", "desktop"]) {
    await step(`${width}: language and theme are chosen in the menu and stay`, async () => {
      const page = await visit({ at: "/sign-in", width });
      await page.locator("details.menu summary").first().click();
      await page.getByRole("button", { name: "中文" }).click();
      await page.locator("html[lang=zh-CN]").waitFor();
      await page.locator("details.menu summary").first().click();
      await page.getByRole("button", { name: "深色" }).click();
      const dark = page.locator("html[data-theme=dark]");
      await dark.waitFor();
      await axe(page);
      await go(page, "/");
      await dark.waitFor();
      equal(await page.locator("html").getAttribute("lang"), "zh-CN");
    });
  }

  await step("everything works without scripts", async () => {
    const page = await visit({ at: "/sign-in", script: false });
    await signIn(page, "ada");
    await page.locator("details.menu summary").first().click();
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await page.waitForURL(`${site}/`);
  });
});
