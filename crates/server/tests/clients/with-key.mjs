// Puts a key on every request of a program that cannot be told one: `node --import …/with-key.mjs PROGRAM` with WENYUAN_TEST_KEY.
// fetch and undici say on one channel that a request begins, node:http on another; both may still be given a header then.
import { subscribe } from "node:diagnostics_channel";

const authorization = `Bearer ${process.env.WENYUAN_TEST_KEY}`;
subscribe("undici:request:create", ({ request }) => request.addHeader("authorization", authorization));
subscribe("http.client.request.created", ({ request }) => request.setHeader("authorization", authorization));
