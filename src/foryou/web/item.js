// What is there to know about one item? What it is, what goes with it, and why it is shown to this user or not.

import { get, path, post } from "./api.js";
import { card, tile } from "./card.js";
import { $, h, table, trying } from "./dom.js";

const figure = (value) => value.toLocaleString("en", { maximumFractionDigits: 3 });

/** Ask for the verdict of every stage on an item. */
export const why = (user, item) => post("/v1/explain", { user_id: user, item_id: item.item_id });

/** Show an item. `verdict`: what was asked by `why` as it was opened, null = for nobody. */
export async function openItem(item, user, verdict, deeds) {
  const sheet = $("item");
  const told = h("div", { "aria-live": "polite" });
  const similar = h("div");
  const title = h("h2", { id: "item-title" }, item.title || item.item_id);
  const about = h("p", { class: "soft" });
  const ask = h("button", { type: "button", id: "why", onclick: () => trying(async () => explain(told, await verdict)) },
    "Why this, or why not?");
  sheet.replaceChildren(
    h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => sheet.close() }, "✕"),
    tile(item), title, about, item.reason?.text ? h("p", {}, item.reason.text) : null,
    h("p", { class: "actions" },
      h("button", { type: "button", class: "main", onclick: () => deeds.like(item, sheet) }, "♥ Like"),
      h("button", { type: "button", onclick: () => { sheet.close(); deeds.dislike(item, sheet); } }, "Not for me"),
      verdict ? ask : null),
    told, similar);
  if (!sheet.open) sheet.showModal();
  sheet.scrollTop = 0;
  await trying(async () => {
    const known = await get(`/v1/items/${path(item.item_id)}`);
    title.textContent = item.variant ? item.title : known.title || item.item_id;
    about.textContent = [...known.categories, known.brand, known.price ? `price ${figure(known.price)}` : ""].filter(Boolean).join(" · ");
    const found = await get(`/v1/items/${path(item.item_id)}/similar`, { num_results: 12, user_id: user });
    const others = found.items.filter((one) => one.reason.code === "similar");
    if (!others.length) return;
    similar.replaceChildren(h("h3", {}, "Goes with it"), h("ul", { class: "strip" }, others.map((one, at) =>
      h("li", {}, card({ ...one, recommendation_id: found.recommendation_id, position: at, reason: null }, deeds, true)))));
  });
}

/** Show the verdict of each stage, in the order in which they judge. */
export function explain(into, said) {
  into.replaceChildren(h("h3", {}, said.text), verdicts(said), inputs(said));
}

function verdicts(said) {
  const { outcome } = said;
  const found = said.proposed_by.length > 0;
  const steps = [
    ["Catalog", outcome !== "unknown_item", outcome === "unknown_item" ? "has no such item" : "knows the item"],
    ["Candidates", found, found ? `found by ${said.proposed_by.join(", ")}` : "no source found it"],
    ["Rules", !said.dropped_by, said.dropped_by ? `dropped by ${said.dropped_by}` : "none dropped it"],
    ["Ranking", outcome === "shown", `score ${figure(said.score)}, rank ${said.rank}; the last one shown has ${figure(said.cutoff)}`],
  ];
  return h("ol", { class: "steps" }, steps.map(([stage, good, what]) => h("li", {},
    h("span", { class: `mark ${good ? "good" : "bad"}`, role: "img", "aria-label": good ? "passed" : "stopped" }, good ? "✓" : "✕"),
    h("span", {}, stage), h("span", {}, what))));
}

function inputs(said) {
  const parts = Object.entries(said.parts).filter(([, part]) => Math.abs(part) >= 0.0005)
    .sort((one, other) => Math.abs(other[1]) - Math.abs(one[1])).slice(0, 8);
  if (!parts.length) return null;
  return h("details", {}, h("summary", {}, "What its score is made of"),
    table("What the score is made of", ["input", "#value", "#adds"],
      parts.map(([name, part]) => [name, name in said.inputs ? figure(said.inputs[name]) : "", figure(part)])));
}
