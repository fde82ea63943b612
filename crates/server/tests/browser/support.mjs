// Support for browser specs: a browser that fails a spec for any error behind a page, signed-in users, axe, assertions.
// CONTRIBUTING.md describes how to write and run a spec.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";

const load = createRequire(`${process.env.WENYUAN_TEST_NODE_CLIENTS}/package.json`);
const { chromium } = load("playwright-core");

/** Origin of the server. */
export const site = new URL(process.env.WENYUAN_TEST_SITE).origin;
/** Values of the fixture: `password` (of every user), `setup` (token of the setup link, while it is valid), `key` (an API key). */
export const fixture = JSON.parse(process.env.WENYUAN_TEST_FIXTURE ?? "{}");

const MAX_SPEC_MS = 560_000;
const MAX_WAIT_MS = 8_000;
const flags = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"];

/** Window sizes. `zoomed` is a desktop window at 200 %. */
export const windows = {
  phone: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
  desktop: { viewport: { width: 1280, height: 800 } },
  zoomed: { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 },
};
const locales = { en: "en-GB", zh: "zh-CN" };

let browser;
const watched = new Map();
const sessions = new Map();

/** Launches a browser with a new profile. */
export const launch = (more = []) => chromium.launch({ executablePath: process.env.WENYUAN_TEST_CHROMIUM, args: [...flags, ...more] });

/** Runs a spec, reports failures, closes the browser, and exits. */
export async function spec(body, maxMs = MAX_SPEC_MS) {
  await runSpec(body, maxMs);
  process.exit();
}

/** Like `spec`, but does not exit. */
export async function runSpec(body, maxMs = MAX_SPEC_MS) {
  const name = basename(process.argv[1], ".mjs");
  const limit = setTimeout(() => { console.error(`${name} took longer than ${maxMs / 1000} s`); process.exit(1); }, maxMs);
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

/** A step of a spec. After it, no open page may have recorded a fault or be wider than its window. */
export async function step(name, body) {
  const start = Date.now();
  try {
    await body();
    await check();
  } catch (error) {
    throw new Error(`${name}: ${error.message}`, { cause: error });
  }
  console.log(`✓ ${name} (${Date.now() - start} ms)`);
}

/**
 * Opens a page in a context of its own and returns it (Playwright's `Page`).
 * `as` is the signed-in user (`ada`, an administrator, or `ben`, an ordinary user); by default nobody is signed in.
 */
export async function visit({ at = "/", status = 200, width = "desktop", language = "en", theme = "light", as, script = true, agent } = {}) {
  const context = await browser.newContext({
    ...windows[width], baseURL: site, locale: locales[language], timezoneId: "Asia/Shanghai", colorScheme: theme,
    javaScriptEnabled: script, userAgent: agent, reducedMotion: "reduce", permissions: ["clipboard-read", "clipboard-write"],
  });
  context.setDefaultTimeout(MAX_WAIT_MS);
  const look = [width, language, theme, as ?? "signed out", ...(script ? [] : ["no script"])].join(" ");
  context.on("page", (page) => watch(page, { faults: [], expected: [], look, widest: windows[width].viewport.width, script }));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => console.error(`CSP violation: ${violatedDirective} ${blockedURI}`));
  });
  if (as) await context.addCookies([{ name: "wenyuan_session", value: await session(as), url: site, httpOnly: true, sameSite: "Lax" }]);
  const page = await context.newPage();
  if (at) await go(page, at, status);
  return page;
}

/** Navigates to an address and checks its status. */
export async function go(page, path, status = 200) {
  if (status >= 400) expects(page, status);
  const answer = await page.goto(path, { waitUntil: "load" });
  // No response if only the fragment of the address changes.
  if (answer) assert.equal(answer.status(), status, `${path}: ${(await answer.text()).slice(0, 300)}`);
  return page;
}

/** Closes a page with its context and discards its faults. */
export async function leave(page) {
  watched.delete(page);
  await page.context().close();
}

/** Declares faults that a page may record: a status (404), or a pattern of the message. */
export function expects(page, ...what) {
  watched.get(page).expected.push(...what);
}

/** Accepts or dismisses the browser's dialogs ("Delete?"). Without it, a dialog is a fault. */
export function answers(page, yes) {
  watched.get(page).answer = yes;
}

/** Signs in through the form. */
export async function signIn(page, name, password = fixture.password) {
  if (new URL(page.url()).pathname !== "/sign-in") await go(page, "/sign-in");
  await page.locator("input[name=name]").fill(name);
  await page.locator("input[name=password]").fill(password);
  await page.locator("input[name=password]").press("Enter");
  await page.waitForURL((url) => url.pathname !== "/sign-in");
}

