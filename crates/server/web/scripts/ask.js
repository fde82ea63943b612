// Chats: Enter submits, answers are streamed, citations show their source.

import { notify, localizeTimes } from "./app.js";

const talk = document.getElementById("talk");
const status = document.getElementById("told");

// Enter submits, unless text is being composed.
document.addEventListener("keydown", (event) => {
  const field = event.target.closest?.("textarea[name=content]");
  if (!field || event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  const button = field.form.querySelector("button:not([type=button])");
  if (field.value.trim() && !button?.disabled) field.form.requestSubmit();
});

const isAtEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 120;
const toEnd = () => scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });

/** Replaces only the child nodes that differ from rendered HTML: a selection stays, and nothing flickers. */
function patch(place, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const nodes = [...template.content.childNodes];
  nodes.forEach((node, at) => {
    const old = place.childNodes[at];
    if (!old) place.append(node);
    else if (!old.isEqualNode(node)) old.replaceWith(node);
  });
  while (place.childNodes.length > nodes.length) place.lastChild.remove();
}

/** Enables the form of the next question, and returns its field. */
function enableForm() {
  const field = document.getElementById("words");
  const send = field?.form.querySelector("button");
  if (send) send.disabled = false;
  return field;
}

/** Streams an answer to its end. Each event is complete, so a broken stream is simply opened again. */
function follow(article, wait = 500) {
  const stream = new EventSource(article.dataset.follow);
  const parts = { text: article.querySelector(".answer"), sources: article.querySelector(".sources") };
  const working = article.querySelector(".working");
  const workingText = working?.textContent;
  const keepAtEnd = (change) => {
    const wasAtEnd = isAtEnd();
    change();
    if (wasAtEnd) toEnd();
  };
  for (const [name, place] of Object.entries(parts)) {
    stream.addEventListener(name, (event) => {
      wait = 500;
      if (working) working.textContent = workingText;
      if (name === "text" && !place.hasChildNodes()) status.textContent = talk.dataset.begun;
      keepAtEnd(() => patch(place, JSON.parse(event.data).html));
    });
  }
  stream.addEventListener("end", (event) => {
    stream.close();
    const template = document.createElement("template");
    template.innerHTML = JSON.parse(event.data).html;
    const message = template.content.querySelector("article");
    const hadFocus = article.contains(document.activeElement);
    const wasAtEnd = isAtEnd();
    article.replaceWith(message);
    // Passages without an answer arrive all at once, and are read from the question on. Theirs are answers too by class.
    if (wasAtEnd && !message.querySelector(":scope > .answer")) message.previousElementSibling?.scrollIntoView();
    else if (wasAtEnd) toEnd();
    localizeTimes(message);
    globalThis.htmx?.process(message);
    status.textContent = talk.dataset.finished;
    const field = enableForm();
    if (hadFocus) (field ?? message).focus({ preventScroll: true });
  });
  stream.addEventListener("failed", (event) => {
    stream.close();
    if (working) working.textContent = JSON.parse(event.data).detail;
    enableForm();
  });
  stream.addEventListener("error", () => {
    if (working) working.textContent = talk.dataset.broken;
    // The browser reconnects by itself, unless the request was refused.
    if (stream.readyState === EventSource.CLOSED) {
      setTimeout(() => follow(article, Math.min(wait * 2, 15000)), wait);
    }
  });
  addEventListener("pagehide", () => stream.close(), { once: true });
}
function followAll() {
  for (const article of document.querySelectorAll("[data-follow]")) follow(article);
}
followAll();
// A page restored from the back/forward cache has closed its streams.
addEventListener("pageshow", (event) => { if (event.persisted) followAll(); });

