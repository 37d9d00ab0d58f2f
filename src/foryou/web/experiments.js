// Which experiments are there, and what came of them? The report reads the whole log, so it is made when asked for.

import { get, path } from "./api.js";
import { short } from "./chart.js";
import { h, table, trying } from "./dom.js";

const SHOWN = ["ctr", "conversion", "dwell", "revenue", "diversity"];
const held = new Map(); // name -> its part of the page: what is opened stays open

/** Show all experiments in `place`. */
export async function experiments(place) {
  const { experiments: all } = await get("/v1/experiments");
  for (const one of all) {
    const made = held.get(one.name) ?? part(one.name);
    held.set(one.name, made);
    made.firstChild.textContent = `${one.name}: ${one.state}, ${one.arms.map(dealt).join(", ")}`;
  }
  const none = h("p", { class: "soft" }, "No experiments yet; `foryou experiment put FILE` begins one.");
  place.replaceChildren(...(all.length ? all.map((one) => held.get(one.name)) : [none]));
}

const dealt = ({ name, share }) => `${name} ${Math.round(100 * share)} %`;

function part(name) {
  const body = h("div", {}, h("p", { class: "soft" }, "Reading the log…"));
  const made = h("details", {}, h("summary", {}, name), body);
  made.addEventListener("toggle", async () => {
    const said = made.open && (await trying(() => get(`/v1/experiments/${path(name)}/report`)));
    if (said) body.replaceChildren(h("p", { class: said.mismatched ? "bad" : null }, said.verdict), figures(said));
  });
  return made;
}

function figures(said) {
  const names = said.arms[0].metrics.map(({ name }) => name).filter((name) => SHOWN.includes(name));
  return table(`What came of ${said.name}`, ["arm", "#users", ...names], said.arms.map((arm) => [
    arm.name, short(arm.users), ...names.map((name) => figure(arm.metrics.find((one) => one.name === name))),
  ]));
}

/** A value, and between what its change lies with certainty, however often one looks. */
function figure({ value, change_low: low, change_high: high }) {
  const signed = (part) => `${part > 0 ? "+" : ""}${(100 * part).toFixed(1)} %`;
  return low == null ? short(value) : `${short(value)} (${signed(low)} to ${signed(high)})`;
}
