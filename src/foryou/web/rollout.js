// Which bundle is rolled out, how does it do, and what shall become of it? Who has the key says so with a button.

import { get, path, send } from "./api.js";
import { short } from "./chart.js";
import { $, h, say, table, trying } from "./dom.js";

const KEY = "admin-key";
const WORDS = { pause: "Pause", resume: "Go on", next: "Next step", finish: "To everybody", back: "Take back" };

const percent = (part) => `${Math.round(1000 * part) / 10} %`;
const signed = (part) => `${part > 0 ? "+" : ""}${(100 * part).toFixed(1)} %`;
const span = (ms) => (ms >= 7_200_000 ? `${short(ms / 3_600_000)} h` : ms >= 120_000 ? `${short(ms / 60_000)} min` : `${short(ms / 1000)} s`);

/** Show the newest rollout in `place`. */
export async function rollout(place) {
  const said = await get("/v1/models");
  place.replaceChildren(...(said.rollout ? told(said) : [h("p", { class: "soft" }, "Nothing was rolled out by steps yet.")]));
}

function told({ rollout: one, evidence, compared }) {
  const open = one.state === "running" || one.state === "paused";
  const words = Object.keys(WORDS).filter((word) => word !== (one.state === "paused" ? "pause" : "resume"));
  const first = h("p", { class: one.state === "returned" ? "bad" : null }, h("strong", {}, one.new), ` in place of ${one.old}: ${state(one)}`);
  const figures = evidence.length > 0 && table("Old and new bundle", ["bundle", "#queries", "#in the shadow", "#shown, too", "#ms a batch", "faults"],
    evidence.map((seen) => [seen.version, short(seen.queries), short(seen.rehearsed), seen.rehearsed ? percent(seen.overlap) : "–", short(seen.ms),
      h("span", { class: Object.keys(seen.faults).length ? "bad" : null }, Object.entries(seen.faults).map(([kind, count]) => `${kind} ${count}`).join(", ") || "none")]));
  return [first, open && stepsOf(one), figures, compared && h("p", {}, liked(compared)), open && h("p", { class: "buttons" }, words.map((word) => button(word)))].filter(Boolean);
}

function state(one) {
  if (one.state === "returned") return `taken back: ${one.why}`;
  const left = one.since_ms + one.steps[one.at].hold_ms - Date.now();
  return one.state === "running" ? `${span(Math.max(0, left))} to go` : one.state === "paused" ? "paused" : "done";
}

const stepsOf = (one) => h("ol", { class: "steps" }, one.steps.map((step, at) =>
  h("li", { "aria-current": at === one.at ? "step" : null }, step.share ? percent(step.share) : "shadow", h("small", {}, span(step.hold_ms)))));

function liked({ metric, value_old: old, value_new: now, users_old: before, users_new: users, change, low, high, needed }) {
  const said = change == null ? "too few users to compare" : `${signed(change)} (${signed(low)} to ${signed(high)} at any look)`;
  return `${metric} ${short(now)} of ${short(users)} users, ${short(old)} of ${short(before)} with the old one: ${said}${needed ? `; ${short(needed)} users show a change of that size` : ""}`;
}

/** A button that steers; `what` is sent beside the word. */
export function button(word, what = {}, text = WORDS[word]) {
  return h("button", { type: "button", "aria-label": what.version ? `${text} ${what.version}` : null, onclick: async () => {
    const key = $(KEY).value;
    if (!key) {
      $(KEY).focus();
      say("Steering wants the admin key");
      return;
    }
    sessionStorage.setItem(KEY, key);
    const done = await trying(() => send("/v1/models", { action: word, why: "from the console", ...what }, key));
    if (done) {
      say(`Release ${done.generation}: ${done.reason}`);
      dispatchEvent(new Event("steered"));
    }
  } }, text);
}

/** A link to how a bundle was judged, for those made by the daily job. */
export const report = (version) => h("a", { href: `/v1/models/${path(version)}/report`, target: "_blank", rel: "noopener" }, "report");

$(KEY).value = sessionStorage.getItem(KEY) ?? "";