// Files are uploaded as soon as they are chosen, which leaves the page; and the session may have expired when a question is
// submitted. The draft is stored until the next page.
const DRAFT = "wenyuan-question";
const question = document.getElementById("put");
document.addEventListener("change", (event) => {
  const form = event.target.closest?.(".attach form");
  if (!form || event.target.type !== "file" || !event.target.files.length) return;
  for (const name of ["scope", "focus", "model"]) form.elements[name].value = question?.elements[name]?.value ?? "";
  form.requestSubmit();
});
document.addEventListener("submit", (event) => {
  if (!question || !event.target.matches(".attach form, #put")) return;
  const ticked = [...question.querySelectorAll("input:checked")].map((box) => box.name);
  const selected = Object.fromEntries([...question.querySelectorAll("select")].map((field) => [field.name, field.value]));
  try { sessionStorage.setItem(DRAFT, JSON.stringify({ text: question.elements.content.value, ticked, selected })); } catch { /* no storage: the reader types it again */ }
});
if (question) {
  let stored = null;
  try {
    stored = JSON.parse(sessionStorage.getItem(DRAFT));
    sessionStorage.removeItem(DRAFT);
  } catch { /* no storage, or no draft */ }
  // The draft was submitted: the question is on the page.
  if ([...document.querySelectorAll(".question")].some((asked) => asked.textContent.trim() === stored?.text?.trim())) stored = null;
  const { text = "", ticked = [], selected = {} } = stored ?? {};
  question.elements.content.value ||= text;
  for (const field of question.querySelectorAll("select")) {
    if ([...field.options].some((option) => option.value === selected[field.name])) field.value = selected[field.name];
  }
  for (const box of question.querySelectorAll("input[type=checkbox]")) if (ticked.includes(box.name)) box.checked = true;
}

// Copies the Markdown of an answer.
document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("[data-copy-from]");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  try {
    const response = await fetch(link.href);
    if (!response.ok) throw new Error();
    await navigator.clipboard.writeText(await response.text());
    notify(talk.dataset.copied);
  } catch { location.href = link.href; }
});

// Shows the source of a citation beside it, on hover, on focus, and on the first tap.
let shown = null;
let closing = 0;
const sourceOf = (link) => link.closest("article")?.querySelector(`[data-number="${Number(link.textContent)}"]`);

function show(link) {
  clearTimeout(closing);
  if (shown?.link === link) return;
  hide();
  const source = sourceOf(link);
  if (!source) return;
  const box = document.createElement("div");
  box.id = "cite";
  box.setAttribute("role", "note");
  const copy = source.cloneNode(true);
  copy.removeAttribute("id");
  const text = copy.querySelector(".given");
  copy.querySelector("details")?.replaceWith(text ?? "");
  box.append(...copy.childNodes);
  box.addEventListener("pointerenter", () => clearTimeout(closing));
  box.addEventListener("pointerleave", leave);
  // Not inside the link, which is superscript.
  link.closest("article").append(box);
  link.setAttribute("aria-describedby", "cite");
  const at = link.getBoundingClientRect();
  const size = box.getBoundingClientRect();
  box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
  box.style.top = `${at.bottom + size.height + 8 < innerHeight || at.top < size.height ? at.bottom + 4 : at.top - size.height - 4}px`;
  shown = { link, box };
}
function hide() {
  clearTimeout(closing);
  shown?.link.removeAttribute("aria-describedby");
  shown?.box.remove();
  shown = null;
}
function leave() { clearTimeout(closing); closing = setTimeout(hide, 250); }

const citation = (event) => event.target.closest?.(".answer sup a");
document.addEventListener("pointerover", (event) => {
  const link = citation(event);
  if (link && event.pointerType === "mouse") show(link);
});
document.addEventListener("pointerout", (event) => { if (citation(event) && event.pointerType === "mouse") leave(); });
document.addEventListener("focusin", (event) => {
  const link = citation(event);
  if (link?.matches(":focus-visible")) show(link);
  else if (shown && !shown.box.contains(event.target) && event.target !== shown.link) hide();
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
addEventListener("scroll", () => { if (shown) hide(); }, { passive: true });
document.addEventListener("click", (event) => {
  const link = citation(event);
  if (!link) { if (shown && !shown.box.contains(event.target)) hide(); return; }
  // The first tap shows the source, the second one follows the link.
  if (event.pointerType === "touch" && shown?.link !== link) { event.preventDefault(); show(link); return; }
  const source = sourceOf(link);
  if (link.hash && source && link.pathname === location.pathname) {
    for (let part = source; part; part = part.parentElement?.closest("details")) if (part.matches("details")) part.open = true;
    source.querySelector("details")?.setAttribute("open", "");
  }
});
