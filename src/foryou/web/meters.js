// What do the meters say? The text of /metrics as samples, and what lies between two looks at it.

const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

const unescaped = (text) => text.replace(/\\(.)/g, (_, sign) => (sign === "n" ? "\n" : sign));

/** Give the samples of an exposition: [{name, labels, value}]. */
export function parsed(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = LINE.exec(line);
    if (!found) continue;
    const labels = Object.fromEntries([...(found[2] ?? "").matchAll(LABEL)].map(([, name, value]) => [name, unescaped(value)]));
    samples.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return samples;
}

/** One look at all meters. */
export class Look {
  constructor(text, at = performance.now()) {
    this.at = at;
    this.samples = new Map();
    for (const sample of parsed(text)) {
      if (!this.samples.has(sample.name)) this.samples.set(sample.name, []);
      this.samples.get(sample.name).push(sample);
    }
  }

  of(name, wanted = () => true) {
    return (this.samples.get(name) ?? []).filter(({ labels }) => wanted(labels));
  }

  sum(name, wanted) {
    return this.of(name, wanted).reduce((total, { value }) => total + value, 0);
  }

  /** Sums by the value of a label. */
  by(name, label, wanted) {
    const sums = new Map();
    for (const { labels, value } of this.of(name, wanted)) sums.set(labels[label], (sums.get(labels[label]) ?? 0) + value);
    return sums;
  }
}

/** What happened from one look to a later one; a counter that fell began anew. */
export class Span {
  constructor(before, after) {
    this.before = before;
    this.after = after;
    this.seconds = before ? (after.at - before.at) / 1e3 : NaN;
  }

  grown(name, wanted) {
    const grown = this.after.sum(name, wanted) - (this.before?.sum(name, wanted) ?? 0);
    return grown < 0 ? this.after.sum(name, wanted) : grown;
  }

  rate(name, wanted) {
    return this.grown(name, wanted) / this.seconds;
  }

  /** Give a quantile of a histogram, linear within its bucket; NaN where nothing was counted. */
  quantile(q, name, wanted = () => true) {
    const after = this.after.by(`${name}_bucket`, "le", wanted);
    const before = this.before?.by(`${name}_bucket`, "le", wanted) ?? new Map();
    const buckets = [...after].map(([le, count]) => [le === "+Inf" ? Infinity : Number(le), Math.max(0, count - (before.get(le) ?? 0))])
      .sort((one, other) => one[0] - other[0]);
    const rank = q * (buckets.at(-1)?.[1] ?? 0);
    if (!rank) return NaN;
    let low = 0;
    let under = 0;
    for (const [high, count] of buckets) {
      if (count >= rank) return high === Infinity ? low : low + ((high - low) * (rank - under)) / (count - under);
      [low, under] = [high, count];
    }
    return low;
  }

  mean(name, wanted) {
    return this.grown(`${name}_sum`, wanted) / this.grown(`${name}_count`, wanted);
  }
}
