#!/usr/bin/env node
// npm run bench -- [NAME=SOCKET …] [--only REGEX] [--rounds N] [--json[=FILE]] [--data DIR] [--registry HOST:PORT]
//
// The same work against several Docker-compatible engines, side by side. Every case runs round by round, one engine after
// the other with the order turned each round. Without engines, those that up.sh started. An engine may be followed by
// `;dir=DIR` (processes whose command line names it count for memory) and `;cg=/GROUP+/GROUP` (cpuacct cgroups that hold
// the daemon and its containers: each case then gets a `[cpu]` row, which holds still when other work shares the machine).
// Needs the images of gen.mjs in the registry, and the docker CLI for the cli.* cases.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { casesFor } from "./cases.mjs";
import { Engine } from "./engine.mjs";
import { cpuMillis } from "./procs.mjs";
import { Report } from "./report.mjs";

const bed = process.env.ROOT ?? "/var/tmp/strata-bench";
// `--json` alone prints the document; parseArgs knows no option whose value may be left out.
const argv = process.argv.slice(2).map((arg) => (arg === "--json" ? "--json=-" : arg));
const { values: option, positionals } = parseArgs({
  args: argv, allowPositionals: true,
  options: {
    only: { type: "string", default: "." }, rounds: { type: "string", default: "1000" }, json: { type: "string" },
    data: { type: "string", default: `${bed}/data` }, registry: { type: "string", default: "127.0.0.1:5000" },
  },
});

/** What up.sh wrote down for each engine that it started; strata last, so that ratios are to its peers. */
function started() {
  const folder = join(bed, "engines");
  const names = existsSync(folder) ? readdirSync(folder).sort((a, b) => (a === "strata") - (b === "strata")) : [];
  return names.map((name) => readFileSync(join(folder, name), "utf8").trim());
}

const specs = positionals.length > 0 ? positionals.flatMap((spec) => spec.split(",")) : started();
if (specs.length === 0) {
  console.error("no engine: name one (NAME=SOCKET), or start some with bench/up.sh (see bench/README.md)");
  process.exit(2);
}
const engines = specs.map((spec) => new Engine(spec));
const report = new Report(engines);
const only = new RegExp(option.only);

/** What an engine still does behind its answer is its own, not the next one's load. */
async function quiet(engine) {
  for (let rest = 50, last = cpuMillis(engine); rest > 0 && last !== undefined; rest--) {
    await sleep(200);
    const now = cpuMillis(engine);
    if (now - last < 4) break;
    last = now;
  }
  spawnSync("sync");
}

async function runCase(c) {
  const unit = c.unit ?? "ms";
  const alive = new Set(engines);
  const step = async (engine, what, fn) => {
    if (!alive.has(engine) || !fn) return undefined;
    try { return await fn(engine); } catch (error) {
      alive.delete(engine);
      report.fail(c.id, unit, engine, `${what}: ${error.message}`);
      console.error(`${c.id} [${engine.name}] ${what}: ${error.message}`);
      return undefined;
    }
  };
  const once = async (what, fn) => {
    for (const engine of engines) {
      const metrics = await step(engine, what, fn);
      if (metrics) report.record(c.id, unit, engine, metrics);
    }
  };
  await once("before", c.before);
  for (let round = 0; round < Math.min(c.rounds, Math.max(1, Number(option.rounds))); round++) {
    for (const i of engines.keys()) {
      const engine = engines[(i + round) % engines.length];
      await step(engine, "prep", c.prep);
      if (c.heavy) spawnSync("sync");
      await step(engine, "run", async () => {
        const cpu = cpuMillis(engine), start = performance.now();
        const value = await c.run(engine);
        const wall = performance.now() - start;
        if (c.heavy) await quiet(engine);
        if (cpu !== undefined && unit !== "MiB") report.record(`${c.id} [cpu]`, "ms", engine, cpuMillis(engine) - cpu);
        const isMetric = typeof value === "number" || (value && Object.getPrototypeOf(value) === Object.prototype && !("text" in value));
        report.record(c.id, unit, engine, isMetric ? value : wall);
      });
      await step(engine, "post", c.post);
    }
  }
  await once("after", c.after);
  for (const engine of engines) await engine.sweep().catch(() => {});
}

for (const engine of engines) { await engine.sweep(); await engine.ensure(`${option.registry}/bench/w1:latest`); }
for (const c of casesFor(option).filter(({ id }) => only.test(id))) {
  const start = performance.now();
  await runCase(c);
  console.error(`${c.id} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  if (option.json && option.json !== "-") writeFileSync(option.json, report.json()); // after every case: a run cut short keeps what it has
}
console.log(option.json === "-" ? report.json() : report.table());
for (const engine of engines) engine.agent.destroy();
