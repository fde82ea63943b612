// What a new user meets: addresses that people try, a link before signing in, asking without a language model, a mistyped library,
// favourites, shortcuts.
import { api, axe, equal, expects, go, ok, sees, signIn, spec, step, visit } from "./support.mjs";

const manual = "/l/harbour/2.0/manual.md";

await spec(async () => {
  await step("addresses that people try lead to the pages meant", async () => {
    const page = await visit({ at: "/search?q=drain", as: "ben" });
    ok(page.url().endsWith("/?q=drain"), page.url());
    for (const [tried, meant] of [["/login", "/"], ["/help", "/guide"], ["/docs", "/guide"], ["/history", "/ask/history"]]) {
      await go(page, tried);
      equal(new URL(page.url()).pathname, meant);
    }
    const icon = await page.request.get("/favicon.ico");
    equal([icon.status(), icon.headers()["content-type"]], [200, "image/x-icon"]);
  });

  for (const look of [{ width: "phone", theme: "dark", language: "zh" }, { width: "desktop" }]) {
    await step(`${look.width}: an error page has the navigation`, async () => {
      const page = await visit({ at: "/no/such/page", status: 404, as: "ben", ...look });
      equal(await page.locator(".rooms a").count(), 5);
      await axe(page);
      const stranger = await visit({ at: "/no/such/page", status: 404, ...look });
      equal(await stranger.locator(".rooms a").count(), 2);
      await stranger.locator(".mine a[href='/sign-in']").click();
      await sees(stranger, stranger.locator("input[name=name]"));
    });

    await step(`${look.width}: a link to a document asks to sign in, and leads there after it`, async () => {
      const page = await visit({ at: `${manual}?part=1`, ...look });
      equal(new URL(page.url()).pathname, "/sign-in");
      await sees(page, page.locator("main .note"));
      await axe(page);
      await signIn(page, "ben");
      equal(new URL(page.url()).pathname, manual);
      const { hits: [hit] } = await api("GET", "/api/v1/search?q=drain&library=harbour", undefined, "ada");
      const other = await visit({ at: `/passages/${hit.id}`, ...look });
      await signIn(other, "ben");
      ok(other.url().includes("/l/harbour/2.0/"), other.url());
    });

    await step(`${look.width}: a question without a language model stays in view, with its passages below`, async () => {
      const page = await visit({ at: "/ask?library=harbour", as: "ben", ...look });
      await page.locator("#words").fill("How long does Harbour drain its connections before it stops?");
      await page.locator("#words").press("Enter");
      await page.waitForURL(/\/ask\/[0-9a-f-]{36}/);
      await page.locator("article.said-answer:not([data-follow]) .given").first().waitFor();
      await page.waitForTimeout(400);
      const [question, passage, height] = await page.evaluate(() => [".question", ".given"].map((name) => document.querySelector(name).getBoundingClientRect().top).concat(innerHeight));
      ok(question >= 40 && question < height / 2, `the question is at ${question} of ${height}`);
      ok(passage > question && passage < height, `the first passage is at ${passage} of ${height}`);
      await axe(page);
    });

    await step(`${look.width}: a wrong name of a library is told before files are sent, and they stay`, async () => {
      const page = await visit({ at: "/add", as: "ada", ...look });
      await page.locator("#library").fill("no such/name/here");
      await page.locator("#files").setInputFiles({ name: "a.md", mimeType: "text/markdown", buffer: Buffer.from("# A\n\nx\n") });
      await page.locator("#send").click();
      equal(await page.locator("#library").evaluate((field) => field.validity.patternMismatch), true);
      equal(await page.locator("#sending").isVisible(), false);
      ok((await page.locator("#chosen").innerText()).includes("a.md"), "the chosen file is gone");
      const usual = await page.locator("#library-hint").innerText();
      await page.locator("#library").fill("harbour");
      equal(await page.locator("#library-hint").innerText(), usual);
      await page.locator("#library").fill("harbuor");
      ok((await page.locator("#library-hint").innerText()).includes("harbuor"), "a new library is not told");
      await axe(page);
    });
  }

  await step("the slash key searches the library of the document", async () => {
    const page = await visit({ at: manual, as: "ben" });
    await page.keyboard.press("/");
    await page.waitForURL(/\?library=harbour&version=2\.0#q$/);
    await page.keyboard.type("drain");
    await page.locator("[data-hit]").first().waitFor();
    ok(new URL(page.url()).searchParams.get("library") === "harbour", page.url());
  });

  for (const look of [{ width: "phone", theme: "dark", language: "zh" }, { width: "desktop" }]) {
    await step(`${look.width}: a favourite and what was read are on the first page`, async () => {
      const page = await visit({ at: manual, as: "ben", ...look });
      await page.locator(".star").click();
      await page.locator(".star[aria-pressed=true]").waitFor();
      await axe(page);
      await go(page, "/");
      await sees(page, page.locator("section[aria-labelledby=favourites] a", { hasText: "Harbour manual" }));
      await sees(page, page.locator("#read a", { hasText: "Harbour manual" }));
      await axe(page);
      await page.locator("#read button").click();
      equal(await page.locator("#read").isVisible(), false);
      await page.locator("section[aria-labelledby=favourites] a").first().click();
      await page.locator(".star").click();
      await page.locator(".star[aria-pressed=false]").waitFor();
    });

    await step(`${look.width}: the palette finds documents and pages by keyboard`, async () => {
      const page = await visit({ at: manual, as: "ben", ...look });
      await page.locator(".mine summary").focus();
      await page.keyboard.press("Control+k");
      const dialog = page.locator("dialog#palette");
      await sees(page, dialog.getByRole("combobox"));
      await sees(page, dialog.getByRole("option").first());
      await axe(page);
      await page.keyboard.type("berth");
      await sees(page, dialog.getByRole("option", { name: /Berth/ }).first());
      await axe(page);
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowUp");
      await page.keyboard.press("Enter");
      await page.waitForURL(/Berth\.html$/);
      await sees(page, page.getByRole("heading", { level: 1, name: /Berth/ }));
      // Escape closes it, and the focus returns.
      await page.locator(".mine summary").focus();
      await page.keyboard.press("Control+k");
      await dialog.getByRole("combobox").waitFor();
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
      ok(await page.locator(".mine summary").evaluate((element) => element === document.activeElement), "the focus is lost");
      // A search of this library is offered for what is no name.
      await page.keyboard.press("Control+k");
      await page.keyboard.type("no document is called so");
      await page.keyboard.press("Enter");
      await page.waitForURL(/library=harbour-java/);
    });

    await step(`${look.width}: the question mark lists the shortcuts`, async () => {
      const page = await visit({ at: "/libraries", as: "ben", ...look });
      await page.locator("h1").click();
      await page.keyboard.press("?");
      await sees(page, page.locator("dialog#shortcuts h2"));
      await axe(page);
      await page.locator("dialog#shortcuts button").click();
      await page.locator("dialog").waitFor({ state: "detached" });
      // Both are in the menu for those without a keyboard.
      await page.locator(".mine summary").click();
      await page.locator("[data-open=palette]").click();
      await sees(page, page.locator("dialog#palette input"));
    });
  }

  await step("paper has no buttons", async () => {
    const page = await visit({ at: manual, as: "ada" });
    await page.emulateMedia({ media: "print" });
    equal(await page.locator("button:visible, .button:visible, .chip:visible, summary:visible, nav.rooms:visible").count(), 0);
    await sees(page, page.locator(".prose"));
  });

  await step("settings show commands as code", async () => {
    const page = await visit({ at: "/admin/settings", as: "ada" });
    ok(!(await page.locator("main").innerText()).includes("`"), "a backtick is shown");
  });

  await step("somebody invited sets a password and is signed in", async () => {
    const made = await api("POST", "/api/v1/users", { username: "carol" }, "ada");
    const link = await api("POST", `/api/v1/users/${made.user.id}/link`, undefined, "ada");
    const page = await visit({ at: new URL(link.url).pathname + new URL(link.url).search, width: "phone" });
    await page.locator("input[name=password]").fill("seven rivers in spring");
    await page.locator("main form button").click();
    await page.waitForURL((url) => url.pathname === "/");
    equal(await page.locator(".who").innerText(), "carol");
    const admin = await visit({ at: "/admin/users", as: "ada" });
    equal(await admin.getByText("never signed in").count(), 0);
  });
});
