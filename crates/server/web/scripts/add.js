// Uploads files, a few at a time, each with its progress; a failed one shows why and can be retried.

import { notify } from "./app.js";

const form = document.getElementById("add");
const messages = form.dataset;
const [drop, files, folder, send] = ["drop", "files", "folder", "send"].map((id) => document.getElementById(id));
const [sending, whole, bar, list, again] = ["sending", "whole", "whole-bar", "sent", "again"].map((id) => document.getElementById(id));
const MAX_CONCURRENT = 3;
const MAX_LISTED = 200;

/** Uploads: `{ file, path, target, state, sent, row }`. */
let uploads = [];
/** Library, version and tags of the newest uploads. */
let target = {};
let chosen = [];
let running = 0;

const format = (text, ...values) => values.reduce((result, value, index) => result.replace(`%${index + 1}`, value), text);
const isArchive = (path) => /\.(zip|tar|tgz|tar\.gz)$/i.test(path);
const isHidden = (path) => path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");

folder.parentElement.hidden = false;
// A separate field, since `webkitdirectory` applies to the whole field.
folder.addEventListener("click", () => {
  const field = Object.assign(document.createElement("input"), { type: "file", multiple: true, webkitdirectory: true });
  field.addEventListener("change", () => choose([...field.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }))));
  field.click();
});
files.addEventListener("change", () => choose([...files.files].map((file) => ({ file, path: file.name }))));

const readTarget = () => Object.fromEntries(["library", "version", "tags"].map((name) => [name, form.elements[name].value.trim()]));

// A mistyped name would make a library of its own: said while it can be corrected.
const hint = document.getElementById("library-hint");
const usualHint = hint.textContent;
const known = new Set([...document.getElementById("libraries").options].map((option) => option.value));
form.elements.library.addEventListener("input", (event) => {
  const name = event.target.value.trim().toLowerCase();
  hint.textContent = name && event.target.validity.valid && !known.has(name) ? format(messages.new, name) : usualHint;
});

function choose(items) {
  chosen = items;
  document.getElementById("chosen").textContent = items.length > 1 ? `${items.length} · ${items[0].path} …` : (items[0]?.path ?? "");
  if (form.elements.library.value) send.focus();
}

// Drag and drop; folders are walked.
for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  // The list of items is empty after the first await.
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const dropped = [...event.dataTransfer.files];
  const items = [];
  if (entries.length) for (const entry of entries) await walk(entry, "", items);
  else items.push(...dropped.map((file) => ({ file, path: file.name })));
  choose(items);
  if (form.reportValidity()) start();
});

async function walk(entry, above, items) {
  const path = above + entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (file) items.push({ file, path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!some.length) return;
    for (const inner of some) await walk(inner, `${path}/`, items);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});

function start() {
  if (!chosen.length) { notify(messages.empty); files.focus(); return; }
  const left = chosen.filter(({ path }) => !isHidden(path));
  if (left.length < chosen.length) notify(messages.hidden);
  // The name of a single folder is left out of paths, as on the command line.
  const first = left[0]?.path.split("/")[0];
  const isOneFolder = left.length > 0 && left.every(({ path }) => path.startsWith(`${first}/`));
  // Later changes of the form apply to later uploads.
  target = readTarget();
  for (const one of left) uploads.push({ ...one, target, path: isOneFolder ? one.path.slice(first.length + 1) : one.path, state: "waiting", sent: 0 });
  choose([]);
  files.value = "";
  sending.hidden = false;
  draw();
  next();
}

function draw() {
  for (const one of uploads) {
    if (one.row || (list.children.length >= MAX_LISTED && one.state !== "failed")) continue;
    one.row = document.createElement("li");
    const [about, state] = [document.createElement("div"), document.createElement("div")];
    about.append(Object.assign(document.createElement("strong"), { textContent: one.path }), Object.assign(document.createElement("p"), { className: "quiet" }));
    one.row.append(about, state);
    list.append(one.row);
    showState(one);
  }
  const unlisted = uploads.filter((one) => !one.row).length;
  list.dataset.more = unlisted ? format(messages.more, unlisted) : "";
}

