// Documents that were read in this browser, the newest first. Each user has their own.

const MAX_READ = 30;
const key = () => `wenyuan-read-${document.querySelector(".who")?.textContent ?? ""}`;

/** Documents that were read: `{ title, detail, link }`. */
export function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(key()));
    return Array.isArray(stored) ? stored.filter(({ link, title }) => typeof title === "string" && link?.startsWith?.("/l/")) : [];
  } catch { return []; }
}

function store(documents) {
  try { localStorage.setItem(key(), JSON.stringify(documents.slice(0, MAX_READ))); } catch { /* no storage */ }
}

/** Remembers a document as the one that was read last. */
export function remember(entry) {
  store([entry, ...read().filter(({ link }) => link !== entry.link)]);
}

/** Forgets all. */
export function forget() { store([]); }
