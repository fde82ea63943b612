// What the specs of pages share: a browser that fails a spec for whatever goes wrong behind a page, people who are signed in, axe,
// small assertions. CONTRIBUTING.md says how a spec is written and run.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";

const load = createRequire(`${process.env.WENYUAN_TEST_NODE_CLIENTS}/package.json`);
const { chromium } = load("playwright-core");

/** Where the server is. */
export const site = new URL(process.env.WENYUAN_TEST_SITE).origin;
/** What the stage holds: `password` (everybody's), `setup` (the first-run link's token, where it is still good). */
export const stage = JSON.parse(process.env.WENYUAN_TEST_STAGE ?? "{}");

const LONGEST_SPEC = 560_000;
const LONGEST_WAIT = 8_000;
const flags = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"];

/** The windows that pages are shown in. `zoomed` is a desktop's window at 200 %. */
export const windows = {
  phone: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
  desktop: { viewport: { width: 1280, height: 800 } },
  zoomed: { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 },
};
const locales = { en: "en-GB", zh: "zh-CN" };

let browser;
const watched = new Map();
const sessions = new Map();

/** A browser of its own, with a fresh profile. */
export const launch = (more = []) => chromium.launch({ executablePath: process.env.WENYUAN_TEST_CHROMIUM, args: [...flags, ...more] });

/** Runs a spec to its end, says what failed, closes the browser, and ends the program. */
export async function spec(body, longest = LONGEST_SPEC) {
  await played(body, longest);
  process.exit();
}

/** The same, and goes on. */
export async function played(body, longest = LONGEST_SPEC) {
  const name = basename(process.argv[1], ".mjs");
  const limit = setTimeout(() => { console.error(`${name} took longer than ${longest / 1000} s`); process.exit(1); }, longest);
  browser = await launch();
  try {
    await body();
    await check();
  } catch (error) {
    process.exitCode = 1;
    console.error(`✗ ${name}: ${error.stack ?? error}`);
    const pages = [...watched.keys()].filter((page) => !page.isClosed());
    for (const [number, page] of pages.slice(-3).entries()) {
      const faults = watched.get(page).faults;
      console.error(`  open: ${page.url()} (${watched.get(page).look})${faults.map((fault) => `\n    ${fault}`).join("")}`);
      if (process.env.WENYUAN_TEST_PICTURES) {
        mkdirSync(process.env.WENYUAN_TEST_PICTURES, { recursive: true });
        const path = join(process.env.WENYUAN_TEST_PICTURES, `${name}-${number}.png`);
        await page.screenshot({ path, timeout: 5000 }).then(() => console.error(`  picture: ${path}`), () => {});
      }
    }
  } finally {
    clearTimeout(limit);
    await Promise.race([browser.close(), new Promise((gone) => setTimeout(gone, 5000))]);
  }
}

/** A part of a spec. When it has run, nothing may have gone wrong behind any open page, and none may be wider than its window. */
export async function step(name, body) {
  const begun = Date.now();
  try {
    await body();
    await check();
  } catch (error) {
    throw new Error(`${name}: ${error.message}`, { cause: error });
  }
  console.log(`✓ ${name} (${Date.now() - begun} ms)`);
}

/**
 * Opens a page in a context of its own and returns it (Playwright's `Page`).
 * `as` is somebody who is signed in (`ada` administers, `ben` is an ordinary user); without it nobody is.
 */
export async function visit({ at = "/", status = 200, width = "desktop", language = "en", theme = "light", as, script = true, agent } = {}) {
  const context = await browser.newContext({
    ...windows[width], baseURL: site, locale: locales[language], timezoneId: "Asia/Shanghai", colorScheme: theme,
    javaScriptEnabled: script, userAgent: agent, reducedMotion: "reduce", permissions: ["clipboard-read", "clipboard-write"],
  });
  context.setDefaultTimeout(LONGEST_WAIT);
  const look = [width, language, theme, as ?? "nobody", ...(script ? [] : ["no script"])].join(" ");
  context.on("page", (page) => watch(page, { faults: [], expected: [], look, widest: windows[width].viewport.width, script }));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => console.error(`CSP violation: ${violatedDirective} ${blockedURI}`));
  });
  if (as) await context.addCookies([{ name: "wenyuan_session", value: await session(as), url: site, httpOnly: true, sameSite: "Lax" }]);
  const page = await context.newPage();
  if (at) await go(page, at, status);
  return page;
}

