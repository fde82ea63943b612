// Documents: table of contents that follows the scroll position, copy buttons, links to the same section of another version, the tree
// of documents.
import { notify } from "./app.js";
import { remember } from "./recent.js";
import "./tree.js";

const article = document.querySelector(".prose");
const contents = document.querySelector(".contents");
const links = new Map();
for (const link of contents?.querySelectorAll("a[href]") ?? []) links.set(decodeURIComponent(link.hash.slice(1)), link);
// A heading of a part that was appended is on this page already.
contents?.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (link.pathname !== location.pathname || !document.getElementById(decodeURIComponent(link.hash.slice(1)))) return;
  event.preventDefault();
  location.hash = link.hash;
});

// The current place is the last heading or passage above the upper edge.
let current = null;
function follow() {
  const edge = 140;
  let last = null, section = null;
  for (const place of article.querySelectorAll("[id]")) {
    if (place.getBoundingClientRect().top > edge) break;
    if (links.has(place.id)) last = links.get(place.id);
    if (place.dataset.section) section = place.dataset.section;
  }
  if (last !== current) {
    current?.removeAttribute("aria-current");
    last?.setAttribute("aria-current", "true");
    const scroller = [contents, contents?.parentElement].find((box) => box && box.scrollHeight > box.clientHeight && getComputedStyle(box).overflowY === "auto");
    if (last && scroller) {
      const [frame, line] = [scroller.getBoundingClientRect(), last.getBoundingClientRect()];
      if (line.top < frame.top || line.bottom > frame.bottom) scroller.scrollTop += line.top - frame.top - frame.height / 3;
    }
    current = last;
  }
  for (const link of document.querySelectorAll("#versions a[data-under]")) {
    const there = new URL(link.href);
    if (section) there.searchParams.set("under", section); else there.searchParams.delete("under");
    link.href = there.href;
  }
}

if (article) {
  let isScheduled = false;
  const schedule = () => {
    if (isScheduled) return;
    isScheduled = true;
    requestAnimationFrame(() => { isScheduled = false; follow(); });
  };
  // Headings that cross the upper edge change the current place.
  const watcher = new IntersectionObserver(schedule, { rootMargin: "-140px 0px -60% 0px" });
  const watch = (root) => root.querySelectorAll("h2, h3, h4, .passage").forEach((place) => watcher.observe(place));
  watch(article);
  document.addEventListener("htmx:after:swap", () => { watch(article); addCopyButtons(article); });
  follow();
  addCopyButtons(article);
}

/** Adds a copy button to each code block. */
function addCopyButtons(root) {
  const button = document.getElementById("copy-markdown");
  if (!button) return;
  for (const code of root.querySelectorAll("pre > code")) {
    const pre = code.parentElement;
    if (pre.parentElement.classList.contains("copied")) continue;
    const frame = document.createElement("div");
    frame.className = "copied";
    pre.replaceWith(frame);
    const copy = document.createElement("button");
    copy.type = "button";
    copy.className = "bare small";
    copy.setAttribute("aria-label", button.dataset.code);
    copy.append(button.querySelector("svg").cloneNode(true));
    copy.addEventListener("click", () => copyText(code.textContent.trimEnd(), button.dataset.codeCopied, button.dataset.failed));
    frame.append(pre, copy);
  }
}

async function copyText(text, done, failed) {
  try {
    await navigator.clipboard.writeText(text);
    notify(done);
  } catch {
    notify(failed);
  }
}

// Copies the Markdown; without scripts, or with a modifier key, the link opens it.
document.getElementById("copy-markdown")?.addEventListener("click", async (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const link = event.currentTarget;
  try {
    const response = await fetch(link.href, { headers: { accept: "text/markdown" } });
    if (!response.ok) throw new Error(response.statusText);
    await copyText(await response.text(), link.dataset.copied, link.dataset.failed);
  } catch {
    notify(link.dataset.failed);
  }
});

// A fragment that is not on this page may be in another part, which the server finds.
function findFragment() {
  const fragment = decodeURIComponent(location.hash.slice(1));
  if (!fragment || document.getElementById(fragment)) return;
  const heading = document.getElementById(`h-${fragment}`) ?? document.getElementById(`h-${fragment.toLowerCase()}`);
  if (heading) { heading.scrollIntoView(); return; }
  if (/^p-[0-9a-f-]{36}$/.test(fragment)) { location.replace(`/passages/${fragment.slice(2)}`); return; }
  if (/^(h-|p-|note-|page)/.test(fragment)) return;
  const there = new URL(location.href);
  there.hash = "";
  there.searchParams.delete("part");
  there.searchParams.set("at", fragment);
  location.replace(there.href);
}
const head = document.querySelector("header[data-read]");
if (head) remember({ title: head.querySelector("h1").textContent.trim(), detail: head.dataset.read, link: location.pathname });

if (article) { findFragment(); addEventListener("hashchange", findFragment); }
