// Uses everything the MCP server offers with the official TypeScript client. The plan is described in official.py.
// The client validates structuredContent against the tool's output schema.
import { expect, load, run, textOf } from "./clients.mjs";

const { Client, StreamableHTTPClientTransport } = load("@modelcontextprotocol/client");
const { StdioClientTransport } = load("@modelcontextprotocol/client/stdio");

const LEGACY = "2025-11-25";

function transportOf({ url, key, command, arguments: args, environment }) {
  if (command) return new StdioClientTransport({ command, args, env: environment, stderr: "inherit" });
  return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { authorization: `Bearer ${key}` } } });
}

async function everyPage(list, field) {
  const found = [];
  let cursor;
  do {
    const page = await list(cursor ? { cursor } : undefined);
    found.push(...page[field]);
    cursor = page.nextCursor;
  } while (cursor);
  return found;
}

async function call(client, tool, planned) {
  const result = await client.callTool({ name: planned.tool, arguments: planned.arguments });
  const text = textOf(result);
  const about = `${planned.tool} ${JSON.stringify(planned.arguments)}: ${text.slice(0, 600)}`;
  expect((result.isError ?? false) === (planned.refused ?? false), `isError is ${result.isError}: ${about}`);
  expect(text.includes(planned.says ?? ""), `${planned.says} is missing: ${about}`);
  expect(!tool.outputSchema || result.isError || result.structuredContent, `no structuredContent: ${about}`);
}

async function goThrough(plan, number) {
  const revision = plan.revisions[number % plan.revisions.length];
  const mode = revision === LEGACY ? "legacy" : { pin: revision };
  const client = new Client({ name: "wenyuan-tests", version: "1" }, { versionNegotiation: { mode } });
  await client.connect(transportOf(plan.transport));
  try {
    const spoken = client.getNegotiatedProtocolVersion();
    expect(spoken === revision, `asked for ${revision}, got ${spoken}`);
    const tools = await everyPage((page) => client.listTools(page), "tools");
    for (const { name } of tools)
      expect(plan.calls.some((each) => each.tool === name), `${name} is listed, but not in the plan`);
    const done = { revision, tools: tools.length, calls: 0, resources: 0, prompts: 0, completions: 0 };
    for (const each of plan.calls) {
      const tool = tools.find(({ name }) => name === each.tool);
      expect(tool, `${each.tool} is in the plan, but not listed`);
      await call(client, tool, each);
      done.calls++;
    }

    const listed = await everyPage((page) => client.listResources(page), "resources");
    const templates = await everyPage((page) => client.listResourceTemplates(page), "resourceTemplates");
    expect(listed.length && templates.length, "no resources or no templates are listed");
    for (const { uri, says } of plan.resources) {
      const { contents } = await client.readResource({ uri });
      const text = contents.map((content) => content.text ?? "").join("\n");
      expect(text.includes(says), `${uri} says: ${text.slice(0, 600)}`);
      done.resources++;
    }

    const prompts = await everyPage((page) => client.listPrompts(page), "prompts");
    for (const { name } of prompts)
      expect(plan.prompts.some((prompt) => prompt.name === name), `prompt ${name} is listed, but not in the plan`);
    for (const prompt of plan.prompts) {
      const { messages } = await client.getPrompt({ name: prompt.name, arguments: prompt.arguments });
      const text = messages.map((message) => message.content.text ?? "").join("\n");
      expect(text.includes(prompt.says), `prompt ${prompt.name} says: ${text.slice(0, 600)}`);
      done.prompts++;
    }

    for (const completion of plan.completions) {
      const ref = completion.prompt
        ? { type: "ref/prompt", name: completion.prompt }
        : { type: "ref/resource", uri: completion.template };
      const argument = { name: completion.argument, value: completion.value };
      const context = completion.context && { arguments: completion.context };
      const { values } = (await client.complete({ ref, argument, context })).completion;
      expect(values.includes(completion.offers), `${JSON.stringify(completion)} is offered ${values}`);
      done.completions++;
    }
    return done;
  } finally {
    await client.close();
  }
}

await run((plan) => Promise.all(Array.from({ length: plan.clients }, (_, number) => goThrough(plan, number))));
