// Hostile content in documents, names, notes, chats and answers stays text on every page that shows it: nothing runs, no foreign
// request is sent, no page is left, nothing covers the page.
import { answers, api, check, equal, expects, fits, leave, ok, sees, signIn, site, spec, step, visit } from "./support.mjs";

const script = `"><script>window.pwned=1</script><img src=x onerror="window.pwned=2">{{7*7}}<svg onload=window.pwned=3>`;
const link = "[press](javascript:window.pwned=4) ![x](http://evil.example/x.png) <http://evil.example/>";
const document = "/l/hostile/1/hostile.md";

/** Asserts that nothing runs on this page, whatever is clicked. */
async function harmless(page, path, isWhole = false) {
  equal(await page.evaluate(() => window.pwned), undefined, `${path}: something ran`);
  const found = await page.evaluate((isWhole) => {
    const bad = [];
    for (const element of document.querySelectorAll("*")) {
      for (const { name, value } of element.attributes) {
        if (/^on/i.test(name)) bad.push(`<${element.localName} ${name}>`);
        if (/^(data-)?hx-on/i.test(name)) bad.push(`<${element.localName} ${name}>`);
        if (["href", "src", "action", "formaction", "data", "srcdoc", "xlink:href"].includes(name.toLowerCase())) {
          const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(value.replaceAll(/[\u0000-\u0020]/g, ""))?.[1]?.toLowerCase();
          const isOwn = ["http", "https"].includes(scheme) && URL.canParse(value) && new URL(value).origin === location.origin;
          const isForeignLink = ["http", "https"].includes(scheme) && element.localName === "a";
          if (scheme && !isOwn && !isForeignLink && scheme !== "mailto") bad.push(`<${element.localName} ${name}=${value.slice(0, 80)}>`);
          if (isForeignLink && !isOwn && !/\bnoopener\b|\bnoreferrer\b/.test(element.rel)) bad.push(`<a href=${value.slice(0, 80)} rel="${element.rel}">`);
          if (value.startsWith("//")) bad.push(`<${element.localName} ${name}=${value.slice(0, 80)}>`);
        }
      }
      if (["base", "object", "embed", "applet", "math", "foreignobject"].includes(element.localName)) bad.push(`<${element.localName}>`);
      if (element.localName === "meta" && element.httpEquiv && !isWhole) bad.push(element.outerHTML.slice(0, 80));
      if (element.localName === "form" && new URL(element.getAttribute("action") ?? "", location.href).origin !== location.origin) bad.push(element.outerHTML.slice(0, 80));
      if (element.localName === "script" && (!element.src || new URL(element.src).origin !== location.origin)) bad.push(element.outerHTML.slice(0, 80));
      if (element.localName === "style" && !isWhole && !element.textContent.includes("htmx-indicator")) bad.push(element.outerHTML.slice(0, 80));
      if (element.hasAttribute("style") && element.closest("main") && !element.closest("[data-own-style]") && element.localName !== "textarea") bad.push(`style on ${element.outerHTML.slice(0, 80)}`);
    }
    return bad;
  }, isWhole);
  equal(found, [], path);
  // Links in the hostile text lead only to their address, and run nothing.
  for (const anchor of await page.locator('main a[href^="javascript" i], main a[href^="data" i], main a[href^="vbscript" i]').all()) {
    ok(false, `${path}: ${await anchor.evaluate((element) => element.outerHTML)}`);
  }
}

await spec(async () => {
  const places = new Map();
  const see = (path, as = "ada") => places.set(`${path} ${as}`, { path, as });

  await step("hostile texts are stored in every field", async () => {
    await api("PATCH", "/api/v1/libraries/hostile", { title: `Library ${script}`, description: `About ${script} ${link}` }, "ada");
    const found = await api("GET", "/api/v1/search?q=hostileword&library=hostile", undefined, "ada");
    ok(found.hits.length > 0, "the hostile document is not found");
    const passage = found.hits[0].id;
    const noting = await visit({ at: `${document}?note=${passage}`, as: "ada" });
    await noting.locator('form[action="/notes"] textarea').first().fill(`Note ${script} ${link}`);
    await noting.locator('form[action="/notes"] button').first().click();
    await noting.waitForLoadState();
    await sees(noting, "Note \"><script>");
    const chat = await api("POST", "/api/v1/chats", { title: `Chat ${script}`.slice(0, 200), library: "hostile" }, "ada");
    await api("POST", `/api/v1/chats/${chat.id}/messages`, { content: `What of hostileword? ${script} ${link}` }, "ada");
    const key = await api("POST", "/api/v1/keys", { name: `Key ${Date.now()} ${script}`.slice(0, 100) }, "ada");
    ok(key, "a key with a hostile name");
    await api("POST", "/api/v1/mcp-servers", { name: `hostile-${Date.now()}`, description: `Server ${script}`, endpoint: `${site}/mcp` }, "ada");
    const share = await api("POST", `/api/v1/chats/${chat.id}/shares`, {}, "ada");
    const query = encodeURIComponent(`hostileword ${script}`);
    for (const path of ["/", `/?q=${query}`, "/?q=hostileword", `/?q=zzz${query}`, "/libraries", "/l/hostile", "/l/hostile/1", document, `/passages/${passage}`,
      `/ask/${chat.id}`, "/ask", "/ask/history", `/ask/history?q=${query}`, "/account", "/connect?library=hostile", "/add?library=hostile&version=1", "/admin", "/admin/keys", "/admin/models", "/admin/servers", "/admin/access",
      "/admin/access/hostile", "/worklist", "/compare/hostile/hostile.md"]) see(path);
    for (const path of [`/nothing/${encodeURIComponent(script)}`, `/l/${encodeURIComponent(script)}/1/x.md`, `/sign-in?next=${encodeURIComponent("javascript:window.pwned=9")}`]) see(path, "nobody");
    see(new URL(share.url).pathname);
  });

  for (const width of ["phone", "desktop"]) {
    await step(`${width}: nothing runs or navigates`, async () => {
      const faults = [];
      const shown = [];
      for (const as of ["ada", "nobody"]) {
        const page = await visit({ at: null, width, as: as === "nobody" ? undefined : as });
        expects(page, 400, 404);
        let left;
        page.on("framenavigated", (frame) => { if (frame === page.mainFrame() && new URL(frame.url()).origin !== site) left = frame.url(); });
        for (const { path, as: who } of places.values()) {
          if (who !== as) continue;
          try {
            const answer = await page.goto(path, { waitUntil: "load" });
            ok(answer.status() < 500, `${path}: ${answer.status()}`);
            // Long enough for a refresh, a focus handler or an animation to start.
            await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50))));
            ok(!left, `${path} was left for ${left}`);
            ok(new URL(page.url()).origin === site, page.url());
            // A shared chat is a self-contained file with its own policy and style.
            await harmless(page, path, path.startsWith("/share/"));
            await fits(page);
            if ((await page.locator("body").innerText()).includes("<script>window.pwned")) shown.push(path);
          } catch (error) {
            faults.push(error.message);
          }
        }
        try { await check(page); } catch (error) { faults.push(error.message); }
        await leave(page);
      }
      ok(faults.length === 0, faults.join("\n"));
      // It is shown as text.
      ok(shown.length >= 10, `only ${shown.join(" ")} show it`);
    });
  }

  await step("no address sends a signed-in user to another site", async () => {
    const page = await visit({ at: "/sign-in?next=" + encodeURIComponent("//evil.example/") });
    await signIn(page, "ben");
    equal(new URL(page.url()).origin, site);
    answers(page, false);
  });
});
