// Every page and state: axe, one heading, language, title, no overflow, at all widths, in both languages, light and dark, with and
// without scripts. A page whose route is not in this list fails it.
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { api, axe, check, equal, expects, fits, go, leave, ok, site, spec, fixture, step, visit } from "./support.mjs";

const manual = "/l/harbour/2.0/manual.md";
const absent = "00000000-0000-7000-8000-000000000000";

/**
 * Pages by route. `as`: the user, by default `ada` (an administrator). `status`: of the response. `act`: an action before the checks.
 * At least one line for each route; further lines are its states.
 */
const pages = (scene) => [
  { route: "/", at: "/" },
  { route: "/", at: "/", as: null },
  { route: "/sign-in", at: "/sign-in", as: null },
  { route: "/sign-in", at: "/sign-in?done=password", as: null },
  { route: "/sign-in", at: "/sign-in", as: null, expected: 403, act: (page) => submit(page, { name: "ada", password: "not this one" }) },
  { route: "/setup", at: "/setup?token=guess", as: null, status: 404 },
  { route: "/password", at: "/password?token=guess", as: null, status: 404 },
  { route: "/password", at: scene.reset, as: null },
  { route: "/forgot", at: "/forgot", as: null },
  { route: "/share/{token}", at: scene.share, as: "ben" },
  { route: "/share/{token}", at: scene.share, as: null },
  { route: "/share/{token}", at: "/share/nothing", as: "ben", status: 404 },
  { route: "/unsubscribe/{token}", at: "/unsubscribe/guess", as: null, status: 404 },
  { route: "/account", at: "/account" },
  { route: "/account", at: "/account", as: "ben" },
  { route: "/connect", at: "/connect" },
  { route: "/graphql/explorer", at: "/graphql/explorer", act: (page) => page.locator("#types summary").first().click() },
  { route: "/graphql/explorer", at: "/graphql/explorer", as: null },
  { route: "/connect", at: "/connect?library=harbour" },
  { route: "/", at: "/?q=drain" },
  { route: "/", at: "/?q=drain", as: null },
  { route: "/", at: "/?q=%E5%A4%87%E4%BB%BD" },
  { route: "/", at: "/?q=nosuchwordanywhere" },
  { route: "/add", at: "/add" },
  { route: "/add", at: "/add?library=harbour&version=2.0" },
  { route: null, at: manual },
  { route: null, at: manual, as: null },
  { route: null, at: "/l/harbour/1.8/manual.md", as: "ben" },
  { route: null, at: "/l/harbour/2.0/guides/upgrading.md" },
  { route: null, at: "/l/harbour-java/2.0/org/example/harbour/Berth.html" },
  { route: null, at: "/l/harbour/2.0/control.json" },
  { route: null, at: `/l/handbook/2026/${encodeURIComponent("部署手册.md")}` },
  { route: null, at: "/l/handbook/2026/leaflet.pdf" },
  { route: null, at: "/l/hostile/1/hostile.md" },
  { route: null, at: "/l/harbour/9.9/manual.md", status: 404 },
  { route: null, at: "/l/harbour/2.0/nothing.md", status: 404 },
  { route: "/passages/{id}", at: `/passages/${scene.passage}` },
  { route: "/passages/{id}", at: `/passages/${absent}`, status: 404 },
  { route: "/compare/{library}/{*path}", at: "/compare/harbour/manual.md" },
  { route: "/compare/{library}/{*path}", at: "/compare/harbour/manual.md?from=1.8&to=2.0" },
  { route: "/compare/{library}/{*path}", at: "/compare/harbour/control.json" },
  { route: "/compare/{library}/{*path}", at: "/compare/harbour/nothing.md", status: 404 },
  { route: "/libraries", at: "/libraries" },
  { route: "/libraries", at: "/libraries", as: "ben" },
  { route: "/libraries", at: "/libraries", as: null },
  { route: null, at: "/l/harbour" },
  { route: null, at: "/l/harbour", as: "ben" },
  { route: null, at: "/l/nothing", status: 404 },
  { route: null, at: "/l/harbour/2.0" },
  { route: null, at: "/l/harbour/2.0?folder=guides" },
  { route: "/broken-links/{library}/{version}", at: "/broken-links/harbour-java/2.0" },
  { route: "/broken-links/{library}/{version}", at: "/broken-links/harbour/2.0", as: "ben" },
  { route: null, at: "/l/handbook/2026", as: "ben" },
  { route: null, at: "/l/harbour/9.9", status: 404 },
  { route: "/changes/{library}", at: "/changes/harbour" },
  { route: "/changes/{library}", at: "/changes/harbour?from=1.8&to=2.0&kind=added", as: "ben" },
  { route: "/changes/{library}", at: "/changes/handbook" },
  { route: "/start", at: "/start" },
  { route: "/start", at: "/start", as: "ben" },
  { route: null, at: manual, act: async (page) => { await page.keyboard.press("Control+k"); await page.locator("dialog [role=option]").first().waitFor(); } },
  { route: null, at: manual, act: async (page) => { await page.keyboard.press("?"); await page.locator("dialog h2").waitFor(); } },
  ...["access", "access/harbour", "backups", "jobs", "keys", `models/${scene.model}`, "models", "search-endpoints", "servers", `servers/${scene.server}`, "sessions", "settings", "users", `users/${scene.ben}`]
    .map((page) => ({ route: `/admin/${page.replace(/^(access|models|servers|users)\/.*/, (_, room) => `${room}/{${room === "access" ? "library" : "id"}}`)}`, at: `/admin/${page}` })),
  { route: "/admin", at: "/admin" },
  { route: "/admin", at: "/admin", as: "ben", status: 403 },
  { route: "/admin/users", at: "/admin/users", as: null },
  { route: "/worklist", at: "/worklist" },
  { route: "/worklist", at: "/worklist", as: "ben" },
  { route: "/ask/{chat}/share", at: `/ask/${scene.chat}/share` },
  { route: "/ask", at: "/ask" },
  { route: "/ask", at: "/ask", as: "ben" },
  { route: "/ask/{chat}", at: `/ask/${scene.chat}` },
  { route: "/ask/{chat}", at: `/ask/${scene.chat}`, as: "ben", status: 404 },
  { route: "/ask/{chat}", at: `/ask/${absent}`, status: 404 },
  { route: "/ask/messages/{message}", at: `/ask/messages/${scene.answer}` },
  { route: "/ask/history", at: "/ask/history" },
  { route: "/ask/history", at: "/ask/history", as: "ben" },
  { route: "/ask/history", at: "/ask/history?q=drain" },
  { route: "/ask/history", at: "/ask/history?q=nosuchwordanywhere" },
  { route: "/feed", at: "/feed" },
  { route: "/feed", at: "/feed?filter=people", as: "ben" },
  { route: "/posts", at: "/posts" },
  { route: "/posts", at: "/posts?library=harbour", as: null, status: 404 },
  { route: "/posts", at: "/posts?tag=drain" },
  { route: "/posts/new", at: `/posts/new?passage=${scene.passage}` },
  { route: "/posts/{id}", at: `/posts/${scene.post}` },
  { route: "/posts/{id}", at: `/posts/${scene.post}?history=1`, as: "ben" },
  { route: "/posts/{id}", at: `/posts/${scene.post}`, as: null, status: 404 },
  { route: "/posts/{id}", at: `/posts/${scene.post}`, act: (page) => page.locator("summary", { hasText: /^(Reply|回复)$/ }).first().click() },
  { route: "/posts/{id}", at: `/posts/${absent}`, status: 404 },
  { route: "/people", at: "/people" },
  { route: "/people", at: "/people?q=b" },
  { route: "/people/{username}", at: "/people/ben" },
  { route: "/people/{username}", at: "/people/ben?show=followers", as: "ben" },
  { route: "/people/{username}", at: "/people/nobody", status: 404 },
  { route: "/notifications", at: "/notifications" },
  { route: "/notifications", at: "/notifications", as: "ben" },
  { route: "/reports", at: "/reports" },
  { route: "/reports", at: "/reports?show=resolved" },
  { route: "/reports", at: "/reports", as: "ben", status: 403 },
  { route: "/messages", at: "/messages" },
  { route: "/messages", at: "/messages", as: "ben" },
  { route: "/messages/{conversation}", at: `/messages/${scene.conversation}` },
  { route: "/messages/{conversation}", at: `/messages/${absent}`, status: 404 },
  { route: "/guide", at: "/guide", as: null },
  { route: "/guide/{*page}", at: "/guide/searching" },
  { route: "/guide/{*page}", at: "/guide/reference/http" },
  { route: "/guide/{*page}", at: "/guide/nothing", status: 404 },
  { route: null, at: "/no/such/page", status: 404 },
];

