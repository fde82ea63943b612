// Shared by all pages: local times, notifications, copy buttons, menus, the search key, htmx errors.

const language = document.documentElement.lang;
const dates = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

/** Shows times in the reader's time zone and language; a relative time gets the absolute one as its tooltip. */
export function localizeTimes(root = document) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const text = dates.format(at);
    time.title = text;
    if (!time.hasAttribute("data-ago")) time.textContent = text;
  }
}

/** Shows a notification at the bottom of the page, which screen readers announce. `action` adds a button: `{ label, run }`. */
export function notify(text, action) {
  const area = document.getElementById("said");
  if (!area) return;
  const line = document.createElement("p");
  line.append(text);
  if (action) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "link", textContent: action.label });
    button.addEventListener("click", () => { line.remove(); action.run(); });
    line.append(button);
  }
  area.replaceChildren(line);
  setTimeout(() => line.remove(), action ? 10000 : 4000);
}

// <button data-copy="#id" data-copied="message"> copies the text of an element.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  event.preventDefault();
  const source = document.querySelector(button.dataset.copy);
  const text = source?.dataset.text ?? source?.value ?? source?.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text.trimEnd());
    notify(button.dataset.copied ?? "✓");
  } catch {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }
});

/** Address of the search in the library and version of this page; in all libraries elsewhere. */
export function searchAddress() {
  const [, section, library, version] = location.pathname.split("/");
  const query = new URLSearchParams();
  if (["l", "compare", "changes"].includes(section) && library) query.set("library", decodeURIComponent(library).replace("~", "/"));
  if (section === "l" && version) query.set("version", decodeURIComponent(version));
  if (section === "guide") query.set("library", "wenyuan");
  return `/${query.size ? `?${query}` : ""}`;
}

const palette = (open) => import("./palette.js").then((loaded) => loaded[open]());
for (const button of document.querySelectorAll("[data-open]")) {
  button.hidden = false;
  button.addEventListener("click", () => { button.closest("details").open = false; palette(button.dataset.open === "palette" ? "openPalette" : "openShortcuts"); });
}

// Escape closes menus, as does a click elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
  }
  const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
    event.preventDefault();
    palette("openPalette");
  }
  if (event.key === "?" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    palette("openShortcuts");
  }
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    const field = document.querySelector("[data-search]");
    if (field) { field.focus(); field.select(); } else location.href = `${searchAddress()}#q`;
  }
});

// A form is submitted once, however often its button is pressed: the first response may show a secret that is shown only once.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.hasAttribute("hx-post")) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  setTimeout(() => delete form.dataset.sent, 10000);
});
addEventListener("pageshow", () => { for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent; });

// While Chinese is composed, the field contains Latin letters, which are not searched.
const isLiveSearch = (event) => event.target.closest?.("form[hx-trigger*=input]");
document.addEventListener("input", (event) => { if (event.isComposing && isLiveSearch(event)) event.stopImmediatePropagation(); }, true);
document.addEventListener("compositionend", (event) => {
  if (isLiveSearch(event)) event.target.dispatchEvent(new InputEvent("input", { bubbles: true }));
});

// On going back htmx would fetch the address and insert the response into the current page, even between two fragments of one page.
// Here the page is reloaded instead, if its address changed.
const address = () => location.pathname + location.search;
let current = address();
document.addEventListener("htmx:after:history:replace", () => { current = address(); });
document.addEventListener("htmx:before:history:restore", (event) => {
  event.preventDefault();
  if (address() !== current) location.reload();
});

// A failed request shows a notification; the page keeps its content.
const messages = document.getElementById("said")?.dataset ?? {};
document.addEventListener("htmx:response:error", (event) => {
  const id = event.detail.ctx?.response?.headers?.get("x-request-id");
  notify(`${messages.failed} ${id ?? ""}`);
});
document.addEventListener("htmx:error", () => notify(navigator.onLine ? messages.unreached : messages.offline));
addEventListener("offline", () => notify(messages.offline));
addEventListener("online", () => notify(messages.online));

/** Announces the number of results, if a part of the page has one. */
function announceCount(part) {
  const status = document.getElementById("told");
  const count = part?.querySelector?.("[data-count]")?.dataset.count;
  if (status && count !== undefined) status.textContent = count;
}

localizeTimes();
document.addEventListener("htmx:after:swap", (event) => {
  localizeTimes();
  announceCount(event.detail.ctx?.target);
});

if (document.querySelector(".bell")) import("./unread.js");
