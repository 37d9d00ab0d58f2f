// What does an item look like? A tile coloured by its id, its title, why it is there, and what one can say about it.

import { h } from "./dom.js";

function hue(id) {
  let sum = 2166136261; // FNV-1a
  for (const sign of id) sum = Math.imul(sum ^ sign.codePointAt(0), 16777619) >>> 0;
  return sum % 360;
}

const initials = (title) => title.replace(/\([^)]*\)|[^\p{L}\p{N} ]/gu, "").split(/\s+/).filter(Boolean).slice(0, 2)
  .map((word) => [...word][0].toUpperCase()).join("") || "·";

export function tile(item) {
  const made = h("div", { class: "tile", "aria-hidden": "true" }, initials(item.title || item.item_id));
  made.style.setProperty("--hue", hue(item.item_id));
  if (item.image) made.append(h("img", { src: item.image, alt: "", loading: "lazy", referrerpolicy: "no-referrer" }));
  return made;
}

/** A card. deeds: {open, like, dislike}, each called with the item and the card. `plain`: nothing to say about it. */
export function card(item, deeds, plain = false) {
  const made = h("article", { class: "card", "data-item": item.item_id });
  const acts = plain ? null : h("div", { class: "acts" },
    h("button", { type: "button", class: "like", "aria-pressed": "false", "aria-label": `Like ${item.title}`,
      onclick: () => deeds.like(item, made) }, "♥ Like"),
    h("button", { type: "button", class: "dislike", "aria-label": `Not for me: ${item.title}`, title: "Not for me",
      onclick: () => deeds.dislike(item, made) }, "✕"));
  made.append(
    tile(item),
    h("div", { class: "text" },
      h("h3", {}, h("button", { type: "button", class: "open", onclick: () => deeds.open(item, made) }, item.title)),
      item.reason?.text ? h("p", { class: "reason" }, item.reason.text) : null,
      item.sponsored ? h("span", { class: "badge" }, "Sponsored") : null),
    ...(acts ? [acts] : [h("div", { class: "acts" })]));
  return made;
}
