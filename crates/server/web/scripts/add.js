// Sends files one by one, a few at a time, each with its progress; what fails says why and can be tried again.

import { say } from "./app.js";

const form = document.getElementById("add");
const words = form.dataset;
const [drop, files, folder, send] = ["drop", "files", "folder", "send"].map((id) => document.getElementById(id));
const [sending, whole, bar, list, again] = ["sending", "whole", "whole-bar", "sent", "again"].map((id) => document.getElementById(id));
const AT_ONCE = 3;
const SHOWN = 200;

/** Files to be sent: `{ file, path, place, state, sent, row }`. */
let all = [];
/** Where the newest go. */
let place = {};
let chosen = [];
let under = 0;

const fill = (text, ...values) => values.reduce((filled, value, index) => filled.replace(`%${index + 1}`, value), text);
const isArchive = (path) => /\.(zip|tar|tgz|tar\.gz)$/i.test(path);
const isHidden = (path) => path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");

folder.parentElement.hidden = false;
// The files go by themselves: an empty field must not be asked for.
folder.addEventListener("click", () => {
  const field = Object.assign(document.createElement("input"), { type: "file", multiple: true, webkitdirectory: true });
  field.addEventListener("change", () => choose([...field.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }))));
  field.click();
});
files.addEventListener("change", () => choose([...files.files].map((file) => ({ file, path: file.name }))));

const written = () => Object.fromEntries(["library", "version", "tags"].map((name) => [name, form.elements[name].value.trim()]));

function choose(found) {
  chosen = found;
  document.getElementById("chosen").textContent = found.length > 1 ? `${found.length} · ${found[0].path} …` : (found[0]?.path ?? "");
  if (form.elements.library.value) send.focus();
}

// Dropping: folders are walked.
for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  // The list of what was dropped is empty after the first await.
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const dropped = [...event.dataTransfer.files];
  const found = [];
  if (entries.length) for (const entry of entries) await walk(entry, "", found);
  else found.push(...dropped.map((file) => ({ file, path: file.name })));
  choose(found);
  if (form.reportValidity()) start();
});

async function walk(entry, above, found) {
  const path = above + entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (file) found.push({ file, path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!some.length) return;
    for (const inner of some) await walk(inner, `${path}/`, found);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});

function start() {
  if (!chosen.length) { say(words.empty); files.focus(); return; }
  const left = chosen.filter(({ path }) => !isHidden(path));
  if (left.length < chosen.length) say(words.hidden);
  // What a folder's name would put before every path is left out, as the command line does.
  const first = left[0]?.path.split("/")[0];
  const isOneFolder = left.length > 0 && left.every(({ path }) => path.startsWith(`${first}/`));
  // What is written into the form while they go is for the next ones.
  place = written();
  for (const one of left) all.push({ ...one, place, path: isOneFolder ? one.path.slice(first.length + 1) : one.path, state: "waiting", sent: 0 });
  choose([]);
  files.value = "";
  sending.hidden = false;
  draw();
  next();
}

function draw() {
  for (const one of all) {
    if (one.row || (list.children.length >= SHOWN && one.state !== "failed")) continue;
    one.row = document.createElement("li");
    const [about, state] = [document.createElement("div"), document.createElement("div")];
    about.append(Object.assign(document.createElement("strong"), { textContent: one.path }), Object.assign(document.createElement("p"), { className: "quiet" }));
    one.row.append(about, state);
    list.append(one.row);
    tell(one);
  }
  const unseen = all.filter((one) => !one.row).length;
  list.dataset.more = unseen ? fill(words.more, unseen) : "";
}