/** Goes to an address, which answers with this status. */
export async function go(page, path, status = 200) {
  if (status >= 400) expects(page, status);
  const answer = await page.goto(path, { waitUntil: "load" });
  // Only another fragment of the same page: nothing was asked.
  if (answer) assert.equal(answer.status(), status, `${path}: ${(await answer.text()).slice(0, 300)}`);
  return page;
}

/** Closes a page with its context; what went wrong on it is forgotten. */
export async function leave(page) {
  watched.delete(page);
  await page.context().close();
}

/** Lets a page meet what would fail the spec: a status (404), or a pattern in what is said of it. */
export function expects(page, ...what) {
  watched.get(page).expected.push(...what);
}

/** Says yes or no to what the browser asks ("Delete?"); dialogs that nobody answers fail the spec. */
export function answers(page, yes) {
  watched.get(page).answer = yes;
}

/** Signs in through the form, as people do. */
export async function signIn(page, name, password = stage.password) {
  if (new URL(page.url()).pathname !== "/sign-in") await go(page, "/sign-in");
  await page.locator("input[name=name]").fill(name);
  await page.locator("input[name=password]").fill(password);
  await page.locator("input[name=password]").press("Enter");
  await page.waitForURL((url) => url.pathname !== "/sign-in");
}

/** The session of somebody who has signed in, as its cookie holds it: one for each spec. */
export async function session(name) {
  if (!sessions.has(name)) {
    const signedIn = await api("POST", "/api/v1/session", { name, password: stage.password });
    sessions.set(name, signedIn);
  }
  return sessions.get(name).session_token;
}

