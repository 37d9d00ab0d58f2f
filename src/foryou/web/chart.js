// How did a figure move? A line over the last minutes, with its last and highest value in words for those who do not see.

const SVG = "http://www.w3.org/2000/svg";
const KEPT = 150; // looks

const svg = (tag, attributes) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};

export class Chart {
  constructor(where, unit) {
    this.values = [];
    this.unit = unit;
    this.picture = svg("svg", { class: "chart", viewBox: "0 0 300 100", preserveAspectRatio: "none", role: "img" });
    this.area = svg("path", { class: "area" });
    this.line = svg("path", {});
    this.picture.append(this.area, this.line);
    this.words = document.createElement("p");
    this.words.className = "soft";
    where.replaceChildren(this.picture, this.words);
  }

  add(value) {
    this.values.push(value);
    if (this.values.length > KEPT) this.values.shift();
    const known = this.values.filter(Number.isFinite);
    const most = Math.max(...known, 1e-9);
    const spots = this.values.map((one, at) => [300 - (this.values.length - 1 - at) * (300 / (KEPT - 1)), 96 - 90 * (one / most), one])
      .filter(([, , one]) => Number.isFinite(one));
    const line = spots.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", spots.length ? `${line}L${spots.at(-1)[0]} 100L${spots[0][0]} 100Z` : "");
    const last = known.at(-1);
    const said = known.length ? `now ${short(last)}, at most ${short(most)} ${this.unit}` : "nothing yet";
    this.words.textContent = said;
    this.picture.setAttribute("aria-label", said);
  }
}

export const short = (value) => (Number.isFinite(value)
  ? value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 }) : "–");
export const share = (value) => (Number.isFinite(value) ? `${(100 * value).toFixed(value < 0.1 ? 2 : 1)} %` : "–");