function showState(one, why) {
  if (why !== undefined) one.why = why;
  if (!one.row) { if (one.state === "failed") draw(); return; }
  const [about, state] = one.row.children;
  const badge = Object.assign(document.createElement("span"), { textContent: messages[one.state], className: "badge" });
  if (one.state === "taken" || one.state === "unpacked") badge.classList.add("good");
  if (one.state === "unpacked") badge.textContent = messages.taken;
  if (one.state === "failed") badge.classList.add("bad");
  if (one.state === "sending") badge.classList.add("accent");
  about.lastChild.textContent = one.why ?? "";
  state.replaceChildren(badge);
  if (one.state === "failed") {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "plain small", textContent: messages.retry, ariaLabel: `${messages.retry}: ${one.path}` });
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
  // The target may have been the error.
  target = readTarget();
  for (const one of some) Object.assign(one, { target, state: "waiting", sent: 0, why: "" });
  some.forEach((one) => showState(one));
  next();
}
again.addEventListener("click", () => retry(uploads.filter((one) => one.state === "failed")));
// Leaving the page would drop the remaining uploads.
addEventListener("beforeunload", (event) => {
  if (uploads.some((one) => ["waiting", "sending", "offline"].includes(one.state))) event.preventDefault();
});
addEventListener("online", () => retry(uploads.filter((one) => one.state === "offline")));

/** Starts the next uploads, and shows the total progress. */
function next() {
  while (running < MAX_CONCURRENT) {
    const one = uploads.find((other) => other.state === "waiting");
    if (!one) break;
    transmit(one);
  }
  const bytes = uploads.reduce((sum, one) => sum + one.file.size, 0) || 1;
  const sent = uploads.reduce((sum, one) => sum + one.file.size * (["waiting", "offline"].includes(one.state) ? 0 : one.state === "sending" ? one.sent : 1), 0);
  bar.value = sent / bytes;
  const failed = uploads.filter((one) => one.state === "failed").length;
  const ended = uploads.filter((one) => ["taken", "unchanged", "unpacked", "failed"].includes(one.state)).length;
  const isEnd = ended === uploads.length;
  const text = isEnd ? format(messages.end, ended - failed, failed) : format(messages.whole, ended, uploads.length);
  if (whole.textContent !== text) whole.textContent = text;
  again.hidden = !isEnd || failed === 0;
  if (isEnd && ended > failed) {
    const query = new URLSearchParams({ library: target.library, version: target.version });
    htmx.ajax("GET", `/add/standing?${query}`, { target: "#standing", swap: "outerHTML" });
  }
}

function transmit(one) {
  const limit = Number(isArchive(one.path) ? messages.limitArchive : messages.limit);
  if (one.file.size > limit) { one.state = "failed"; showState(one, messages.large); return; }
  running += 1;
  one.state = "sending";
  showState(one);
  const body = new FormData();
  for (const [name, value] of Object.entries(one.target)) if (value) body.append(name, value);
  if (!isArchive(one.path)) body.append("path", one.path);
  body.append("file", one.file, one.path);
  const request = new XMLHttpRequest();
  request.open("POST", isArchive(one.path) ? "/api/v1/archives" : "/api/v1/documents");
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => { one.sent = event.loaded / (event.total || 1); showState(one); next(); });
  const end = (state, why) => { running -= 1; one.state = state; showState(one, why); next(); };
  request.addEventListener("load", () => {
    const result = request.response;
    if (request.status >= 400) return end("failed", result?.detail ?? `${request.status}`);
    if (!isArchive(one.path)) return end(result?.[0]?.outcome === "unchanged" ? "unchanged" : "taken", "");
    const why = format(messages.unpacked, result.added, result.revised, result.unchanged, result.skipped_count, result.failed_count);
    end("unpacked", [why, ...result.failed.slice(0, 5).map((failed) => `${failed.path}: ${failed.reason}`)].join(" · "));
  });
  request.addEventListener("error", () => (navigator.onLine ? end("failed", document.getElementById("said").dataset.unreached) : end("offline", "")));
  request.send(body);
}
