// docs/components.html: shows each component in the dark theme too, and its markup.
for (const part of document.querySelectorAll("[data-part]")) {
  const name = part.dataset.part;
  const markup = part.innerHTML.trim();
  const dark = part.cloneNode(true);
  part.dataset.theme = "light";
  dark.dataset.theme = "dark";
  // Ids must stay unique.
  for (const element of dark.querySelectorAll("*")) {
    for (const attribute of ["id", "for", "aria-labelledby", "aria-describedby"]) {
      if (element.hasAttribute(attribute)) element.setAttribute(attribute, `${element.getAttribute(attribute)}-dark`);
    }
    if (element.dataset.copy) element.dataset.copy += "-dark";
    if (element.hasAttribute("aria-label")) element.ariaLabel += " (dark)";
  }
  const source = document.createElement("details");
  const summary = Object.assign(document.createElement("summary"), { textContent: `Markup: ${name.replaceAll("-", " ")}` });
  const text = Object.assign(document.createElement("pre"), { textContent: markup, tabIndex: 0 });
  source.append(summary, text);
  part.after(dark, source);
}
