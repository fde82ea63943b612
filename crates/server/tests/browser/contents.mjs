// Reading through a version: the tree by mouse, keyboard and without scripts; the next document; twins; what changed between versions.
import { axe, equal, fixture, go, ok, sees, site, spec, step, tabTo, until, visit } from "./support.mjs";

/** Adds documents to a library with the fixture's key, and waits until they are read. */
async function add(library, version, documents) {
  for (const [path, text] of Object.entries(documents)) {
    const form = new FormData();
    for (const [name, value] of Object.entries({ library, version, path })) form.append(name, value);
    form.append("file", new Blob([text]), path);
    const headers = { authorization: `Bearer ${fixture.key}` };
    const [{ status_url: status }] = await (await fetch(new URL("/api/v1/documents", site), { method: "POST", headers, body: form })).json();
    for (let tries = 0; ; tries += 1) {
      const revision = await (await fetch(new URL(status, site), { headers })).json();
      if (revision.status === "completed") break;
      ok(tries < 100, `${path}: ${JSON.stringify(revision)}`);
      await new Promise((later) => setTimeout(later, 100));
    }
  }
}

const page1 = "/l/fleet/2/guide/start.md";

await spec(async () => {
  await step("documents are added", async () => {
    const of = (name, text = "It says little.") => `# ${name}\n\n${text}\n`;
    const shared = { "README.md": of("Fleet"), "guide/start.md": of("Start", "The document explains how to begin with the program, and what it needs."), "guide/stop.md": of("Stop", "As before."), "reference/a/deep.md": of("Deep"), "reference/top.md": of("Top") };
    await add("fleet", "1", { ...shared, "old/name.md": of("Name", "A text that moves."), "gone.md": of("Gone") });
    await add("fleet", "2", { ...shared, "guide/stop.md": of("Stop", "Otherwise now."), "new/name.md": of("Name", "A text that moves."), "guide/start.zh-CN.md": "# 开始\n\n本文说明如何开始。\n", "reference/b.md": of("B") });
  });

  for (const look of [{ width: "phone", theme: "dark", language: "zh" }, { width: "desktop" }]) {
    await step(`${look.width}: the tree opens folders, and keeps them open`, async () => {
      const page = await visit({ at: page1, as: "ben", ...look });
      const tree = page.locator(".tree");
      await tree.locator(".side > summary").click();
      await sees(page, tree.locator("a[aria-current=page]", { hasText: "Start" }));
      await axe(page);
      await tree.locator("details[data-folder=reference] > summary").click();
      await sees(page, tree.getByRole("link", { name: "Top", exact: true }));
      await tree.locator("details[data-folder='reference/a'] > summary").click();
      await sees(page, tree.getByRole("link", { name: "Deep", exact: true }));
      await axe(page);
      await tree.getByRole("link", { name: "Stop", exact: true }).click();
      await page.waitForURL(/guide\/stop\.md$/);
      // Both folders are open again.
      await sees(page, page.locator(".tree").getByRole("link", { name: "Deep", exact: true }));
      await page.locator(".tree").getByRole("link", { name: "Deep", exact: true }).click();
      await page.waitForURL(/reference\/a\/deep\.md$/);
      await axe(page);
    });
  }

  await step("on a wide screen tree, text and contents stand side by side", async () => {
    const page = await visit({ at: "/l/harbour/2.0/manual.md", as: "ben" });
    await page.setViewportSize({ width: 1600, height: 900 });
    const [tree, text, contents] = await Promise.all([".tree", ".prose", ".contents"].map((place) => page.locator(place).boundingBox()));
    ok(tree.x + tree.width <= text.x && text.x + text.width <= contents.x, JSON.stringify([tree, text, contents]));
    await sees(page, page.locator(".tree a[aria-current=page]"));
    await axe(page);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  await step("the tree is walked by arrow keys", async () => {
    const page = await visit({ at: page1, as: "ada" });
    const tree = page.locator(".tree");
    await tabTo(tree.locator(".side > summary"), 40);
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    ok(await tree.locator("a[aria-current=page]").evaluate((link) => link === document.activeElement), "the current document is not the stop of the Tab key");
    await page.keyboard.press("ArrowLeft");
    ok(await tree.locator("details[data-folder=guide] > summary").evaluate((folder) => folder === document.activeElement), "not at the folder above");
    await page.keyboard.press("ArrowLeft");
    equal(await tree.locator("details[data-folder=guide]").getAttribute("open"), null);
    await tree.locator("details[data-folder=reference] > summary").focus();
    await page.keyboard.press("ArrowRight");
    await sees(page, tree.getByRole("link", { name: "Top", exact: true }));
    await page.keyboard.press("End");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    await page.waitForURL(/reference\/top\.md$/);
  });

  await step("without scripts folders are lists", async () => {
    const page = await visit({ at: page1, as: "ben", script: false });
    await page.locator(".tree .side > summary").click();
    await page.locator(".tree details[data-folder=reference] > summary").click();
    await page.locator(".tree details[data-folder=reference] a").click();
    await page.waitForURL(/\?folder=reference$/);
    await sees(page, page.getByRole("link", { name: "Top", exact: true }));
    await page.locator(".crumbs a").last().click();
    await page.waitForURL(/\/l\/fleet\/2$/);
  });

  for (const look of [{ width: "phone", theme: "dark", language: "zh" }, { width: "desktop" }]) {
    await step(`${look.width}: the next document, the one before, and the twin`, async () => {
      const page = await visit({ at: page1, as: "ben", ...look });
      await page.locator(".acts a[hreflang=zh-CN]").click();
      await page.waitForURL(/start\.zh-CN\.md$/);
      await page.locator(".acts a[hreflang=en]").click();
      await page.waitForURL(/start\.md$/);
      await page.locator(".neighbours a[rel=prev]").click();
      await page.waitForURL(/README\.md$/);
      await page.locator(".neighbours a[rel=next]").click();
      await page.waitForURL(/guide\/start\.md$/);
      await axe(page);
    });

    await step(`${look.width}: what changed between two versions`, async () => {
      const page = await visit({ at: "/l/fleet", as: "ben", ...look });
      await page.locator("a[href^='/changes/']").click();
      await page.waitForURL(/\/changes\/fleet/);
      await page.locator("select[name=from]").selectOption("1");
      await page.locator("select[name=to]").selectOption("2");
      await page.locator("main form button").click();
      await page.waitForURL(/from=1&to=2/);
      await sees(page, page.locator(".rows .badge.accent").first());
      await axe(page);
      await page.locator(".chips a.chip").first().click();
      await page.waitForURL(/kind=added/);
      equal(await page.locator(".rows > li").count(), 2);
      await page.goBack();
      await page.locator(".rows a", { hasText: "Stop" }).click();
      await page.waitForURL(/\/compare\/fleet\/guide\/stop\.md\?from=1&to=2/);
      await sees(page, page.locator("mark, ins").first());
    });
  }

  await step("a passage of an old revision says so where one lands", async () => {
    const long = (word) => `# Log\n\n${Array.from({ length: 40 }, (_, day) => `## Day ${day}\n\n${`The ${word} says little of day ${day}. `.repeat(30)}\n`).join("\n")}`;
    await add("log", "1", { "log.md": long("harbour") });
    const headers = { authorization: `Bearer ${fixture.key}` };
    let hits = [];
    // The index follows within a second or two.
    await until("the log is found", async () => {
      ({ hits } = await (await fetch(new URL("/api/v1/search?library=log&q=harbour&limit=50", site), { headers })).json());
      return hits?.length > 0;
    });
    await add("log", "1", { "log.md": long("port") });
    const last = hits.toSorted((one, other) => other.line_from - one.line_from)[0];
    for (const width of ["phone", "desktop"]) {
      const page = await visit({ at: `/passages/${last.id}`, as: "ben", width });
      ok(await page.evaluate(() => scrollY) > 300, "the page is at its top");
      const [notice, passage] = await Promise.all([page.locator(".bar .warning").boundingBox(), page.locator(".passage:target").boundingBox()]);
      ok(notice.y >= 0 && notice.y + notice.height <= passage.y + 8, `the notice is at ${JSON.stringify(notice)}, the passage at ${JSON.stringify(passage)}`);
      await axe(page);
    }
  });
});
