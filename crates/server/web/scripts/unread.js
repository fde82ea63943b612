// The number of unread notifications in the header, as it changes. Only while the page is seen: browsers open few connections to a server.

const badge = document.querySelector(".bell .badge");
const number = badge?.querySelector("[data-number]");
let events;

function listen() {
  if (document.hidden || events || !number) return;
  events = new EventSource("/notifications/unread");
  events.addEventListener("message", ({ data }) => {
    number.textContent = data;
    badge.hidden = data === "0";
  });
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    events?.close();
    events = undefined;
  } else {
    listen();
  }
});
addEventListener("pagehide", () => { events?.close(); events = undefined; });
addEventListener("pageshow", listen);
listen();
