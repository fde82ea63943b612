// Search as one types: results by the arrow keys, what was searched lately, a spoken count, and when a search is settled.

const field = document.getElementById("q");
const found = document.getElementById("found");
/** After so long without a key, what stands in the field is what its writer meant. */
const settled = 1500;
const most = 8;
/** What the page is called without a question. */
const named = document.title.split(" · ").slice(-2).join(" · ");
let timer;

// Arrows go through what was found, Enter opens it as any link, Escape comes back to the field.
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing) return;
  const hits = [...found.querySelectorAll("[data-hit]")];
  const place = hits.indexOf(document.activeElement);
  const isField = document.activeElement === field;
  if (event.key === "Escape" && place >= 0) {
    field.focus();
    field.select();
  } else if (event.key === "ArrowDown" && (isField || place >= 0 || document.activeElement === document.body)) {
    const next = hits[place + 1];
    if (!next) return;
    event.preventDefault();
    next.focus();
  } else if (event.key === "ArrowUp" && place >= 0) {
    event.preventDefault();
    (hits[place - 1] ?? field).focus();
  }
});

// Whoever asks for more goes on from where that begins.
let known = 0;
document.addEventListener("htmx:before:swap", () => { known = found.querySelectorAll("[data-hit]").length; });

document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx?.target?.id === "more") found.querySelectorAll("[data-hit]")[known]?.focus();
  if (event.detail.ctx?.target !== found) return;
  const question = field.value.trim();
  document.title = question ? `${question} · ${named}` : named;
  showRecent();
  clearTimeout(timer);
  timer = setTimeout(settle, settled);
});

/** Whoever stopped typing has asked: the search is remembered, and if it came to nothing its owners hear of it. */
function settle() {
  if (!field.value.trim()) return;
  remember();
  if (!found.querySelector("[data-lost]")) return;
  const address = new URL(location.href);
  address.searchParams.set("settled", "1");
  window.htmx.ajax("GET", address.pathname + address.search, { target: "#verdict", swap: "innerHTML" });
}

function key() {
  return `wenyuan-searches-${document.querySelector(".who")?.textContent ?? ""}`;
}

function recent() {
  try { return JSON.parse(localStorage.getItem(key())) ?? []; } catch { return []; }
}

function keep(searches) {
  try { localStorage.setItem(key(), JSON.stringify(searches.slice(0, most))); } catch { /* nothing is kept then */ }
}

function remember() {
  const text = field.value.trim();
  if (!text) return;
  const address = location.pathname + location.search;
  // What was typed on the way to this is not remembered beside it.
  const others = recent().filter((search) => search.address !== address && !text.startsWith(search.text));
  keep([{ text, address }, ...others]);
}

function showRecent() {
  const section = document.getElementById("recent");
  if (!section) return;
  const searches = recent().filter((search) => search.address?.startsWith("/?"));
  section.hidden = searches.length === 0;
  section.querySelector("ul").replaceChildren(...searches.map((search) => {
    const link = Object.assign(document.createElement("a"), { className: "chip", href: search.address, textContent: search.text });
    const remove = Object.assign(document.createElement("button"), { type: "button", className: "bare small", textContent: "×" });
    remove.setAttribute("aria-label", `${section.dataset.remove}: ${search.text}`);
    remove.addEventListener("click", () => {
      keep(recent().filter((other) => other.address !== search.address));
      showRecent();
      field.focus();
    });
    const item = document.createElement("li");
    item.append(link, remove);
    return item;
  }));
  section.querySelector(":scope > button").onclick = () => { keep([]); showRecent(); field.focus(); };
}

if (field.value.trim()) remember();
showRecent();
