// Tree of documents: folders are requested as they are opened, stay open from page to page, and are walked by arrow keys.

const tree = document.querySelector(".tree[data-tree]");
const key = `wenyuan-tree-${tree?.dataset.tree}`;
/** Folders that the reader opened, and the scroll position. */
let state = { open: [], top: 0 };

function store() {
  try { sessionStorage.setItem(key, JSON.stringify(state)); } catch { /* no storage */ }
}

/** Replaces a link to a folder by its lines. */
async function load(link) {
  if (link.dataset.loading) return;
  link.dataset.loading = "1";
  const [, , library, version] = tree.dataset.tree.split("/");
  try {
    const response = await fetch(`/tree/${library}/${version}?folder=${encodeURIComponent(link.dataset.all)}`);
    if (!response.ok) throw new Error(response.statusText);
    const template = document.createElement("template");
    template.innerHTML = await response.text();
    const lines = template.content.firstElementChild;
    const here = [...lines.querySelectorAll("a")].find((line) => line.pathname === location.pathname);
    here?.setAttribute("aria-current", "page");
    // The rest of a long folder replaces the part that is shown; that of a folder which was closed, its link.
    const part = link.closest("ul");
    const isRest = part?.parentElement.dataset.folder === link.dataset.all || (link.dataset.all === "" && part);
    const hadFocus = link === document.activeElement;
    const opened = isRest ? [...part.querySelectorAll("details[open]")].map((folder) => folder.dataset.folder) : [];
    (isRest ? part : link).replaceWith(lines);
    for (const folder of lines.querySelectorAll("details")) if (opened.includes(folder.dataset.folder)) folder.open = true;
    if (hadFocus) lines.querySelector("a, summary")?.focus();
    rove();
    restore();
  } catch {
    delete link.dataset.loading;
  }
}

/** Opens the folders that were open on the page before. */
function restore() {
  for (const folder of tree.querySelectorAll("details[data-folder]:not([open])")) if (state.open.includes(folder.dataset.folder)) folder.open = true;
}

/** Lines that can be seen, in order. */
const lines = () => [...tree.querySelectorAll("summary, a")].filter((line) => line.checkVisibility({ contentVisibilityAuto: true }));

/** Makes one line the stop of the Tab key; arrow keys lead to the others. */
function rove(to) {
  const all = [...tree.querySelectorAll(".side > ul summary, .side > ul a")];
  const stop = to ?? all.find((line) => line.ariaCurrent) ?? all[0];
  for (const line of all) line.tabIndex = line === stop ? 0 : -1;
}

if (tree) {
  try { state = { ...state, ...JSON.parse(sessionStorage.getItem(key)) }; } catch { /* no storage */ }
  const side = tree.querySelector(".side");
  if (state.isShown) side.open = true;
  // `toggle` does not bubble.
  tree.addEventListener("toggle", (event) => {
    const folder = event.target;
    if (folder === side) state.isShown = side.open;
    else {
      state.open = state.open.filter((path) => path !== folder.dataset.folder);
      if (folder.open) state.open.push(folder.dataset.folder);
      const link = folder.querySelector(":scope > a[data-all]");
      if (folder.open && link) load(link);
    }
    store();
  }, true);
  tree.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-all]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    load(link);
  });
  tree.addEventListener("focusin", (event) => { if (event.target.matches(".side > ul *")) rove(event.target); });
  tree.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const all = lines();
    const at = all.indexOf(event.target);
    if (at < 0) return;
    const line = event.target;
    const folder = line.matches("summary") ? line.parentElement : null;
    const above = (folder ?? line).parentElement?.closest("details")?.querySelector(":scope > summary");
    let next = null;
    if (event.key === "ArrowDown") next = all[at + 1];
    else if (event.key === "ArrowUp") next = all[at - 1];
    else if (event.key === "Home") next = all[0];
    else if (event.key === "End") next = all.at(-1);
    else if (event.key === "ArrowRight" && folder && !folder.open) folder.open = true;
    else if (event.key === "ArrowRight" && folder) next = all[at + 1];
    else if (event.key === "ArrowLeft" && folder?.open && folder !== side) folder.open = false;
    else if (event.key === "ArrowLeft") next = above;
    else return;
    event.preventDefault();
    next?.focus();
  });
  const scroller = () => [tree, tree.parentElement].find((box) => box.scrollHeight > box.clientHeight && getComputedStyle(box).overflowY === "auto");
  addEventListener("pagehide", () => { state.top = scroller()?.scrollTop ?? 0; store(); });
  rove();
  restore();
  // Where the reader was, unless the current document is elsewhere.
  const box = scroller();
  if (box) {
    box.scrollTop = state.top;
    const [line, frame] = [tree.querySelector("[aria-current]")?.getBoundingClientRect(), box.getBoundingClientRect()];
    if (line && (line.top < frame.top || line.bottom > frame.bottom)) box.scrollTop += line.top - frame.top - frame.height / 3;
  }
}
