// Takes screenshots of the pages. scripts/screenshots runs this: DATA_FOLDER FOLDER README_FOLDER.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [data, folder, readmeFolder] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const program = process.env.WENYUAN_PROGRAM;
const password = "three thousand scrolls";
const environment = { ...process.env, WENYUAN_DATA_DIR: join(data, "library"), WENYUAN_EMBEDDING: "local" };
delete environment.DATABASE_URL;
const wenyuan = (...words) => execFileSync(program, words, { env: environment, stdio: ["ignore", "pipe", "ignore"] }).toString();

/** A language model with answers from the manual. */
const model = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => { body += part; });
  request.on("end", () => {
    const question = body === "" ? "" : JSON.parse(body).messages.at(-1).content;
    const text = /[\u4e00-\u9fff]/.test(question.split("\n").at(-1))
      ? "升级到 Harbour 2.0 需要手动修改三处 [1]：\n\n1. 默认端口由 8000 改为 **8080**；沿用旧端口时，请先写明 `listen = \"0.0.0.0:8000\"` [1]。\n2. 文件 `/run/harbour.closed` 不再起作用，脚本改为调用 `harbour drain` [1]。\n3. 连接的排空时间由三十秒延长到九十秒，请调整服务管理器的等待时间 [1]。"
      : "Harbour takes no new requests, and drains its connections for **ninety seconds** before it stops [1]. Who is still waiting then is told `503` [1].\n\nVersion 1.8 waited for thirty seconds only: a service manager that kills after sixty must be told to wait [2].";
    response.writeHead(200, { "content-type": "text/event-stream" });
    const say = (delta, finish_reason = null) => response.write(`data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model: "small", choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
    for (const piece of text.match(/.{1,6}/gs)) say({ content: piece });
    say({}, "stop");
    response.end("data: [DONE]\n\n");
  });
}).listen(0, "127.0.0.1");
await new Promise((listening) => model.on("listening", listening));

const server = spawn(program, ["serve", "--listen", "127.0.0.1:0"], { env: environment, stdio: ["ignore", "ignore", "pipe"] });
let log = "";
server.stderr.on("data", (part) => { log += part; });
const logged = async (pattern) => {
  for (let tries = 0; tries < 1200; tries += 1) {
    const found = pattern.exec(log);
    if (found) return found[1];
    await new Promise((later) => setTimeout(later, 100));
  }
  throw new Error(`the server does not log ${pattern}:\n${log}`);
};

try {
  process.env.WENYUAN_TEST_SITE = `http://${await logged(/ready address=(\S+)/)}`;
  process.env.WENYUAN_TEST_FIXTURE = JSON.stringify({ password });
  const { api, go, runSpec, until, visit } = await import("./support.mjs");
  await api("POST", "/api/v1/setup", { token: await logged(/setup\?token=(\S+)/), username: "ada", password });
  const library = (name) => join(here, "library", name);
  for (const [path, name, version] of [["harbour-2.0", "harbour", "2.0"], ["harbour-1.8", "harbour", "1.8"], ["harbour-java", "harbour-java", "2.0"], ["handbook", "handbook", "2026"]]) {
    wenyuan("add", library(path), "--library", name, "--version", version);
  }
  wenyuan("models", "add", "small", `http://127.0.0.1:${model.address().port}/v1`, "--model", "small", "--default");
  for (const [name, title, description] of [["harbour", "Harbour", "A gateway that stands before the services of a team."], ["harbour-java", "Harbour for Java", "The client for Java."], ["handbook", "部署手册", "生产环境的部署与维护。"]]) {
    await api("PATCH", `/api/v1/libraries/${name}`, { title, description }, "ada");
  }
  // Questions in Chinese about English documents need semantic search.
  for (const [name, version] of [["harbour", "2.0"], ["harbour", "1.8"], ["harbour-java", "2.0"], ["handbook", "2026"], ["wenyuan", wenyuan("--version").trim().split(" ").at(-1)]]) {
    await until(`vectors of ${name}`, async () => {
      const { passages, vectors } = await api("GET", `/api/v1/libraries/${name}/versions/${version}`, undefined, "ada");
      return passages > 0 && vectors >= passages;
    }, 300_000);
  }
  const chats = {};
  for (const [language, question] of [["en", "What happens when Harbour is told to stop?"], ["zh", "如何升级到 Harbour 2.0？"]]) {
    const chat = await api("POST", "/api/v1/chats", { library: "harbour" }, "ada");
    await api("POST", `/api/v1/chats/${chat.id}/messages`, { content: question }, "ada");
    chats[language] = chat.id;
  }
  await api("POST", "/api/v1/keys", { name: "claude-code", scopes: ["notes"] }, "ada").catch(() => {});

  const pages = [
    ["search", () => "/"],
    ["found", (language) => (language === "zh" ? "/?q=%E5%A4%87%E4%BB%BD" : "/?q=drain+connections")],
    ["nothing", () => "/?q=nosuchwordanywhere"],
    ["libraries", () => "/libraries"],
    ["library", () => "/l/harbour"],
    ["version", () => "/l/harbour/2.0"],
    ["manual", () => "/l/harbour/2.0/manual.md"],
    ["chinese", () => `/l/handbook/2026/${encodeURIComponent("部署手册.md")}`],
    ["java", () => "/l/harbour-java/2.0/Berth.html"],
    ["operations", () => "/l/harbour/2.0/control.json"],
    ["compare", () => "/compare/harbour/manual.md?from=1.8&to=2.0"],
    ["ask", () => "/ask"],
    ["answer", (language) => `/ask/${chats[language]}`],
    ["history", () => "/ask/history"],
    ["add", () => "/add"],
    ["connect", () => "/connect"],
    ["account", () => "/account"],
    ["admin", () => "/admin"],
    ["people", () => "/admin/users"],
    ["models", () => "/admin/models"],
    ["worklist", () => "/worklist"],
    ["sign-in", () => "/sign-in", undefined],
  ];
  mkdirSync(folder, { recursive: true });
  mkdirSync(readmeFolder, { recursive: true });
  await runSpec(async () => {
    for (const width of ["desktop", "phone"]) {
      for (const language of ["en", "zh"]) {
        for (const user of ["ada", undefined]) {
          const page = await visit({ at: null, width, language, as: user });
          for (const [name, at] of pages.filter((entry) => (entry.length === 3 ? undefined : "ada") === user)) {
            await go(page, at(language));
            for (const theme of ["light", "dark"]) {
              await page.emulateMedia({ colorScheme: theme });
              await page.evaluate(() => new Promise((done) => setTimeout(done, 120)));
              await page.screenshot({ path: join(folder, `${name}-${width}-${language}-${theme}.png`) });
            }
            await page.emulateMedia({ colorScheme: "light" });
          }
          await page.context().close();
        }
      }
    }
    // For the README.
    for (const [name, at, language, theme] of [["search", "/?q=drain+connections", "en", "light"], ["document", "/l/harbour/2.0/manual.md", "en", "dark"], ["answer", `/ask/${chats.zh}`, "zh", "light"]]) {
      const page = await visit({ at, as: "ada", language, theme });
      await page.setViewportSize({ width: 1120, height: 700 });
      await page.evaluate(() => new Promise((done) => setTimeout(done, 200)));
      await page.screenshot({ path: join(readmeFolder, `${name}.png`) });
      await page.context().close();
    }
  }, 600_000);
} finally {
  const gone = new Promise((ended) => server.on("exit", ended));
  server.kill("SIGTERM");
  await Promise.race([gone, new Promise((later) => setTimeout(later, 20_000))]);
  model.close();
}
process.exit();
