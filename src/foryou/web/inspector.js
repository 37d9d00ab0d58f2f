// What is known of one user and of one item, and what becomes of that item for that user?

import { get, path } from "./api.js";
import { $, h, table, trying } from "./dom.js";
import { explain, why } from "./item.js";
import { short } from "./chart.js";

export async function look(event) {
  event.preventDefault();
  const [user, item] = [$("user-id").value.trim(), $("item-id").value.trim()];
  $("looked").replaceChildren();
  for (const [wanted, work] of [[user && item, () => verdict(user, item)], [user, () => ofUser(user)], [item, () => ofItem(item)]]) {
    if (wanted) await trying(async () => $("looked").append(await work()));
  }
}

async function verdict(user, item) {
  const made = h("div");
  explain(made, await why(user, { item_id: item }));
  return made;
}

const pairs = (said) => table("What is known", ["field", "value"],
  Object.entries(said).filter(([, value]) => value !== "" && value !== 0 && String(value) !== "")
    .map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : String(value)]));

async function ofUser(user) {
  const made = h("div", {}, h("h3", {}, `User ${user}`));
  await trying(async () => made.append(pairs(await get(`/v1/users/${path(user)}`))));
  const answer = await get("/v1/recommendations", { user_id: user, num_results: 10 });
  made.append(listed(`What ${user} is shown`, answer.items));
  return made;
}

async function ofItem(item) {
  const made = h("div", {}, h("h3", {}, `Item ${item}`));
  await trying(async () => made.append(pairs(await get(`/v1/items/${path(item)}`))));
  const answer = await get(`/v1/items/${path(item)}/similar`, { num_results: 10 });
  made.append(listed(`What goes with ${item}`, answer.items));
  return made;
}

const listed = (caption, items) => table(caption, ["item", "title", "#score", "source", "reason"],
  items.map((one) => [one.item_id, one.title, short(one.score), one.source, one.reason.text]));
