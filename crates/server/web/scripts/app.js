// What every page has: its reader's clock, copying, menus that close, one key to search.

const language = document.documentElement.lang;
const dates = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

/** Shows times as the reader's clock and language have them; how long ago something was says when that was. */
export function tellTimes(root = document) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const whole = dates.format(at);
    time.title = whole;
    if (!time.hasAttribute("data-ago")) time.textContent = whole;
  }
}

/** Says something at the foot of the page, and to screen readers. An act is something to press: `{ label, run }`. */
export function say(text, act) {
  const said = document.getElementById("said");
  if (!said) return;
  const line = document.createElement("p");
  line.append(text);
  if (act) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "link", textContent: act.label });
    button.addEventListener("click", () => { line.remove(); act.run(); });
    line.append(button);
  }
  said.replaceChildren(line);
  setTimeout(() => line.remove(), act ? 10000 : 4000);
}

// <button data-copy="#id"> copies the text of what it names; data-copied is what it then says.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  event.preventDefault();
  const from = document.querySelector(button.dataset.copy);
  const text = from?.dataset.text ?? from?.value ?? from?.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text.trimEnd());
    say(button.dataset.copied ?? "✓");
  } catch {
    const range = document.createRange();
    range.selectNodeContents(from);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }
});

// Menus close by Escape, or when something else is pressed.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
  }
  const writes = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !writes && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    const field = document.querySelector("[data-search]");
    if (field) { field.focus(); field.select(); } else location.href = "/#q";
  }
});

// A form is sent once, however often it is pressed: the answer to the first may hold what is shown only once.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.hasAttribute("hx-post")) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  setTimeout(() => delete form.dataset.sent, 10000);
});
addEventListener("pageshow", () => { for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent; });

// While Chinese is being composed, the letters in a field that is searched by are not words yet.
const seeks = (event) => event.target.closest?.("form[hx-trigger*=input]");
document.addEventListener("input", (event) => { if (event.isComposing && seeks(event)) event.stopImmediatePropagation(); }, true);
document.addEventListener("compositionend", (event) => {
  if (seeks(event)) event.target.dispatchEvent(new InputEvent("input", { bubbles: true }));
});

// htmx would put what an address answers into the page that stands, on every way back, also between two places of one page. Pages
// here are not made of pieces: only where the way leads to another address is it loaded, and then whole.
const address = () => location.pathname + location.search;
let stands = address();
document.addEventListener("htmx:after:history:replace", () => { stands = address(); });
document.addEventListener("htmx:before:history:restore", (event) => {
  event.preventDefault();
  if (address() !== stands) location.reload();
});

// What goes wrong behind a page is said, and what stands on it stays.
const words = document.getElementById("said")?.dataset ?? {};
document.addEventListener("htmx:response:error", (event) => {
  const id = event.detail.ctx?.response?.headers?.get("x-request-id");
  say(`${words.failed} ${id ?? ""}`);
});
document.addEventListener("htmx:error", () => say(navigator.onLine ? words.unreached : words.offline));
addEventListener("offline", () => say(words.offline));
addEventListener("online", () => say(words.online));

/** Says how many there are now, where a part of the page brings their number. */
function speak(part) {
  const told = document.getElementById("told");
  const count = part?.querySelector?.("[data-count]")?.dataset.count;
  if (told && count !== undefined) told.textContent = count;
}

tellTimes();
document.addEventListener("htmx:after:swap", (event) => {
  tellTimes();
  speak(event.detail.ctx?.target);
});
