// How is something put on the page? `h` makes an element; text is always text, never HTML.

export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value == null) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== false));
  return made;
}

export const $ = (id) => document.getElementById(id);

let hush;

/** Say something to everybody: shown for a moment, and read out. */
export function say(text) {
  const said = $("said");
  said.textContent = text;
  said.classList.add("up");
  clearTimeout(hush);
  hush = setTimeout(() => said.classList.remove("up"), 3500);
}

/** Do it; if it fails, say why. */
export async function trying(work) {
  try {
    return await work();
  } catch (error) {
    say(error.message);
    return null;
  }
}

/** A table with a caption for those who do not see it. Columns whose name begins with # hold numbers. */
export function table(caption, columns, rows) {
  const kind = columns.map((name) => (name.startsWith("#") ? "n" : null));
  const head = columns.map((name, at) => h("th", { scope: "col", class: kind[at] }, name.replace("#", "")));
  const body = rows.map((row) => h("tr", {}, row.map((cell, at) => h("td", { class: kind[at] }, cell))));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "hidden" }, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}
