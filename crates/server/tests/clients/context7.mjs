// Runs the unmodified Context7 package as an agent does: over stdio, with the address of the service in its environment.
// The plan: api, key, found {libraryName, query, says}, answered {libraryId, query, says}, and refused: [{key?, tool, arguments, says}].
import { dirname } from "node:path";
import { expect, load, run, textOf } from "./clients.mjs";

const { Client } = load("@modelcontextprotocol/client");
const { StdioClientTransport } = load("@modelcontextprotocol/client/stdio");
const program = `${process.env.WENYUAN_TEST_NODE_CLIENTS}/node_modules/@upstash/context7-mcp/dist/index.js`;

async function withClient(plan, key, body) {
  const env = { CONTEXT7_API_URL: plan.api, CONTEXT7_API_KEY: key, OTEL_SDK_DISABLED: "true", PATH: dirname(process.execPath) };
  const transport = new StdioClientTransport({ command: process.execPath, args: [program], env, stderr: "ignore" });
  const client = new Client({ name: "wenyuan-tests", version: "1" });
  await client.connect(transport);
  try {
    return await body(async (name, args) => textOf(await client.callTool({ name, arguments: args })));
  } finally {
    await client.close();
  }
}

await run(async (plan) => {
  await withClient(plan, plan.key, async (call) => {
    for (const [tool, { says, ...args }] of [["resolve-library-id", plan.found], ["query-docs", plan.answered]]) {
      const text = await call(tool, args);
      for (const part of says) expect(text.includes(part), `${tool} does not say ${part}:\n${text}`);
    }
  });
  for (const { key, tool, arguments: args, says } of plan.refused) {
    const text = await withClient(plan, key ?? plan.key, (call) => call(tool, args));
    expect(text.includes(says), `${tool} ${JSON.stringify(args)} does not say ${says}:\n${text}`);
  }
  return { calls: 2 + plan.refused.length };
});
