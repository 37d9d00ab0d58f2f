// How is the server? Its meters every two seconds, its models every ten.

import { get, metrics } from "./api.js";
import { Chart, share, short } from "./chart.js";
import { $, h, table } from "./dom.js";
import { experiments } from "./experiments.js";
import { look } from "./inspector.js";
import { Look, Span } from "./meters.js";
import { button, report, rollout } from "./rollout.js";

const EVERY_MS = 2000;
const WINDOW = 15; // looks: figures of the last half minute
const MODELS_EVERY = 5;
const SLOWEST = 12;

const looks = [];
const charts = { rate: new Chart($("rate"), "a second"), p99: new Chart($("p99"), "ms"), fresh: new Chart($("fresh"), "ms") };
const recommending = ({ route }) => / \/v1\/(recommendations|pages)|\/recommendations$/.test(route ?? "");
let turn = 0;

async function round() {
  try {
    looks.push(new Look(await metrics()));
    if (looks.length > WINDOW + 1) looks.shift();
    const span = new Span(looks.length > 1 ? looks[0] : null, looks.at(-1));
    figures(span);
    routes(span);
    stages(new Span(null, looks.at(-1)));
    data(span);
    if (turn++ % MODELS_EVERY === 0) {
      await bundles();
      await experiments($("experiments"));
    }
    $("state").textContent = `${looks.length > 1 ? "live" : "since the start"}, ${new Date().toLocaleTimeString()}`;
    $("state").className = "soft";
  } catch (error) {
    $("state").textContent = `no answer: ${error.message}`;
    $("state").className = "bad";
  }
  setTimeout(round, document.hidden ? 5 * EVERY_MS : EVERY_MS);
}

function figures(span) {
  const newest = new Span(looks.at(-2) ?? null, looks.at(-1));
  const errors = span.grown("foryou_requests_total", ({ status }) => status >= "500") / span.grown("foryou_requests_total");
  const hits = span.grown("foryou_user_cache_total", ({ outcome }) => outcome === "hit");
  const wanted = span.grown("foryou_user_cache_total", ({ outcome }) => outcome !== "renewed");
  const cold = span.grown("foryou_cold_answers_total", ({ kind }) => kind === "full") / span.grown("foryou_cold_answers_total");
  const fresh = span.quantile(0.99, "foryou_fold_ms");
  const age = span.after.sum("foryou_bundle_age_s") / 3600;
  const tiles = [
    ["Requests", short(span.rate("foryou_requests_total")), "a second"],
    ["Latency p50", short(span.quantile(0.5, "foryou_request_ms", recommending)), "ms, recommendations"],
    ["Latency p99", short(span.quantile(0.99, "foryou_request_ms", recommending)), "ms, target below 50"],
    ["Errors", share(errors), "5xx, target below 0.1 %"],
    ["Freshness p99", short(fresh), "ms until an action counts"],
    ["Cache hits", wanted ? share(hits / wanted) : "–", wanted ? "of user records" : "records lie on this machine"],
    ["Events", short(span.rate("foryou_events_total", ({ outcome }) => outcome === "accepted")), "accepted a second"],
    ["Cold coverage", share(cold), "target above 95 %"],
    ["Age of the bundle", age ? short(age) : "–", age ? "hours, target below 24" : "untrained"],
  ];
  $("tiles").replaceChildren(...tiles.map(([name, value, unit]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value, h("small", {}, unit)))));
  if (looks.length < 2) return; // what was before one looked is no moment
  charts.rate.add(newest.rate("foryou_requests_total"));
  charts.p99.add(newest.quantile(0.99, "foryou_request_ms", recommending));
  charts.fresh.add(newest.quantile(0.99, "foryou_fold_ms"));
}

