// Lighthouse on the most used pages: search results, a document, an answered question.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { api, launch, ok, session, site, spec, step } from "./support.mjs";

const load = createRequire(`${process.env.WENYUAN_TEST_NODE_CLIENTS}/package.json`);
const { default: lighthouse } = await import(pathToFileURL(load.resolve("lighthouse")));
const minimum = { performance: 0.95, accessibility: 1, "best-practices": 1 };
const port = 20_000 + (process.pid % 20_000);

await spec(async () => {
  const chat = await api("POST", "/api/v1/chats", { library: "harbour" }, "ada");
  await api("POST", `/api/v1/chats/${chat.id}/messages`, { content: "How long does Harbour drain its connections?" }, "ada");
  const faults = [];
  const chromium = await launch([`--remote-debugging-port=${port}`]);
  const whole = await chromium.newBrowserCDPSession();
  const expires = Date.now() / 1000 + 3600;
  const signedIn = { name: "wenyuan_session", value: await session("ada"), url: site, httpOnly: true, sameSite: "Lax", expires };
  for (const path of ["/?q=drain", "/l/harbour/2.0/manual.md", `/ask/${chat.id}`]) {
    await step(`Lighthouse on ${path}`, async () => {
      const options = { port, output: "json", logLevel: "silent", onlyCategories: Object.keys(minimum), disableStorageReset: true };
      // On a busy machine its trace may miss the start of the page, which says nothing about the page.
      let lhr;
      for (let tries = 0; tries < 3 && (!lhr || lhr.runtimeError); tries += 1) {
        await whole.send("Storage.setCookies", { cookies: [signedIn] });
        ({ lhr } = await lighthouse(new URL(path, site).href, options).catch(({ message }) => ({ lhr: { runtimeError: { message } } })));
      }
      ok(!lhr.runtimeError, lhr.runtimeError?.message);
      const scores = Object.fromEntries(Object.entries(lhr.categories).map(([name, { score }]) => [name, score]));
      console.log(path, JSON.stringify(scores), `first paint ${Math.round(lhr.audits["first-contentful-paint"].numericValue)} ms`);
      for (const [name, score] of Object.entries(minimum)) {
        const lost = lhr.categories[name].auditRefs.filter(({ id, weight }) => weight > 0 && lhr.audits[id].score !== null && lhr.audits[id].score < 0.9)
          .map(({ id }) => `${id} ${lhr.audits[id].score}: ${lhr.audits[id].displayValue ?? lhr.audits[id].title} ${JSON.stringify(lhr.audits[id].details?.items?.slice(0, 3))?.slice(0, 600)}`);
        if (scores[name] < score) faults.push(`${name} ${scores[name]} of ${score} on ${path}:\n  ${lost.join("\n  ")}`);
      }
    });
  }
  await chromium.close();
  ok(faults.length === 0, faults.join("\n"));
});
