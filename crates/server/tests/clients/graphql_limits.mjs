// Sends queries over one WebSocket with an API key until its rate limit ends them.
// usage: graphql_limits.mjs URL KEY; prints how many were answered, and how the next one was.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const packages = createRequire(`${process.env.WENYUAN_TEST_NODE_CLIENTS}/package.json`);
const { createClient } = await import(pathToFileURL(packages.resolve("graphql-ws")));
const [url, key] = process.argv.slice(2);
const socket = createClient({
  url: url.replace("http", "ws"),
  webSocketImpl: packages("ws"),
  connectionParams: { authorization: `Bearer ${key}` },
});
let answered = 0;
for (;;) {
  const event = await new Promise((next, error) => socket.subscribe({ query: "{ __typename }" }, { next, error, complete() {} }));
  if (event.errors || answered > 1000) {
    console.log(JSON.stringify({ answered, code: event.errors?.[0].extensions.code }));
    break;
  }
  answered += 1;
}
await socket.dispose();
process.exit(0);
