// Reading: a member of a Java class, another version, a comparison, a note by keyboard, a phone.
import { axe, equal, go, ok, sees, spec, step, tabTo, visit } from "./support.mjs";

const berth = "/l/harbour-java/2.0/org/example/harbour/Berth.html";
const manual = "/l/harbour/2.0/manual.md";

await spec(async () => {
  for (const look of [{ width: "desktop" }, { width: "phone", language: "zh", theme: "dark" }, { width: "zoomed", theme: "dark" }]) {
    await step(`${look.width}: a document is read by its table of contents`, async () => {
      const page = await visit({ at: manual, as: "ben", ...look });
      equal(await page.locator("h1").count(), 1);
      await axe(page);
      const contents = page.locator(".contents");
      if (look.width !== "desktop") await contents.locator("summary").click();
      await contents.getByRole("link", { name: "Settings", exact: true }).click();
      await page.waitForURL(/#h-settings$/);
      await sees(page, page.getByRole("heading", { name: /^Settings/ }));
      await page.locator(".contents a[aria-current]", { hasText: "Settings" }).waitFor();
      ok(await page.locator("pre .c-number").count() > 0, "code has no colours");
    });
  }

  await step("a member of a class is found", async () => {
    const page = await visit({ at: berth, as: "ada" });
    await axe(page);
    const member = page.locator(".contents a").last();
    await member.click();
    ok(new URL(page.url()).hash.length > 2, "the address names no place");
  });

  await step("another version opens at the same section, or says that it is absent", async () => {
    const page = await visit({ at: `${manual}#h-shutting-down`, as: "ada" });
    await page.waitForFunction(() => document.querySelector("#versions a[data-under]")?.href.includes("under="));
    // The version switch is always visible: scrolling up to it would lose the position.
    const [before, summary] = [await page.evaluate(() => scrollY), page.locator("details.menu", { has: page.locator("#versions") }).locator("summary")];
    ok(before > 0, "the page did not go to its section");
    await summary.click();
    equal(await page.evaluate(() => scrollY), before, "the page moved");
    await page.locator("#versions a[data-under]").first().click();
    await page.waitForURL(/\/1\.8\/manual\.md/);
    await sees(page, page.getByText("thirty seconds"));
    await go(page, `${manual.replace("2.0", "1.8")}?from=2.0&under=${encodeURIComponent("Harbour manual › Tides")}`);
    await sees(page, page.getByRole("status").filter({ hasText: "Tides" }));
    await axe(page);
  });

  for (const look of [{ width: "desktop" }, { width: "phone", theme: "dark", language: "zh" }]) {
    await step(`${look.width}: two versions are compared`, async () => {
      const page = await visit({ at: manual, as: "ben", ...look });
      await page.locator("details.menu.start > summary").nth(1).click();
      await page.locator("details.menu.start[open] .sheet a").first().click();
      await page.waitForURL(/\/compare\/harbour\/manual\.md/);
      await sees(page, page.locator("mark", { hasText: "8080" }).first());
      await axe(page);
    });
  }

  await step("a note is written, shown and settled by keyboard, without scripts", async () => {
    const page = await visit({ at: manual, as: "ada", script: false });
    await tabTo(page.locator(".tools a").nth(1), 80);
    await page.keyboard.press("Enter");
    await page.waitForURL(/note=/);
    await tabTo(page.locator("#note-text"), 120);
    await page.keyboard.type("Ninety is too long.");
    await tabTo(page.locator(".noting button"), 5);
    await page.keyboard.press("Enter");
    await page.waitForURL(/#note-/);
    await sees(page, page.getByText("Ninety is too long."));
    await page.locator(".remark button").click();
    // The scroll position stays.
    await page.waitForURL(/#p-/);
    equal(await page.getByText("Ninety is too long.").count(), 0);
  });

  await step("a note is written beside its passage", async () => {
    const page = await visit({ at: manual, as: "ben", width: "phone", theme: "dark" });
    const passage = page.locator(".passage").nth(1);
    await passage.locator(".tools a").nth(1).focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(/note=/);
    await axe(page);
    await page.locator("#note-text").fill("Is this so?");
    await page.locator(".noting button").click();
    await page.waitForURL(/#note-/);
    await sees(page, page.getByText("Is this so?"));
    // A reader cannot settle notes.
    equal(await page.locator(".remark button").count(), 0);
    await axe(page);
  });

  // htmx restores history differently in some browsers, where document text could become markup.
  for (const agent of [undefined, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"]) {
    await step(`${agent ?? "default browser"}: back and forward within a long document`, async () => {
      const page = await visit({ at: "/l/hostile/1/log.md", as: "ada", agent });
      await page.locator("p.more a").scrollIntoViewIfNeeded();
      await page.getByRole("heading", { name: "Day 40" }).waitFor();
      const asked = [];
      page.on("request", (request) => { if (!request.url().endsWith("/icon.svg")) asked.push(request.url()); });
      await page.locator(".contents").getByRole("link", { name: "Day 2", exact: true }).click();
      await page.waitForURL(/#.+/);
      await page.goBack();
      await page.goForward();
      await page.waitForTimeout(300);
      equal(asked, [], "something was asked for on the way");
      equal(await page.locator("h1").innerText(), "Log");
      ok(await page.getByRole("heading", { name: "Day 40" }).count(), "what was read on is gone");
      // A link to a passage of a later part opens that part.
      const link = await page.locator(".passage .tools a[href*='#p-']").last().getAttribute("href");
      ok(/[?&]part=\d/.test(link), `the address of a passage names no part: ${link}`);
      await go(page, link);
      await sees(page, page.locator(`[id="${new URL(link, page.url()).hash.slice(1)}"]`));
    });
  }

  await step("the hostile document does nothing", async () => {
    const page = await visit({ at: "/l/hostile/1/hostile.md", as: "ada" });
    equal(await page.evaluate(() => window.pwned), undefined);
    equal(await page.locator(".prose :is(script, iframe, img, svg:not(.icon), style, form, input, object)").count(), 0);
    await axe(page);
  });

  await step("the Markdown is copied", async () => {
    const page = await visit({ at: manual, as: "ada" });
    await page.locator("#copy-markdown").click();
    await sees(page, page.locator("#said p"));
    ok((await page.evaluate(() => navigator.clipboard.readText())).startsWith("# Harbour manual"), "something else was copied");
  });
});
