import { forget, read } from "./recent.js";

// Search while typing: keyboard navigation, recent searches, and when a search counts as settled.

const field = document.getElementById("q");
const results = document.getElementById("found");
/** Time without a key press after which a search is settled, in milliseconds; and after which it is reported if nothing was found: who
 * pauses within a word goes on typing. */
const SETTLED_AFTER = 1500;
const REPORTED_AFTER = 5000;
const MAX_RECENT = 8;
/** Title of the page without a query. */
const baseTitle = document.title.split(" · ").slice(-2).join(" · ");
let timer;
let reporter;

// Arrow keys move through the results, Enter opens one, Escape returns to the field.
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing) return;
  const hits = [...results.querySelectorAll("[data-hit]")];
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

// After "more" the focus moves to the first new result.
let countBefore = 0;
document.addEventListener("htmx:before:swap", () => { countBefore = results.querySelectorAll("[data-hit]").length; });

document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx?.target?.id === "more") results.querySelectorAll("[data-hit]")[countBefore]?.focus();
  if (event.detail.ctx?.target !== results) return;
  const query = field.value.trim();
  document.title = query ? `${query} · ${baseTitle}` : baseTitle;
  showRecent();
  showRead();
  clearTimeout(timer);
  clearTimeout(reporter);
  timer = setTimeout(remember, SETTLED_AFTER);
  reporter = setTimeout(report, REPORTED_AFTER);
});

/** Reports a search without relevant results to the owners of the library. */
function report() {
  if (!field.value.trim()) return;
  if (!results.querySelector("[data-lost]")) return;
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

function store(searches) {
  try { localStorage.setItem(key(), JSON.stringify(searches.slice(0, MAX_RECENT))); } catch { /* no storage */ }
}

function remember() {
  const text = field.value.trim();
  if (!text) return;
  const address = location.pathname + location.search;
  // Prefixes of this query, typed on the way to it, are dropped.
  const others = recent().filter((search) => search.address !== address && !text.startsWith(search.text));
  store([{ text, address }, ...others]);
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
      store(recent().filter((other) => other.address !== search.address));
      showRecent();
      field.focus();
    });
    const item = document.createElement("li");
    item.append(link, remove);
    return item;
  }));
  section.querySelector(":scope > button").onclick = () => { store([]); showRecent(); field.focus(); };
}

/** Shows the documents that were read last. */
function showRead() {
  const section = document.getElementById("read");
  if (!section) return;
  const documents = read().slice(0, MAX_RECENT);
  section.hidden = documents.length === 0;
  section.querySelector("ul").replaceChildren(...documents.map(({ title, detail, link }) => {
    const item = document.createElement("li");
    item.append(Object.assign(document.createElement("a"), { className: "chip", href: link, textContent: title, title: detail }));
    return item;
  }));
  section.querySelector("button").onclick = () => { forget(); showRead(); field.focus(); };
}

if (field.value.trim()) remember();
showRecent();
showRead();
