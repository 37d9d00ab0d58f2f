// What is on the For You page? Rows with their reasons, then a feed without end; each deed changes both at once.

import { get, post, tell } from "./api.js";
import { card } from "./card.js";
import { $, h, say, trying } from "./dom.js";
import { openItem, why } from "./item.js";
import { hide, welcome } from "./welcome.js";

const FOLD_MS = 250; // until what was done counts: an event is visible within 100 ms as a rule
const PAGE = 24;
const KNOWN = 6;

let user = localStorage.getItem("user") ?? "";
let turn = 0; // answers that belong to an earlier turn come too late and are thrown away
let cursor = "";
let above = []; // ids of the first row: the feed goes on after it
let loading = false;

const deeds = {
  open(item) {
    trying(async () => {
      const verdict = user ? why(user, item) : null; // before the click, after which it counts as seen
      openItem(item, user, verdict, deeds);
      await verdict?.catch(() => null);
      await tell(user, "click", of(item));
    });
  },
  like: (item, where) => act("like", item, where, `You like ${item.title}: your page follows.`),
  dislike: (item, where) => act("dislike", item, where, `Not for you: ${item.title} does not come again.`),
};

const of = (item) => ({
  item_id: item.item_id, recommendation_id: item.recommendation_id ?? "", position: item.position ?? -1,
  ...(item.variant ? { context: { variant: item.variant } } : {}),
});

async function act(action, item, where, words) {
  if (!user) {
    choose();
    return;
  }
  if (action === "like") where.querySelector(".like")?.setAttribute("aria-pressed", "true");
  else where.classList.contains("card") && where.classList.add("gone");
  await trying(async () => {
    await tell(user, action, of(item));
    say(words);
    setTimeout(() => trying(refresh), FOLD_MS);
  });
}

const placed = (answer) => answer.items.map((item, at) => ({ ...item, recommendation_id: answer.recommendation_id, position: at }));

async function refresh() {
  const mine = ++turn;
  const page = await get("/v1/pages/home", { user_id: user, num_rows: 10, num_results: 12, deadline_ms: 1000 });
  if (mine !== turn) return;
  above = page.rows.slice(0, 1).flatMap((one) => one.items.map((item) => item.item_id));
  $("rows").replaceChildren(...page.rows.map(row));
  $("rows").setAttribute("aria-busy", "false");
  if (user && page.degraded.includes("unknown_user")) await trying(() => welcome(user, refresh));
  else hide();
  cursor = "";
  loading = false;
  $("cards").replaceChildren();
  $("end").hidden = true;
  $("feed").hidden = false;
  await more(mine);
}

function row(one, at) {
  return h("section", { class: "row", "aria-labelledby": `row-${at}`, "data-kind": one.kind },
    h("h2", { id: `row-${at}` }, one.title),
    h("ul", { class: "strip" }, placed(one).map((item) => h("li", {}, card(item, deeds)))));
}

async function more(mine = turn) {
  if (loading && mine === turn) return;
  loading = true;
  try {
    const answer = await post("/v1/recommendations", {
      user_id: user, num_results: PAGE, cursor, exclude_item_ids: above, context: { placement: "home" },
    });
    if (mine !== turn) return;
    $("cards").append(...placed(answer).map((item) => h("li", {}, card(item, deeds))));
    cursor = answer.next_cursor ?? "";
    $("more").hidden = !cursor || !answer.items.length;
    $("end").hidden = !$("more").hidden;
  } finally {
    if (mine === turn) loading = false;
  }
}

async function search(text) {
  const found = $("found");
  if (!text) {
    found.hidden = true;
    $("rows").hidden = $("feed").hidden = false;
    return;
  }
  trying(() => tell(user, "search", { query: text }));
  const answer = await post("/v1/recommendations", { user_id: user, num_results: 40, context: { placement: "home", search: text } });
  const items = placed(answer);
  const hits = items.filter((item) => item.reason.code === "search");
  found.replaceChildren(
    h("h2", { id: "found-title", tabindex: "-1" }, hits.length ? `${hits.length} matches for “${text}”` : `Nothing is called “${text}”; you might like`),
    h("ul", { class: "grid" }, (hits.length ? hits : items.slice(0, 12)).map((item) => h("li", {}, card(item, deeds)))),
    h("p", {}, h("button", { type: "button", onclick: () => { $("query").value = ""; search(""); } }, "Back to your page")));
  found.hidden = false;
  $("rows").hidden = $("feed").hidden = true;
  hide();
  $("found-title").focus();
}

function choose() {
  const known = JSON.parse(localStorage.getItem("known") ?? "[]");
  $("known").replaceChildren(...known.map((id) => h("button", { type: "button", onclick: () => be(id) }, id)));
  $("user").value = user;
  $("users").showModal();
}

function be(id) {
  user = id;
  localStorage.setItem("user", id);
  if (id) {
    const known = JSON.parse(localStorage.getItem("known") ?? "[]").filter((one) => one !== id);
    localStorage.setItem("known", JSON.stringify([id, ...known].slice(0, KNOWN)));
  }
  if ($("users").open) $("users").close();
  named();
  window.scrollTo(0, 0);
  $("query").value = "";
  search("");
  trying(refresh);
}

function named() {
  $("who").textContent = user || "Who are you?";
  $("who").setAttribute("aria-label", user ? `You are ${user}; change` : "Who are you?");
}

$("who").addEventListener("click", choose);
$("user-form").addEventListener("submit", () => be($("user").value.trim()));
$("newcomer").addEventListener("click", () => be(`guest-${Math.random().toString(36).slice(2, 8)}`));
$("nobody").addEventListener("click", () => be(""));
$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  trying(() => search($("query").value.trim()));
});
$("more").addEventListener("click", () => trying(() => more()));
$("item").addEventListener("click", (event) => event.target === $("item") && $("item").close());
new IntersectionObserver(([seen]) => seen.isIntersecting && !$("more").hidden && trying(() => more()), { rootMargin: "600px" })
  .observe($("more"));
named();
trying(refresh);
