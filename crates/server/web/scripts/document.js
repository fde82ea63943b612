// A document: contents that follow what is read, code that is copied, the same section in another version.
import { say } from "./app.js";

const article = document.querySelector(".prose");
const contents = document.querySelector(".contents");
const links = new Map();
for (const link of contents?.querySelectorAll("a[href]") ?? []) links.set(decodeURIComponent(link.hash.slice(1)), link);
// A part that was read on stands here already.
contents?.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (link.pathname !== location.pathname || !document.getElementById(decodeURIComponent(link.hash.slice(1)))) return;
  event.preventDefault();
  location.hash = link.hash;
});

// The last heading or passage that went by the upper edge is where its reader is.
let shown = null;
function follow() {
  const edge = 140;
  let last = null, section = null;
  for (const place of article.querySelectorAll("[id]")) {
    if (place.getBoundingClientRect().top > edge) break;
    if (links.has(place.id)) last = links.get(place.id);
    if (place.dataset.section) section = place.dataset.section;
  }
  if (last !== shown) {
    shown?.removeAttribute("aria-current");
    last?.setAttribute("aria-current", "true");
    if (last && contents.scrollHeight > contents.clientHeight) {
      const [top, bottom] = [last.offsetTop, last.offsetTop + last.offsetHeight];
      if (top < contents.scrollTop || bottom > contents.scrollTop + contents.clientHeight) contents.scrollTop = top - contents.clientHeight / 3;
    }
    shown = last;
  }
  for (const link of document.querySelectorAll("#versions a[data-under]")) {
    const there = new URL(link.href);
    if (section) there.searchParams.set("under", section); else there.searchParams.delete("under");
    link.href = there.href;
  }
}

if (article) {
  let waits = false;
  const soon = () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => { waits = false; follow(); });
  };
  // Headings that come and go at the upper edge tell that something is to be looked at anew.
  const watcher = new IntersectionObserver(soon, { rootMargin: "-140px 0px -60% 0px" });
  const watch = (root) => root.querySelectorAll("h2, h3, h4, .passage").forEach((place) => watcher.observe(place));
  watch(article);
  document.addEventListener("htmx:after:swap", () => { watch(article); dress(article); });
  follow();
  dress(article);
}

/** Gives every block of code a button that copies it. */
function dress(root) {
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
    copy.addEventListener("click", () => put(code.textContent.trimEnd(), button.dataset.codeCopied, button.dataset.failed));
    frame.append(pre, copy);
  }
}

async function put(text, done, failed) {
  try {
    await navigator.clipboard.writeText(text);
    say(done);
  } catch {
    say(failed);
  }
}

// The Markdown is fetched and copied; without a script, or with another button of the mouse, it is opened.
document.getElementById("copy-markdown")?.addEventListener("click", async (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const link = event.currentTarget;
  try {
    const answer = await fetch(link.href, { headers: { accept: "text/markdown" } });
    if (!answer.ok) throw new Error(answer.statusText);
    await put(await answer.text(), link.dataset.copied, link.dataset.failed);
  } catch {
    say(link.dataset.failed);
  }
});

// A fragment that is not on this page may be in another part: the server knows.
function seek() {
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
if (article) { seek(); addEventListener("hashchange", seek); }
