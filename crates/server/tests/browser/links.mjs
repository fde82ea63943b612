// Links inside the library: from a JavaDoc summary to its detail, from a page by an address of its site; and pictures.
import { axe, equal, ok, sees, spec, step, visit } from "./support.mjs";

await spec(async () => {
  for (const look of [{ width: "desktop" }, { width: "phone", language: "zh", theme: "dark" }]) {
    await step(`${look.width}: a summary of a class leads to its detail, and to another class`, async () => {
      const page = await visit({ at: "/l/links/1/org/example/Gate.html", as: "ben", ...look });
      await axe(page);
      await page.locator("td code").getByRole("link", { name: "open", exact: true }).click();
      await page.waitForURL(/Gate\.html#a-\d+$/);
      const place = page.locator(`[id="${new URL(page.url()).hash.slice(1)}"]`);
      await sees(page, page.getByRole("heading", { name: /^open/ }));
      // The detail stands below its place, and the page went there.
      ok(await place.evaluate((here) => here.getBoundingClientRect().top < innerHeight), "the page did not go to its place");
      await page.locator("td code").getByRole("link", { name: "Door", exact: true }).click();
      await page.waitForURL(/Door\.html/);
      await sees(page, page.getByRole("heading", { name: "Class Door" }));
    });

    await step(`${look.width}: an address of the manual's site leads to the document here, at its heading`, async () => {
      const page = await visit({ at: "/l/links/1/app/start.md", as: "ben", ...look });
      await axe(page);
      await page.getByRole("link", { name: "how to set it up" }).click();
      await page.waitForURL(/\/l\/links\/1\/app\/02-guides\/setup\.md#/);
      await sees(page, page.getByRole("heading", { name: /^In a container/ }));
      equal(await page.getByRole("link", { name: "what is gone" }).count(), 0, "a broken link is a link");
    });
  }

  await step("a picture is shown, and one that is missing is described", async () => {
    const page = await visit({ at: "/l/links/1/app/start.md", as: "ben" });
    const picture = page.getByRole("img", { name: "The plan of the gate" });
    await sees(page, picture);
    await page.waitForFunction((image) => image.complete, await picture.elementHandle());
    ok(await picture.evaluate((image) => image.naturalWidth) > 0, "the picture was not loaded");
    await sees(page, page.getByText("A view that was lost"));
  });

  await step("broken links are listed on the page of the version", async () => {
    const page = await visit({ at: "/l/links/1", as: "ada" });
    await sees(page, page.locator("section", { has: page.locator("#broken") }).getByText("/docs/gone"));
    await axe(page);
  });
});