function tell(one, why) {
  if (why !== undefined) one.why = why;
  if (!one.row) { if (one.state === "failed") draw(); return; }
  const [about, state] = one.row.children;
  const badge = Object.assign(document.createElement("span"), { textContent: words[one.state], className: "badge" });
  if (one.state === "taken" || one.state === "unpacked") badge.classList.add("good");
  if (one.state === "unpacked") badge.textContent = words.taken;
  if (one.state === "failed") badge.classList.add("bad");
  if (one.state === "sending") badge.classList.add("accent");
  about.lastChild.textContent = one.why ?? "";
  state.replaceChildren(badge);
  if (one.state === "failed") {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "plain small", textContent: words.retry, ariaLabel: `${words.retry}: ${one.path}` });
    button.addEventListener("click", () => retry([one]));
    state.className = "acts";
    state.append(button);
  }
  let progress = one.row.querySelector("progress");
  if (one.state === "sending") {
    if (!progress) one.row.append(progress = Object.assign(document.createElement("progress"), { max: 1, ariaLabel: one.path }));
    progress.value = one.sent;
  } else progress?.remove();
}

function retry(some) {
  // Where they were to go may be what was wrong.
  place = written();
  for (const one of some) Object.assign(one, { place, state: "waiting", sent: 0, why: "" });
  some.forEach((one) => tell(one));
  next();
}
again.addEventListener("click", () => retry(all.filter((one) => one.state === "failed")));
// What has not gone is lost with the page.
addEventListener("beforeunload", (event) => {
  if (all.some((one) => ["waiting", "sending", "offline"].includes(one.state))) event.preventDefault();
});
addEventListener("online", () => retry(all.filter((one) => one.state === "offline")));

/** Looks at the whole, and sends the next. */
function next() {
  while (under < AT_ONCE) {
    const one = all.find((other) => other.state === "waiting");
    if (!one) break;
    transmit(one);
  }
  const bytes = all.reduce((sum, one) => sum + one.file.size, 0) || 1;
  const sent = all.reduce((sum, one) => sum + one.file.size * (["waiting", "offline"].includes(one.state) ? 0 : one.state === "sending" ? one.sent : 1), 0);
  bar.value = sent / bytes;
  const failed = all.filter((one) => one.state === "failed").length;
  const ended = all.filter((one) => ["taken", "unchanged", "unpacked", "failed"].includes(one.state)).length;
  const isEnd = ended === all.length;
  const text = isEnd ? fill(words.end, ended - failed, failed) : fill(words.whole, ended, all.length);
  if (whole.textContent !== text) whole.textContent = text;
  again.hidden = !isEnd || failed === 0;
  if (isEnd && ended > failed) {
    const wanted = new URLSearchParams({ library: place.library, version: place.version });
    htmx.ajax("GET", `/add/standing?${wanted}`, { target: "#standing", swap: "outerHTML" });
  }
}

function transmit(one) {
  const limit = Number(isArchive(one.path) ? words.limitArchive : words.limit);
  if (one.file.size > limit) { one.state = "failed"; tell(one, words.large); return; }
  under += 1;
  one.state = "sending";
  tell(one);
  const body = new FormData();
  for (const [name, value] of Object.entries(one.place)) if (value) body.append(name, value);
  if (!isArchive(one.path)) body.append("path", one.path);
  body.append("file", one.file, one.path);
  const request = new XMLHttpRequest();
  request.open("POST", isArchive(one.path) ? "/api/v1/archives" : "/api/v1/documents");
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => { one.sent = event.loaded / (event.total || 1); tell(one); next(); });
  const end = (state, why) => { under -= 1; one.state = state; tell(one, why); next(); };
  request.addEventListener("load", () => {
    const answer = request.response;
    if (request.status >= 400) return end("failed", answer?.detail ?? `${request.status}`);
    if (!isArchive(one.path)) return end(answer?.[0]?.outcome === "unchanged" ? "unchanged" : "taken", "");
    const why = fill(words.unpacked, answer.added, answer.revised, answer.unchanged, answer.failed_count);
    end("unpacked", [why, ...answer.failed.slice(0, 5).map((failed) => `${failed.path}: ${failed.reason}`)].join(" · "));
  });
  request.addEventListener("error", () => (navigator.onLine ? end("failed", document.getElementById("said").dataset.unreached) : end("offline", "")));
  request.send(body);
}
