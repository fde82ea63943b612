// Uses /graphql with the clients that people use: Apollo Client, urql, graphql-ws and graphql-sse.
// usage: graphql_clients.mjs URL TOKEN; prints a JSON object and exits 0 if everything works.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { strict as assert } from "node:assert";

const packages = createRequire(`${process.env.WENYUAN_TEST_NODE_CLIENTS}/package.json`);
const load = async (name) => {
  const loaded = await import(pathToFileURL(packages.resolve(name)));
  return loaded.default && !Object.keys(loaded).some((key) => key !== "default") ? loaded.default : loaded;
};
const [url, token] = process.argv.slice(2);
const headers = { authorization: `Bearer ${token}` };
const ends = [];
setTimeout(() => {
  console.error("the clients did not end within two minutes");
  process.exit(1);
}, 120_000);

const apollo = await load("@apollo/client");
const { ApolloClient, HttpLink, InMemoryCache, gql } = apollo;
const client = new ApolloClient({ link: new HttpLink({ uri: url, headers, fetch }), cache: new InMemoryCache() });
const { data: made } = await client.mutate({
  mutation: gql`mutation ($text: String!) { createPost(text: $text) { __typename ... on Post { id text } } }`,
  variables: { text: "From Apollo" },
});
assert.equal(made.createPost.__typename, "Post");
const post = made.createPost.id;
for (let number = 1; number <= 3; number += 1) {
  await client.mutate({
    mutation: gql`mutation ($post: ID!, $text: String!) { addComment(post: $post, text: $text) { ... on Comment { id } } }`,
    variables: { post, text: `Comment ${number}` },
  });
}
// Pages through the comments by cursors.
const page = gql`query ($post: ID!, $after: String) {
  comments(post: $post, first: 2, after: $after) { edges { node { id text } } pageInfo { endCursor hasNextPage } }
}`;
const texts = [];
let after;
do {
  const { data } = await client.query({ query: page, variables: { post, after } });
  texts.push(...data.comments.edges.map((edge) => edge.node.text));
  after = data.comments.pageInfo.hasNextPage ? data.comments.pageInfo.endCursor : undefined;
} while (after);
assert.deepEqual(texts, ["Comment 1", "Comment 2", "Comment 3"]);

const urql = await load("@urql/core");
const other = new urql.Client({ url, exchanges: [urql.fetchExchange], fetchOptions: { headers }, preferGetMethod: true });
const named = await other.query("query ($id: ID!) { node(id: $id) { __typename ... on Post { text } } }", { id: post }).toPromise();
assert.deepEqual([named.data.node.__typename, named.data.node.text], ["Post", "From Apollo"]);

const subscription = "subscription ($post: ID!) { comments(post: $post) { text author { username } } }";
const write = (text) =>
  client.mutate({
    mutation: gql`mutation ($post: ID!, $text: String!) { addComment(post: $post, text: $text) { ... on Comment { id } } }`,
    variables: { post, text },
  });

// The first event of a subscription, which something else causes. It is caused again until it is seen, since nothing tells when a
// subscription has begun.
const first = async (subscribe, text) => {
  const seen = new Promise((resolve, reject) => ends.push(subscribe(resolve, reject)));
  const timer = setInterval(() => write(text).catch(() => {}), 1000);
  const event = await seen.finally(() => clearInterval(timer));
  assert.equal(event.errors, undefined, JSON.stringify(event));
  assert.deepEqual(event.data.comments, { text, author: { username: "ada" } });
};
const { createClient } = await load("graphql-ws");
const WebSocketImpl = packages("ws");
const socket = createClient({ url: url.replace("http", "ws"), webSocketImpl: WebSocketImpl, connectionParams: { Authorization: headers.authorization } });
await first(
  (next, error) => socket.subscribe({ query: subscription, variables: { post } }, { next, error, complete() {} }),
  "By WebSocket",
);
// A query on the same connection.
const asked = await new Promise((next, error) => socket.subscribe({ query: "{ viewer { username } }" }, { next, error, complete() {} }));
assert.equal(asked.data.viewer.username, "ada");
// A wrong key is refused when it connects.
const wrong = createClient({ url: url.replace("http", "ws"), webSocketImpl: WebSocketImpl, retryAttempts: 0, connectionParams: { authorization: "wy_wrong" } });
await assert.rejects(new Promise((next, error) => wrong.subscribe({ query: "{ __typename }" }, { next, error, complete() {} })));

const sse = await load("graphql-sse");
const events = sse.createClient({ url, headers, fetchFn: fetch });
await first(
  (next, error) => events.subscribe({ query: subscription, variables: { post } }, { next, error, complete() {} }),
  "By events",
);

for (const end of ends) end();
await socket.dispose();
events.dispose();
client.stop();
console.log(JSON.stringify({ comments: texts.length }));
process.exit(0);
