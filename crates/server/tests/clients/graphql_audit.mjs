// Runs the audit of the GraphQL over HTTP specification (package graphql-http) and requests of a hostile client.
// usage: graphql_audit.mjs URL PID; prints a JSON object and exits 0 if everything passes. PID is that of the server.
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const packages = createRequire(`${process.env.WENYUAN_TEST_NODE_CLIENTS}/package.json`);
const { auditServer } = await import(pathToFileURL(packages.resolve("graphql-http")));

const [url, pid] = process.argv.slice(2);
const failures = [];
const audits = await auditServer({ url, fetchFn: fetch });
for (const audit of audits) {
  if (audit.status !== "ok") failures.push(`${audit.id} ${audit.name}: ${audit.reason}`);
}

const post = async (body, headers = {}) => {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json", ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
  });
  const text = await response.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {}
  return { status: response.status, text, json };
};
const many = (count, part) => Array.from({ length: count }, (_, index) => part(index)).join(" ");
const deep = (count) => "{ __schema { types " + "{ fields { type ".repeat(count) + "{ name }" + " } }".repeat(count) + " } }";
// Each doubles the fields of the one before it.
const bomb = (count) =>
  `{ ...F${count} } fragment F0 on Query { __typename } ` + many(count, (n) => `fragment F${n + 1} on Query { ...F${n} ...F${n} }`);
const posts = (inner) => `posts(first: 100) { nodes { ${inner} } }`;

const refused = {
  "a document that nests 400 levels": { query: deep(200) },
  "a document that nests 40 levels": { query: deep(20) },
  "200,000 brackets": { query: "{".repeat(60_000) },
  "brackets in variables": `{"query":"{ __typename }","variables":{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`,
  "1,500 aliases": { query: `{ ${many(1500, (n) => `a${n}: __typename`)} }` },
  "aliases of an expensive field": { query: `{ ${many(31, (n) => `a${n}: ${posts("id")}`)} }` },
  "aliases of an expensive field in a fragment": { query: `{ ... on Query { ${many(31, (n) => `a${n}: ${posts("id")}`)} } }` },
  "aliases below a field": { query: `{ posts(first: 1) { nodes { ${many(2100, (n) => `a${n}: id`)} } } }` },
  "3,000 directives": { query: `{ __typename ${"@skip(if: false) ".repeat(3000)} }` },
  "unknown directives": { query: `{ __typename ${many(10, (n) => `@d${n}`)} }` },
  "a fragment that spreads itself": { query: "{ ...A } fragment A on Query { ...A }" },
  "fragments that spread each other": { query: "{ ...A } fragment A on Query { ...B } fragment B on Query { ...C } fragment C on Query { ...A }" },
  "fragments that double": { query: bomb(30) },
  "fragments that double fields": { query: bomb(12).replace("__typename", many(60, (n) => `a${n}: __typename`)) },
  "lists in lists": { query: `{ ${posts("comments(first: 20) { nodes { post { comments(first: 20) { nodes { id } } } } }")} }` },
  "a list of a million": { query: "{ posts(first: 1000000) { nodes { id } } }" },
  "a negative list": { query: "{ posts(first: -1) { nodes { id } } }" },
  "a number too large for Int": { query: "{ posts(first: 99999999999) { nodes { id } } }" },
  "a million nodes": { query: `{ nodes(ids: [${'"x",'.repeat(101)}]) { id } }` },
  "a field that is not there": { query: "{ nosuchfield }" },
  "an argument that is not there": { query: "{ posts(limit: 1) { nodes { id } } }" },
  "a type that is not there": { query: "{ node(id: \"x\") { ... on Nothing { id } } }" },
  "two anonymous operations": { query: "{ __typename } { __typename }" },
  "an operation that is not there": { query: "query A { __typename }", operationName: "B" },
  "a variable of another type": { query: "query ($first: Int) { posts(first: $first) { nodes { id } } }", variables: { first: "many" } },
  "a batch": Array.from({ length: 100 }, () => ({ query: "{ __typename }" })),
  "3 MB": { query: "{ __typename }" + " ".repeat(3_000_000) },
  "10 MB": "x".repeat(10_000_000),
  "a request without a query": {},
  "a query that is a number": { query: 7 },
  "no JSON": "{",
  "no UTF-8": new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
  "an unknown hash": { extensions: { persistedQuery: { version: 1, sha256Hash: "0".repeat(64) } } },
  "a hash of another document": { query: "{ __typename }", extensions: { persistedQuery: { version: 1, sha256Hash: "0".repeat(64) } } },
};
// Processor time of the server in milliseconds, of all its threads.
const cpu = () => {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).reduce((sum, task) => {
    try {
      return sum + Number(readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ")[0]) / 1e6;
    } catch {
      return sum; // The thread has ended.
    }
  }, 0);
};
const costs = {};
for (const [name, body] of Object.entries(refused)) {
  let reply;
  try {
    reply = await post(body);
  } catch (error) {
    failures.push(`${name}: ${error}`);
    continue;
  }
  const { status, text, json } = reply;
  const told = Array.isArray(json?.errors) && json.errors.length > 0 && json.errors.every((error) => error.message);
  if (!told || status >= 500) failures.push(`${name} is answered with ${status}: ${text.slice(0, 200)}`);
  // The least of several: other work of the server counts, too.
  costs[name] = Infinity;
  for (let time = 0; time < 5; time += 1) {
    const before = cpu();
    await post(body).catch(() => {});
    costs[name] = Math.min(costs[name], cpu() - before);
  }
  if (/panicked|\.rs:\d|sqlx|select /i.test(text)) failures.push(`${name} reveals: ${text.slice(0, 200)}`);
}

// What a page of another site can send without asking first.
for (const kind of ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""]) {
  const { status } = await post("query=mutation{__typename}", { "content-type": kind });
  if (status !== 415) failures.push(`a form of ${kind || "no type"} is answered with ${status}`);
}
const changed = await fetch(`${url}?query=${encodeURIComponent("mutation { __typename }")}`);
if (changed.status !== 405) failures.push(`a change by GET is answered with ${changed.status}`);

console.log(JSON.stringify({ audits: audits.length, refused: Object.keys(refused).length, costs, failures }));
process.exit(failures.length ? 1 : 0);
