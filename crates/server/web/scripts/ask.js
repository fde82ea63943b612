// Asking: Enter sends; an answer is followed while it is written; its numbers show what they stand for.

import { say, tellTimes } from "./app.js";

const talk = document.getElementById("talk");
const told = document.getElementById("told");

// Enter sends, unless a word is being composed.
document.addEventListener("keydown", (event) => {
  const field = event.target.closest?.("textarea[name=content]");
  if (!field || event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  const button = field.form.querySelector("button:not([type=button])");
  if (field.value.trim() && !button?.disabled) field.form.requestSubmit();
});

const isAtEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 120;
const toEnd = () => scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });

/** Puts in what the server has rendered, and leaves alone what has not changed: a selection stays, nothing flickers. */
function put(place, html) {
  const made = document.createElement("template");
  made.innerHTML = html;
  const news = [...made.content.childNodes];
  news.forEach((node, at) => {
    const old = place.childNodes[at];
    if (!old) place.append(node);
    else if (!old.isEqualNode(node)) old.replaceWith(node);
  });
  while (place.childNodes.length > news.length) place.lastChild.remove();
}

/** Lets the next question be sent, whose field it returns. */
function release() {
  const field = document.getElementById("words");
  const send = field?.form.querySelector("button");
  if (send) send.disabled = false;
  return field;
}

/** Follows an answer to its end. Each event holds all there is: a stream that broke is opened anew. */
function follow(article, wait = 500) {
  const stream = new EventSource(article.dataset.follow);
  const parts = { text: article.querySelector(".answer"), sources: article.querySelector(".sources") };
  const working = article.querySelector(".working");
  const words = working?.textContent;
  const keep = (change) => {
    const stays = isAtEnd();
    change();
    if (stays) toEnd();
  };
  for (const [name, place] of Object.entries(parts)) {
    stream.addEventListener(name, (event) => {
      wait = 500;
      if (working) working.textContent = words;
      if (name === "text" && !place.hasChildNodes()) told.textContent = talk.dataset.begun;
      keep(() => put(place, JSON.parse(event.data).html));
    });
  }
  stream.addEventListener("end", (event) => {
    stream.close();
    const made = document.createElement("template");
    made.innerHTML = JSON.parse(event.data).html;
    const whole = made.content.querySelector("article");
    const hadFocus = article.contains(document.activeElement);
    const stays = isAtEnd();
    article.replaceWith(whole);
    // Passages in place of an answer come all at once: they are read from the question on.
    if (stays && !whole.querySelector(".answer")) whole.previousElementSibling?.scrollIntoView();
    else if (stays) toEnd();
    tellTimes(whole);
    globalThis.htmx?.process(whole);
    told.textContent = talk.dataset.finished;
    const field = release();
    if (hadFocus) (field ?? whole).focus({ preventScroll: true });
  });
  stream.addEventListener("failed", (event) => {
    stream.close();
    if (working) working.textContent = JSON.parse(event.data).detail;
    release();
  });
  stream.addEventListener("error", () => {
    if (working) working.textContent = talk.dataset.broken;
    // The browser tries again by itself, but where it was refused.
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
// A page that comes back as it was left has closed its streams.
addEventListener("pageshow", (event) => { if (event.persisted) followAll(); });

// Files go as soon as they are chosen, on a page of their own, and a session may have ended when a question is sent: what was
// written and chosen is kept until the next page stands.
const draft = "wenyuan-question";
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
  const chosen = Object.fromEntries([...question.querySelectorAll("select")].map((field) => [field.name, field.value]));
  try { sessionStorage.setItem(draft, JSON.stringify({ words: question.elements.content.value, ticked, chosen })); } catch { /* it is written again */ }
});
if (question) {
  let kept = null;
  try {
    kept = JSON.parse(sessionStorage.getItem(draft));
    sessionStorage.removeItem(draft);
  } catch { /* nothing was kept */ }
  // What stands above has been asked.
  if ([...document.querySelectorAll(".question")].some((asked) => asked.textContent.trim() === kept?.words.trim())) kept = null;
  const { words = "", ticked = [], chosen = {} } = kept ?? {};
  question.elements.content.value ||= words;
  for (const field of question.querySelectorAll("select")) {
    if ([...field.options].some((option) => option.value === chosen[field.name])) field.value = chosen[field.name];
  }
  for (const box of question.querySelectorAll("input[type=checkbox]")) if (ticked.includes(box.name)) box.checked = true;
}

// An answer as it is written, copied.
document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("[data-copy-from]");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) throw new Error();
    await navigator.clipboard.writeText(await answer.text());
    say(talk.dataset.copied);
  } catch { location.href = link.href; }
});

// What a number stands for, beside it: by pointer, by focus, by a first tap.
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
  // Not beside the number, where it would be small and raised as that is.
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
  // Fingers see first what it is, and open it by a second tap or from there.
  if (event.pointerType === "touch" && shown?.link !== link) { event.preventDefault(); show(link); return; }
  const source = sourceOf(link);
  if (link.hash && source && link.pathname === location.pathname) {
    for (let part = source; part; part = part.parentElement?.closest("details")) if (part.matches("details")) part.open = true;
    source.querySelector("details")?.setAttribute("open", "");
  }
});