function routes(span) {
  const busy = (name) => span.grown("foryou_request_ms_count", ({ route }) => route === name);
  const busiest = [...span.after.by("foryou_request_ms_count", "route")].map(([name, all]) => [name, busy(name), all])
    .sort((one, other) => other[1] - one[1] || other[2] - one[2]).slice(0, 12);
  $("routes").replaceChildren(table("Requests by route", ["route", "#a second", "#p50 ms", "#p99 ms", "#5xx"], busiest.map(([name]) => {
    const mine = ({ route }) => route === name;
    const failed = span.grown("foryou_requests_total", ({ route, status }) => route === name && status >= "500");
    return [name, short(span.rate("foryou_requests_total", mine)), short(span.quantile(0.5, "foryou_request_ms", mine)),
      short(span.quantile(0.99, "foryou_request_ms", mine)), short(failed)];
  })));
}

function stages(span) {
  const names = [...span.after.by("foryou_stage_ms_count", "stage").keys()];
  const rows = names.map((name) => {
    const mine = ({ stage }) => stage === name;
    return [name, span.mean("foryou_stage_ms", mine), span.quantile(0.99, "foryou_stage_ms", mine), span.grown("foryou_fallbacks_total", mine)];
  }).sort((one, other) => (other[1] || 0) - (one[1] || 0)).slice(0, SLOWEST);
  $("stages").replaceChildren(table("Stages by time", ["stage", "#mean ms", "#p99 ms", "#passed over"],
    rows.map(([name, ...values]) => [name, ...values.map(short)])));
}

function data(span) {
  const total = (name, label, value) => span.after.sum(name, label && ((labels) => labels[label] === value));
  const rows = [
    ["events accepted", total("foryou_events_total", "outcome", "accepted"), false],
    ["events sent twice", total("foryou_events_total", "outcome", "duplicate"), false],
    ["events rejected", total("foryou_events_total", "outcome", "rejected"), true],
    ["events from the future", total("foryou_events_total", "outcome", "clamped"), true],
    ["records folded", total("foryou_folded_total"), false],
    ["records that cannot be folded", total("foryou_poison_total"), true],
    ["records still to fold", total("foryou_fold_behind_records"), false],
    ["answers logged", total("foryou_exposures_total", "outcome", "logged"), false],
    ["answers not logged", total("foryou_exposures_total", "outcome", "dropped"), true],
    ["records waiting for the log", total("foryou_spool_records"), true],
    ["scores that are no numbers", total("foryou_scores_not_finite_total"), true],
    ["bundles refused", total("foryou_bundles_refused"), true],
  ];
  $("data").replaceChildren(table("Counts since the start", ["what", "#since the start"], rows.map(([name, count, bad]) =>
    [name, h("span", { class: bad && count ? "bad" : null }, short(count))])));
}

const time = (ms) => (ms ? new Date(ms).toLocaleString() : "–");
const percent = (part) => `${Math.round(100 * part)} %`;

async function bundles() {
  models(await get("/v1/console"));
  await rollout($("rollout"));
}

function models(said) {
  const serves = Object.entries(said.families).map(([family, shares]) =>
    `${family}: ${shares.map(({ version, share: part }) => `${version} ${percent(part)}`).join(", ")}`);
  const words = [h("p", {}, `Release ${said.generation} ${said.reason ? `(${said.reason}) ` : ""}serves `, h("strong", {}, serves.join(" · ")),
    ` over ${said.items.toLocaleString("en")} items.`)];
  for (const [version, why] of Object.entries(said.refused)) words.push(h("p", { class: "bad" }, `Refused: ${version}: ${why}`));
  if (said.away) words.push(h("p", { class: "bad" }, said.away));
  const colour = { pass: "good", warn: "warn", refuse: "bad" };
  $("models").replaceChildren(...words, table("Bundles", ["version", "made", "verdict", "ranker", "figures", "report", "serve"], said.bundles.map((one) => [
    one.version, time(one.created_ms), h("span", { class: colour[one.verdict] }, one.verdict), one.ranker,
    h("details", {}, h("summary", {}, one.verdict_reason || "figures"), table(`Report of ${one.version}`, ["figure", "#value"],
      Object.entries(one.report).map(([name, value]) => [name, short(value)]))),
    one.has_report ? report(one.version) : "–",
    h("span", { class: "buttons" }, button("promote", { version: one.version }, "Promote"), button("rollout", { version: one.version }, "Roll out")),
  ])));
}

$("inspect").addEventListener("submit", look);
addEventListener("steered", bundles);
round();
