// Adds the key WENYUAN_TEST_KEY to every request of a program without such an option: `node --import …/with-key.mjs PROGRAM`.
// fetch and undici announce a request on one diagnostics channel, node:http on another; headers can still be added then.
import { subscribe } from "node:diagnostics_channel";

const authorization = `Bearer ${process.env.WENYUAN_TEST_KEY}`;
subscribe("undici:request:create", ({ request }) => request.addHeader("authorization", authorization));
subscribe("http.client.request.created", ({ request }) => request.setHeader("authorization", authorization));