/** Asks the API behind the page's back, as `as`; the answer's JSON. For setting a scene, not for what is to be shown. */
export async function api(method, path, body, as) {
  const headers = { "content-type": "application/json", "if-match": "*" };
  if (as) { await session(as); headers.authorization = `Bearer ${sessions.get(as).access_token}`; }
  const answer = await fetch(new URL(path, site), { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text === "" ? null : JSON.parse(text);
}

/** Axe finds nothing on the page as it is. All of its rules for WCAG 2.2 A and AA and of best practice, none that is experimental. */
export async function axe(page, { only } = {}) {
  // What is just being exchanged is faded for a moment, and has other colours than it is read in.
  const still = () => !document.querySelector(".htmx-request") && document.getAnimations().every((one) => one.playState !== "running" || one.effect?.getTiming().iterations === Infinity);
  await page.waitForFunction(still, null, { timeout: LONGEST_WAIT }).catch(() => {});
  const devtools = await page.context().newCDPSession(page);
  // Put in by the debugger: the page's own rules stay as they are.
  const source = { expression: `${axeSource()};0` };
  if (!(await page.evaluate(() => "axe" in window))) await devtools.send("Runtime.evaluate", source);
  await devtools.detach();
  const found = await page.evaluate(async (only) => {
    const runOnly = only ? { type: "rule", values: only } : { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };
    const { violations } = await axe.run(document, { runOnly, iframes: false, resultTypes: ["violations"], ...(only ? {} : { rules: { "target-size": { enabled: true } } }) });
    return violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.slice(0, 4).map((node) => `    ${node.target.join(" ")}  ${node.html.slice(0, 160)}\n      ${node.failureSummary.split("\n").slice(1).join("; ").trim()}`).join("\n")}`);
  }, only);
  assert.ok(found.length === 0, `axe at ${page.url()} (${watched.get(page).look}):\n  ${found.join("\n  ")}`);
}

let kept;
const axeSource = () => (kept ??= readFileSync(load.resolve("axe-core/axe.min.js"), "utf8"));

/** Nothing has gone wrong behind the open pages so far (or behind one), and none is wider than its window. */
export async function check(only) {
  for (const [page, { faults, look }] of watched) {
    if (only && page !== only) continue;
    if (!page.isClosed() && page.url().startsWith(site)) await fits(page);
    assert.ok(faults.length === 0, `at ${page.url()} (${look}):\n  ${faults.join("\n  ")}`);
    if (page.isClosed()) watched.delete(page);
  }
}

/** The page is not wider than its window. */
export async function fits(page, widest = watched.get(page).widest) {
  const wide = await page.evaluate((widest) => {
    const root = document.documentElement;
    if (root.scrollWidth <= widest) return [];
    const scrolls = (element) => element && element !== root && (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
    const out = [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > widest + 1 && !scrolls(element.parentElement));
    return [`${root.scrollWidth} px wide`, ...out.slice(-4).map((element) => element.outerHTML.slice(0, 160))];
  }, widest).catch((error) => { if (/navigat|destroyed|closed/i.test(error.message)) return []; throw error; });
  assert.ok(wide.length === 0, `${page.url()} does not fit into ${widest} px (${watched.get(page).look}):\n  ${wide.join("\n  ")}`);
}

/** Presses Tab until this has the focus, which must be seen. */
export async function tabTo(target, most = 80) {
  const page = target.page();
  const trail = [];
  for (let pressed = 0; pressed < most; pressed += 1) {
    await page.keyboard.press("Tab");
    if (await target.evaluate((element) => element === document.activeElement)) {
      const seen = await target.evaluate((element) => {
        const shown = (of) => { const style = getComputedStyle(of); return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none"; };
        return shown(element) || shown(element.parentElement);
      });
      assert.ok(seen, `the focus is not seen on ${await target.evaluate((element) => element.outerHTML.slice(0, 160))}`);
      return;
    }
    trail.push(await page.evaluate(() => (document.activeElement?.ariaLabel ?? document.activeElement?.textContent ?? "").trim().slice(0, 30)));
  }
  assert.fail(`${target} is not reached by Tab: ${trail.join(" → ")}`);
}

/** This is seen within a moment: a text, or a locator. */
export async function sees(page, what) {
  const target = typeof what === "string" || what instanceof RegExp ? page.getByText(what).filter({ visible: true }).first() : what;
  await target.waitFor({ state: "visible" }).catch(async (error) => {
    if (/strict mode/.test(error.message)) throw error;
    const shown = await page.locator("body").innerText().catch(() => "");
    assert.fail(`${what} is not seen at ${page.url()} (${watched.get(page).look}), but:\n${shown.slice(0, 1500)}`);
  });
  return target;
}

/** Asks again and again until this holds. */
export async function until(what, holds, longest = LONGEST_WAIT) {
  const begun = Date.now();
  while (!(await holds())) {
    assert.ok(Date.now() - begun < longest, `${what} did not happen in ${longest} ms`);
    await new Promise((later) => setTimeout(later, 50));
  }
}

export const equal = assert.deepEqual;
export const ok = assert.ok;

/** Remembers what goes wrong behind a page. */
function watch(page, record) {
  watched.set(page, record);
  const { faults, expected } = record;
  const fault = (text, status) => {
    if (!expected.some((one) => (typeof one === "number" ? one === status : one.test(text)))) faults.push(text);
  };
  page.on("console", (message) => {
    if (!["error", "warning", "assert"].includes(message.type())) return;
    const [, status] = /status of (\d+)/.exec(message.text()) ?? [];
    fault(`console ${message.type()}: ${message.text()} (${message.location().url})`, Number(status));
  });
  page.on("pageerror", (error) => fault(`error: ${error.stack ?? error}`));
  page.on("crash", () => fault("the page crashed"));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (/^(https?|wss?):$/.test(url.protocol) && url.origin !== site) fault(`foreign request: ${url}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) fault(`${response.status()} ${response.request().method()} ${response.url()}`, response.status());
  });
  page.on("requestfailed", (request) => {
    const why = request.failure()?.errorText ?? "";
    // What a script or a reader who goes on has called off.
    if (why !== "net::ERR_ABORTED") fault(`failed request: ${request.url()} ${why}`);
  });
  page.on("dialog", async (dialog) => {
    if (record.answer === undefined && dialog.type() !== "beforeunload") fault(`dialog: ${dialog.message()}`);
    await (record.answer ? dialog.accept() : dialog.dismiss()).catch(() => {});
  });
}
