// What is a newcomer asked? Categories to choose, items to like or not; what is passed over says nothing.

import { get, path, post } from "./api.js";
import { $, h, say, trying } from "./dom.js";

const pressed = (button) => button.getAttribute("aria-pressed") === "true";
const press = (button, on) => button.setAttribute("aria-pressed", String(on));

/** Ask the newcomer; `done` is called once the answers count. */
export async function welcome(user, done) {
  const asked = await get("/v1/onboarding/questions", { num: 8 });
  const chips = asked.interests.map(({ name }) =>
    h("button", { type: "button", "aria-pressed": "false", onclick: (event) => press(event.target, !pressed(event.target)) }, name));
  const items = asked.items.map(question);
  const send = h("button", { type: "button", class: "main", onclick: () => trying(() => answer(user, chips, items, done)) }, "Show me my page");
  $("welcome").replaceChildren(
    h("h2", { id: "welcome-title" }, "Welcome! What do you like?"),
    h("p", { class: "soft" }, "Choose as much or as little as you want: the page follows at once."),
    chips.length ? h("h3", {}, "Interests") : null, h("p", { class: "chips" }, chips),
    items.length ? h("h3", {}, "Do you know these?") : null, h("ul", { class: "asked" }, items.map((one) => one.row)),
    h("p", { class: "actions" }, send, h("button", { type: "button", onclick: hide }, "Not now")));
  $("welcome").hidden = false;
}

export function hide() {
  $("welcome").hidden = true;
}

function question(item) {
  const like = h("button", { type: "button", "aria-pressed": "false", "aria-label": `Like ${item.title}` }, "♥");
  const not = h("button", { type: "button", "aria-pressed": "false", "aria-label": `Do not like ${item.title}` }, "✕");
  for (const [one, other] of [[like, not], [not, like]]) {
    one.addEventListener("click", () => {
      press(one, !pressed(one));
      press(other, false);
    });
  }
  return { item, like, not, row: h("li", {}, h("span", {}, item.title), h("span", { class: "pair" }, like, not)) };
}

async function answer(user, chips, items, done) {
  await post(`/v1/users/${path(user)}/onboarding`, {
    interests: chips.filter(pressed).map((chip) => chip.textContent),
    liked_item_ids: items.filter((one) => pressed(one.like)).map((one) => one.item.item_id),
    disliked_item_ids: items.filter((one) => pressed(one.not)).map((one) => one.item.item_id),
  });
  hide();
  say("Thank you: this page is yours now.");
  done();
}
