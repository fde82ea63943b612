// Questions: in Chinese about an English document; streaming, citations, stopping, editing, branches; history; shared links.
import { api, axe, equal, go, ok, sees, spec, step, tabTo, visit } from "./support.mjs";

const finished = (page) => page.locator("article.said-answer:not([data-follow])").last().waitFor({ timeout: 20000 });

async function ask(page, question) {
  await page.locator("#words").fill(question);
  await page.locator("#words").press("Enter");
}

await spec(async () => {
  await step("a question in Chinese is answered from an English manual, and its citation opens", async () => {
    const page = await visit({ at: "/ask?library=harbour", as: "ada", language: "zh" });
    await axe(page);
    // Without an embedding model the question must use words of the manual.
    // Enter during composition does not submit.
    await page.locator("#words").fill("Harbour drain connections 吗？");
    await page.locator("#words").dispatchEvent("keydown", { key: "Enter", isComposing: true });
    ok(page.url().includes("/ask?"), "Enter was taken while a word was composed");
    await page.locator("#words").press("Enter");
    await page.waitForURL(/\/ask\/[0-9a-f-]{36}/);
    await finished(page);
    await axe(page);
    const citation = page.locator(".answer sup a").first();
    await citation.scrollIntoViewIfNeeded();
    await citation.hover();
    await sees(page, page.locator("#cite"));
    ok((await page.locator("#cite").innerText()).includes("harbour"), "the passage does not say where it is from");
    await page.keyboard.press("Escape");
    equal(await page.locator("#cite").count(), 0);
    await tabTo(citation);
    await sees(page, page.locator("#cite"));
    await axe(page);
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => !url.pathname.startsWith("/ask"));
  });

  await step("a slow answer streams, survives a reload, and is stopped", async () => {
    const page = await visit({ at: "/ask", as: "ada" });
    await ask(page, "slowly: how long does Harbour drain its connections?");
    await page.waitForURL(/\/ask\/[0-9a-f-]{36}/);
    await page.waitForFunction(() => document.querySelector(".answer")?.textContent.trim().length > 3);
    await page.reload();
    await page.waitForFunction(() => document.querySelector(".answer")?.textContent.trim().length > 3);
    await axe(page);
    await page.getByRole("button", { name: "Stop" }).click();
    await finished(page);
    await sees(page, page.getByText("You stopped this answer."));
  });

  await step("an answer left while it streams continues on return", async () => {
    const page = await visit({ at: "/ask", as: "ada" });
    await ask(page, "slowly: how long does Harbour drain its connections?");
    await page.waitForURL(/\/ask\/[0-9a-f-]{36}/);
    await page.waitForFunction(() => document.querySelector(".answer")?.textContent.trim().length > 3);
    await go(page, "/libraries");
    await page.goBack();
    const before = (await page.locator(".answer").innerText()).length;
    await page.waitForFunction((length) => document.querySelector(".answer").textContent.length > length + 5, before);
    await page.getByRole("button", { name: "Stop" }).click();
    await finished(page);
    equal(await page.locator("#put button").isDisabled(), false);
  });

  await step("input and scope stay when files are attached", async () => {
    const page = await visit({ at: "/ask", as: "ada" });
    const question = `${"港口如何在风暴中系泊？".repeat(60)}`;
    await page.locator("#words").fill(question);
    await page.locator("#scope").selectOption("harbour@1.8");
    await page.locator("details.attach summary").click();
    const file = { name: "orders.md", mimeType: "text/markdown", buffer: Buffer.from("# Orders\n\nDouble the lines.\n") };
    await page.locator("#file").setInputFiles(file);
    await page.waitForURL(/\/ask\/[0-9a-f-]{36}$/);
    equal(await page.locator("#words").inputValue(), question);
    await sees(page, page.locator("#files").getByText("orders.md"));
    await sees(page, page.locator("header.head summary", { hasText: "harbour 1.8" }));
  });

  await step("an edited question keeps both branches", async () => {
    const page = await visit({ at: "/ask", as: "ada" });
    await ask(page, "How long does Harbour drain its connections?");
    await page.waitForURL(/\/ask\/[0-9a-f-]{36}/);
    await finished(page);
    await page.locator("details.edit summary").first().click();
    await page.locator("details.edit textarea").first().fill("And how long does Harbour drain connections?");
    await page.locator("details.edit button").first().click();
    await sees(page, page.getByText("2/2"));
    await finished(page);
    await page.getByRole("button", { name: "Previous version" }).click();
    await sees(page, page.getByText("1/2"));
    await axe(page);
  });

  for (const width of ["phone", "desktop"]) {
    await step(`${width}: the history is searched; a chat is renamed, deleted and restored`, async () => {
      const page = await visit({ at: "/ask", as: "ben", width, theme: "dark" });
      await axe(page);
      await ask(page, `How long does the gateway wait on a ${width}?`);
      await page.waitForURL(/\/ask\/[0-9a-f-]{36}/);
      await finished(page);
      await axe(page);
      const chat = new URL(page.url()).pathname;
      await go(page, "/ask/history");
      await axe(page);
      await page.locator("#q").fill(width);
      await sees(page, page.locator("#results mark").first());
      await go(page, chat);
      await page.locator(".head details.menu summary").first().click();
      await page.locator("#title").fill(`Renamed ${width}`);
      await axe(page);
      await page.getByRole("button", { name: "Rename" }).click();
      await sees(page, page.getByRole("heading", { level: 1, name: `Renamed ${width}` }));
      await page.locator(".head details.menu summary").first().click();
      await page.getByRole("button", { name: "Delete" }).click();
      await sees(page, page.getByText("was deleted", { exact: false }));
      await page.getByRole("button", { name: "Undo" }).click();
      await sees(page, page.getByRole("heading", { level: 1, name: `Renamed ${width}` }));
    });
  }

  await step("a chat is shared, and the link revoked", async () => {
    const page = await visit({ at: "/ask", as: "ada" });
    await ask(page, "How long does the gateway drain?");
    await page.waitForURL(/\/ask\/[0-9a-f-]{36}/);
    await finished(page);
    await go(page, `${new URL(page.url()).pathname}/share`);
    await axe(page);
    await page.getByRole("button", { name: "Create link" }).click();
    await sees(page, page.locator("#made"));
    await axe(page);
    const shared = new URL(await page.locator("#made").innerText()).pathname;
    await page.getByRole("button", { name: "Revoke" }).first().click();
    await page.waitForURL(/share$/);
    await go(page, shared, 404);
  });

  await step("questions work without scripts", async () => {
    const page = await visit({ at: "/ask", as: "ben", script: false });
    await page.locator("#words").fill("How long does Harbour drain its connections?");
    await page.locator("#put button").click();
    await page.waitForURL(/\/ask\/[0-9a-f-]{36}/);
    await finished(page);
  });
});
