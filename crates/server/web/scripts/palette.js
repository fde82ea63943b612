// Command palette (Ctrl+K) and list of shortcuts (?). Loaded when first asked for.

import { searchAddress } from "./app.js";
import { read } from "./recent.js";

const template = document.getElementById("palettes").content;
const DEBOUNCE = 120;

/** Places that the navigation and the menu lead to. */
const commands = [...document.querySelectorAll(".rooms a, .mine .sheet > a, .mine > a")]
  .map((link) => ({ label: link.textContent.trim(), detail: "", link: link.getAttribute("href") }));

let dialog, field, list, texts, items, active, timer, request;

/** Clones a dialog of the template. It is removed when it closes, and the focus returns to where it was. */
function show(id) {
  for (const open of document.querySelectorAll("dialog.palette")) open.close();
  const shown = template.getElementById(id).cloneNode(true);
  const before = document.activeElement;
  document.body.append(shown);
  shown.addEventListener("close", () => { shown.remove(); before?.focus?.({ preventScroll: true }); });
  shown.addEventListener("click", (event) => { if (event.target === shown) shown.close(); });
  shown.showModal();
  return shown;
}

export function openShortcuts() {
  const shown = show("shortcuts");
  shown.querySelector("button").addEventListener("click", () => shown.close());
}

export function openPalette() {
  dialog = show("palette");
  [field, list, texts] = [dialog.querySelector("input"), dialog.querySelector("[role=listbox]"), dialog.dataset];
  const changed = () => {
    clearTimeout(timer);
    // At once what is known here, so that Enter never takes what was offered for another text.
    draw(local(field.value.trim()));
    timer = setTimeout(find, DEBOUNCE);
  };
  field.addEventListener("input", (event) => { if (!event.isComposing) changed(); });
  field.addEventListener("compositionend", changed);
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") select(active + 1);
    else if (event.key === "ArrowUp") select(active - 1);
    else if (event.key === "Enter" && items[active]) go(items[active], event.ctrlKey || event.metaKey);
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) go(items[Number(option.dataset.place)], event.ctrlKey || event.metaKey);
  });
  draw(local(""));
}

function go(item, isNew) {
  clearTimeout(timer);
  request?.abort();
  dialog.close();
  if (isNew) open(item.link, "_blank", "noopener"); else location.href = item.link;
}

/** Returns what is offered without asking the server: pages, and searches for the text. */
function local(text) {
  if (!text) return [[texts.recent, read().slice(0, 6)], [texts.commands, commands]];
  const here = searchAddress();
  const query = encodeURIComponent(text);
  const search = [{ label: texts.search.replace("%1", text), detail: "", link: `/?q=${query}` }];
  if (here !== "/") search.unshift({ label: texts.searchHere.replace("%1", text), detail: "", link: `${here}&q=${query}` });
  if (commands.some(({ link }) => link === "/ask")) search.push({ label: texts.ask.replace("%1", text), detail: "", link: `/ask?q=${query}` });
  const has = ({ label }) => label.toLowerCase().includes(text.toLowerCase());
  return [[texts.commands, commands.filter(has)], [texts.searching, search]];
}

/** Looks up libraries and documents whose names contain what was typed. */
async function find() {
  const text = field.value.trim();
  request?.abort();
  if (!text) return;
  request = new AbortController();
  const library = new URLSearchParams(searchAddress().slice(2)).get("library") ?? "";
  try {
    const response = await fetch(`/palette?q=${encodeURIComponent(text)}&library=${encodeURIComponent(library)}`, { signal: request.signal });
    if (!response.ok) throw new Error(response.statusText);
    const { documents, libraries } = await response.json();
    if (documents.length || libraries.length) draw([[texts.documents, documents], [texts.libraries, libraries], ...local(text)]);
  } catch { /* the pages and searches stay */ }
}

/** Shows groups of items, without the empty ones, and selects the first item. */
function draw(groups) {
  // An answer can arrive after the dialog was closed.
  if (!dialog.isConnected) return;
  items = [];
  list.replaceChildren();
  for (const [title, entries] of groups.filter(([, entries]) => entries.length)) {
    const group = document.createElement("div");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", title);
    group.append(Object.assign(document.createElement("p"), { className: "quiet", textContent: title, ariaHidden: "true" }));
    for (const entry of entries) {
      const option = document.createElement("div");
      option.id = `palette-${items.length}`;
      option.setAttribute("role", "option");
      option.dataset.place = items.length;
      option.append(Object.assign(document.createElement("span"), { textContent: entry.label ?? entry.title }));
      if (entry.detail) option.append(Object.assign(document.createElement("small"), { className: "quiet", textContent: entry.detail }));
      group.append(option);
      items.push(entry);
    }
    list.append(group);
  }
  select(0);
}

function select(place) {
  if (items.length === 0) { field.removeAttribute("aria-activedescendant"); return; }
  active = (place + items.length) % items.length;
  for (const option of list.querySelectorAll("[role=option]")) option.setAttribute("aria-selected", String(Number(option.dataset.place) === active));
  const option = list.querySelector(`[data-place="${active}"]`);
  field.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}