/** Routes that do not answer with a page of their own. */
const withoutPage = new Set(["/login", "/signin", "/search", "/help", "/docs", "/history", "/favicon.ico", "/palette", "/notifications/unread", "/changes/{library}/atom", "/tree/{library}/{version}", "/language", "/assets/{hash}/{name}", "/add/standing", "/original/{library}/{version}/{*path}", "/pictures/{revision}/{number}", "/ask/messages/{message}/events", "/ask/messages/{message}/markdown",
  "/ask/messages/{message}/changes", "/ask/{chat}/files"]);

const tags = { en: "en", zh: "zh-CN" };

/** Fills in a form and submits it without the validation of the browser. */
async function submit(page, fields, form = "main form") {
  const sent = page.locator(form).first();
  for (const [name, value] of Object.entries(fields)) await sent.locator(`[name=${name}]`).fill(value);
  await sent.evaluate((form) => { form.noValidate = true; });
  await Promise.all([page.waitForNavigation(), sent.evaluate((form) => form.requestSubmit())]);
}

/** Routes of pages, as declared in their sources. */
function routes() {
  const folder = fileURLToPath(new URL("../../src/pages", import.meta.url));
  const files = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith(".rs")).map((file) => `${folder}/${file}`);
  return [`${folder}.rs`, ...files].map((file) => readFileSync(file, "utf8")).flatMap((source) => {
    const named = new Map([...source.matchAll(/const (\w+): &str = "(\/[^"]*)";/g)].map(([, name, route]) => [name, route]));
    return [...source.matchAll(/\.route\(\s*(?:"([^"]+)"|(\w+)),\s*get\(/g)].map(([, route, name]) => route ?? named.get(name) ?? name);
  });
}

/** Creates the data that every page needs to show something. */
async function prepare() {
  const chat = await api("POST", "/api/v1/chats", { library: "harbour" }, "ada");
  await api("POST", `/api/v1/chats/${chat.id}/messages`, { content: "How long does Harbour drain its connections?" }, "ada");
  const read = await api("GET", `/api/v1/chats/${chat.id}`, undefined, "ada");
  const answer = read.current;
  const found = await api("GET", "/api/v1/search?q=drain&library=harbour", undefined, "ada");
  const share = await api("POST", `/api/v1/chats/${chat.id}/shares`, {}, "ada");
  const users = await api("GET", "/api/v1/users", undefined, "ada");
  const ben = (users.items ?? users).find(({ username }) => username === "ben");
  const reset = await api("POST", `/api/v1/users/${ben.id}/link`, undefined, "ada");
  const [model] = await api("GET", "/api/v1/language-models", undefined, "ada");
  const server = await api("POST", "/api/v1/mcp-servers", { name: `other-${Date.now()}`, endpoint: `${site}/mcp` }, "ada");
  const { post, conversation } = await discuss(found.hits[0].id);
  return { post, conversation, chat: chat.id, answer, ben: ben.id, model: model.id, server: server.id, passage: found.hits[0].id, share: new URL(share.url).pathname, reset: new URL(reset.url).pathname + new URL(reset.url).search };
}

/** Creates a question about a passage with a thread of comments, and a conversation. */
async function discuss(passage) {
  const text = "Why ninety seconds, @ben? #drain\n\n```toml\nlisten = \"0.0.0.0:8000\" # a line that is longer than a narrow phone is wide\n```\n\n| a | b |\n|-|-|\n| 1 | 2 |";
  const post = await api("POST", "/api/v1/posts", { text: "Why?", about: { passage_id: passage }, question: true }, "ada");
  await api("PATCH", `/api/v1/posts/${post.id}`, { text }, "ada");
  let parent;
  for (const [index, as] of ["ben", "ada", "ben", "ada", "ben", "ada"].entries()) {
    parent = (await api("POST", `/api/v1/posts/${post.id}/comments`, { text: `Reply **${index}**, with-a-long-word-${"x".repeat(60)}`, parent_id: parent }, as)).id;
  }
  await api("PUT", `/api/v1/posts/${post.id}/like`, undefined, "ben");
  await api("PUT", "/api/v1/users/ada/follow", undefined, "ben");
  await api("POST", "/api/v1/reports", { post_id: post.id, reason: "A reason that is long enough to be wrapped on a phone." }, "ben");
  const conversation = await api("POST", "/api/v1/conversations", { members: ["ben"] }, "ada");
  await api("POST", `/api/v1/conversations/${conversation.id}/messages`, { text: "Is the **port** open? 端口开了吗？" }, "ben");
  return { post: post.id, conversation: conversation.id };
}

/** Asserts what holds for every page. */
async function checkPage(page, { language }) {
  const seen = await page.evaluate(() => ({
    headings: [...document.querySelectorAll("h1")].map((heading) => heading.textContent.trim()),
    language: document.documentElement.lang,
    title: document.title.trim(),
    ways: document.querySelectorAll("a[href], form[action]").length,
  }));
  ok(seen.headings.length === 1 && seen.headings[0] !== "", `h1: ${JSON.stringify(seen.headings)}`);
  equal(seen.language, tags[language], "lang");
  ok(seen.title !== "", "no title");
  ok(seen.ways > 2, `only ${seen.ways} links and forms`);
  return seen.headings[0];
}

await spec(async () => {
  const scene = await prepare();
  const all = pages(scene);
  const faults = [];
  const places = new Map();

  await step("no route is missing", async () => {
    const known = new Set([...all.map(({ route }) => route), ...withoutPage]);
    const missing = routes().filter((route) => !known.has(route));
    equal(missing, [], "routes that everywhere.mjs does not check");
    const gone = [...known].filter((route) => route && !routes().includes(route));
    equal(gone, [], "routes that no longer exist");
  }).catch((error) => faults.push(error.message));

  /** Opens all pages in one window and runs `body` on each. */
  async function walk(look, body) {
    const open = new Map();
    for (const { at, as = "ada", status = 200, expected, act } of all) {
      if (act && look.script === false) continue;
      if (!open.has(as)) open.set(as, await visit({ ...look, at: null, as }));
      const page = open.get(as);
      try {
        if (expected) expects(page, expected);
        await go(page, at, status);
        await act?.(page);
        await checkPage(page, look);
        await body?.(page);
        await check(page);
      } catch (error) {
        const where = `${at}${act ? " (after its action)" : ""} (${Object.values(look).join(" ")} ${as ?? "signed out"})`;
        // A fault that occurs on many pages is reported once.
        const [first, ...rest] = error.message.split("\n");
        const fault = rest.length > 0 ? rest.join("\n") : first;
        places.set(fault, [...(places.get(fault) ?? []), where]);
        await leave(page);
        open.delete(as);
      }
    }
    for (const page of open.values()) await leave(page);
  }

  /** Runs axe, and checks a desktop at 200 % for overflow. */
  const checkClosely = async (page) => {
    await axe(page);
    const { width, height } = page.viewportSize();
    if (width < 1000) return;
    await page.setViewportSize({ width: 640, height: 400 });
    await fits(page, 640);
    await page.setViewportSize({ width, height });
  };

  const colours = { only: ["color-contrast", "link-in-text-block"] };
  /** Like `checkClosely`, and the contrasts that only a desktop shows. */
  const checkCloselyAndWide = async (page) => {
    await checkClosely(page);
    const { width, height } = page.viewportSize();
    await page.setViewportSize({ width: 1280, height: 800 });
    await axe(page, colours);
    await page.setViewportSize({ width, height });
  };

  // Together: each window with each language, each theme, with and without scripts.
  await step("every page", () => Promise.all([
    walk({ width: "phone", language: "en" }, checkCloselyAndWide),
    walk({ width: "desktop", language: "zh", theme: "dark" }, checkClosely),
  ]));
  await step("every page, in the other combinations", () => Promise.all([
    walk({ width: "phone", language: "zh", theme: "dark" }, (page) => axe(page, colours)),
    walk({ width: "desktop", language: "en", script: false }),
  ]));

  await step("the page of components", async () => {
    for (const [width, theme] of [["phone", "dark"], ["desktop", "light"]]) {
      const page = await visit({ at: "/guide/components.html", width, theme });
      await checkPage(page, { language: "en" });
      await axe(page);
    }
  }).catch((error) => faults.push(error.message));

  for (const [fault, where] of places) faults.push(`${fault}\n  at ${where.join("\n     ")}`);
  ok(faults.length === 0, `${faults.length} faults:\n${faults.join("\n")}`);
});
