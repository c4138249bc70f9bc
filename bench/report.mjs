// Samples of metrics by engine, and how they are shown. Figures are medians; the ratio is to the first engine.

export function quantile(samples, q) {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  return sorted[Math.floor(at)] + (sorted[Math.ceil(at)] - sorted[Math.floor(at)]) * (at % 1);
}
const show = (value) => (value === undefined ? "-" : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

export class Report {
  /** metric -> engine name -> {unit, samples, error} */
  results = {};
  constructor(engines) { this.engines = engines; }

  entry(metric, unit, engine) { return ((this.results[metric] ??= {})[engine.name] ??= { unit, samples: [] }); }

  /** A number, or one for each of several metrics of the case `id`. */
  record(id, unit, engine, value) {
    const flat = typeof value === "number" ? { [id]: value } : Object.fromEntries(Object.entries(value).map(([key, v]) => [`${id}: ${key}`, v]));
    for (const [metric, v] of Object.entries(flat)) this.entry(metric, /: (procs|lines .*|.* n)$/.test(metric) ? "count" : unit, engine).samples.push(v);
  }
  fail(id, unit, engine, message) { this.entry(id, unit, engine).error = message; }

  table() {
    const rows = [["metric", "unit", "n", ...this.engines.flatMap((engine, i) => [engine.name, "p95", ...(i ? ["ratio"] : [])])]];
    for (const [metric, by] of Object.entries(this.results)) {
      const median = (engine) => (by[engine.name]?.samples.length ? quantile(by[engine.name].samples, 0.5) : undefined);
      const base = median(this.engines[0]);
      const row = [metric, Object.values(by)[0].unit, String(Math.max(...Object.values(by).map((r) => r.samples.length)))];
      this.engines.forEach((engine, i) => {
        const r = by[engine.name], p50 = median(engine);
        row.push(p50 === undefined && r?.error ? "FAIL" : show(p50), r?.samples.length > 1 ? show(quantile(r.samples, 0.95)) : "");
        if (i) row.push(p50 !== undefined && base ? (p50 / base).toFixed(2) : "-");
      });
      rows.push(row);
    }
    const width = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
    return rows.map((row) => row.map((cell, column) => (column < 2 ? cell.padEnd(width[column]) : cell.padStart(width[column]))).join("  ").trimEnd()).join("\n");
  }

  json() {
    const summary = (r) => (r.samples.length === 0 ? r : { unit: r.unit, n: r.samples.length, p50: quantile(r.samples, 0.5), p95: quantile(r.samples, 0.95), min: Math.min(...r.samples), samples: r.samples, error: r.error });
    const results = Object.fromEntries(Object.entries(this.results).map(([metric, by]) => [metric, Object.fromEntries(Object.entries(by).map(([name, r]) => [name, summary(r)]))]));
    return JSON.stringify({ date: new Date().toISOString(), engines: this.engines.map(({ name, socket }) => ({ name, socket })), results }, null, 1);
  }
}
