// Every page and state: axe, one heading, language, title, nothing wider than its window, at all widths, in both languages, light and
// dark, with script and without. A page whose route is not in this list fails it.
import { readFileSync, readdirSync } from "node:fs";
import { api, axe, check, equal, expects, fits, go, ok, spec, stage, step, visit } from "./house.mjs";

const manual = "/l/harbour/2.0/manual.md";

/**
 * Pages by the route that answers. `as`: who looks, `ada` (an administrator) unless said. `status`: of the answer. `act`: what is done on
 * the page before it is looked at. Of each route at least one line; further lines are its states.
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
  { route: "/share/{token}", at: scene.share, as: null },
  { route: "/share/{token}", at: "/share/nothing", as: null, status: 404 },
  { route: "/account", at: "/account" },
  { route: "/account", at: "/account", as: "ben" },
  { route: "/add", at: "/add" },
  { route: "/add", at: "/add?library=harbour&version=2.0" },
  { route: null, at: "/no/such/page", status: 404 },
];

/** Routes that answer with something else than a page of their own. */
const none = new Set(["/guide/{file}", "/language", "/assets/{hash}/{name}", "/add/standing"]);

const looks = [
  { width: "phone", language: "en" },
  { width: "desktop", language: "zh" },
  { width: "phone", language: "zh" },
  { width: "desktop", language: "en" },
];
const tags = { en: "en", zh: "zh-CN" };

/** Fills a form in and sends it, whatever the browser thinks of what was written. */
async function submit(page, fields, form = "main form") {
  const sent = page.locator(form).first();
  for (const [name, value] of Object.entries(fields)) await sent.locator(`[name=${name}]`).fill(value);
  await sent.evaluate((form) => { form.noValidate = true; });
  await Promise.all([page.waitForNavigation(), sent.evaluate((form) => form.requestSubmit())]);
}

/** The routes of pages, as their sources declare them. */
function routes() {
  const folder = new URL("../../src/pages", import.meta.url);
  const files = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith(".rs")).map((file) => `${folder.pathname}/${file}`);
  const sources = [`${folder.pathname}.rs`, ...files].map((file) => readFileSync(file, "utf8")).join("\n");
  return [...sources.matchAll(/\.route\(\s*"([^"]+)",\s*get\(/g)].map(([, route]) => route);
}

/** What has to stand in the library and the history for all pages to have something to show. */
async function furnish() {
  const chat = await api("POST", "/api/v1/chats", { library: "harbour" }, "ada");
  const asked = await api("POST", `/api/v1/chats/${chat.id}/messages`, { content: "How long does Harbour drain its connections?" }, "ada");
  const share = await api("POST", `/api/v1/chats/${chat.id}/shares`, {}, "ada");
  const users = await api("GET", "/api/v1/users", undefined, "ada");
  const ben = (users.items ?? users).find(({ username }) => username === "ben");
  const reset = await api("POST", `/api/v1/users/${ben.id}/link`, undefined, "ada");
  return { chat: chat.id, answer: asked.answer?.id, share: new URL(share.url).pathname, reset: new URL(reset.url).pathname + new URL(reset.url).search };
}

/** What holds of every page. */
async function proper(page, { language }) {
  const seen = await page.evaluate(() => ({
    headings: [...document.querySelectorAll("h1")].map((heading) => heading.textContent.trim()),
    language: document.documentElement.lang,
    title: document.title.trim(),
    ways: document.querySelectorAll("a[href], form[action]").length,
  }));
  ok(seen.headings.length === 1 && seen.headings[0] !== "", `h1: ${JSON.stringify(seen.headings)}`);
  equal(seen.language, tags[language], "lang");
  ok(/\S.* · \S/.test(seen.title), `title: ${seen.title}`);
  ok(seen.ways > 3, `only ${seen.ways} links and forms`);
  return seen.headings[0];
}

await spec(async () => {
  const scene = await furnish();
  const all = pages(scene);
  const faults = [];
  const note = (name, error) => faults.push(`${name}: ${error.message}`);

  await step("no route is missing", async () => {
    const known = new Set([...all.map(({ route }) => route), ...none]);
    const missing = routes().filter((route) => !known.has(route));
    equal(missing, [], "routes of pages that everywhere.mjs does not look at");
    const gone = [...known].filter((route) => route && !routes().includes(route));
    equal(gone, [], "routes that there are no more");
  }).catch((error) => faults.push(error.message));

  async function look({ width, language }) {
    for (const { at, as = "ada", status = 200, expected, act } of all) {
      const name = `${at}${act ? " (acted)" : ""} ${width} ${language} ${as ?? "nobody"}`;
      const page = await visit({ at: null, width, language, as });
      try {
        if (expected) expects(page, expected);
        await go(page, at, status);
        await act?.(page);
        await proper(page, { language });
        for (const theme of ["light", "dark"]) {
          await page.emulateMedia({ colorScheme: theme });
          await axe(page, theme === "dark" ? { only: ["color-contrast", "link-in-text-block"] } : {});
        }
        await fits(page);
        if (width === "desktop") {
          await page.setViewportSize({ width: 640, height: 400 });
          await fits(page, 640);
        }
        await check(page);
      } catch (error) {
        note(name, error);
      }
      await page.context().close();
    }
  }
  await step("every page, with script", () => Promise.all([0, 1].map(async (lane) => {
    for (const [number, one] of looks.entries()) if (number % 2 === lane) await look(one);
  })));

  await step("every page, without script", async () => {
    for (const { at, as = "ada", status = 200, act } of all) {
      if (act) continue;
      const page = await visit({ at: null, width: "phone", language: "zh", theme: "dark", as, script: false });
      try {
        await go(page, at, status);
        await proper(page, { language: "zh" });
        await check(page);
      } catch (error) {
        note(`${at} without script`, error);
      }
      await page.context().close();
    }
  });

  ok(faults.length === 0, `${faults.length} faults:\n${faults.join("\n")}`);
});