/** Session token of a user, as in the cookie. Each user signs in once for each spec. */
export async function session(name) {
  if (!sessions.has(name)) {
    const signedIn = await api("POST", "/api/v1/session", { name, password: fixture.password });
    sessions.set(name, signedIn);
  }
  return sessions.get(name).session_token;
}

/** Sends a request to the API as the user `as` and returns the JSON. For preparation, not for assertions. */
export async function api(method, path, body, as) {
  const headers = { "content-type": "application/json", "if-match": "*" };
  if (as) { await session(as); headers.authorization = `Bearer ${sessions.get(as).access_token}`; }
  const answer = await fetch(new URL(path, site), { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text === "" ? null : JSON.parse(text);
}

/** Asserts that axe finds no violation on the page: its rules for WCAG 2.2 A and AA and best practice, none that is experimental. */
export async function axe(page, { only } = {}) {
  // Content that htmx is replacing fades for a moment, with other contrasts.
  const still = () => !document.querySelector(".htmx-request") && document.getAnimations().every((one) => one.playState !== "running" || one.effect?.getTiming().iterations === Infinity);
  await page.waitForFunction(still, null, { timeout: MAX_WAIT_MS }).catch(() => {});
  const devtools = await page.context().newCDPSession(page);
  // Injected by the debugger, so that the page's CSP stays as it is.
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

let cachedAxe;
const axeSource = () => (cachedAxe ??= readFileSync(load.resolve("axe-core/axe.min.js"), "utf8"));

/** Asserts that no open page (or not this one) has recorded a fault or is wider than its window. */
export async function check(only) {
  for (const [page, { faults, look }] of watched) {
    if (only && page !== only) continue;
    if (!page.isClosed() && page.url().startsWith(site)) await fits(page);
    assert.ok(faults.length === 0, `at ${page.url()} (${look}):\n  ${faults.join("\n  ")}`);
    if (page.isClosed()) watched.delete(page);
  }
}

/** Asserts that the page is not wider than its window. */
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

/** Presses Tab until the target has the focus, and asserts that the focus is visible. */
export async function tabTo(target, maxPresses = 80) {
  const page = target.page();
  const trail = [];
  for (let pressed = 0; pressed < maxPresses; pressed += 1) {
    await page.keyboard.press("Tab");
    if (await target.evaluate((element) => element === document.activeElement)) {
      const seen = await target.evaluate((element) => {
        const shown = (of) => { const style = getComputedStyle(of); return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none"; };
        return shown(element) || shown(element.parentElement);
      });
      assert.ok(seen, `the focus is not visible on ${await target.evaluate((element) => element.outerHTML.slice(0, 160))}`);
      return;
    }
    trail.push(await page.evaluate(() => (document.activeElement?.ariaLabel ?? document.activeElement?.textContent ?? "").trim().slice(0, 30)));
  }
  assert.fail(`${target} cannot be reached by Tab: ${trail.join(" → ")}`);
}

/** Waits until a text or a locator is visible. */
export async function sees(page, what) {
  const target = typeof what === "string" || what instanceof RegExp ? page.getByText(what).filter({ visible: true }).first() : what;
  await target.waitFor({ state: "visible" }).catch(async (error) => {
    if (/strict mode/.test(error.message)) throw error;
    const shown = await page.locator("body").innerText().catch(() => "");
    assert.fail(`${what} is not visible at ${page.url()} (${watched.get(page).look}), but:\n${shown.slice(0, 1500)}`);
  });
  return target;
}

/** Polls until the condition holds. */
export async function until(what, holds, maxMs = MAX_WAIT_MS) {
  const start = Date.now();
  while (!(await holds())) {
    assert.ok(Date.now() - start < maxMs, `${what} did not happen in ${maxMs} ms`);
    await new Promise((later) => setTimeout(later, 50));
  }
}

export const equal = assert.deepEqual;
export const ok = assert.ok;

/** Records the faults of a page. */
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
    // A script or a navigation has cancelled the request.
    if (why !== "net::ERR_ABORTED") fault(`failed request: ${request.url()} ${why}`);
  });
  page.on("dialog", async (dialog) => {
    if (record.answer === undefined && dialog.type() !== "beforeunload") fault(`dialog: ${dialog.message()}`);
    await (record.answer ? dialog.accept() : dialog.dismiss()).catch(() => {});
  });
}
