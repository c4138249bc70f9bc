#!/usr/bin/env node
// node bench/ledger.mjs [SIZE…] [--rounds N] [--folder DIR] [--json FILE]
//
// How answers of stratad grow with its ledger. For each size (layers; default 1000 10000 100000) a ledger is made (ledger-gen.mjs), a
// daemon is started on it in a network namespace of its own, and every answer is timed over the socket to its last byte: at rest,
// where nothing changed since the last, `changed`, where a container was renamed before each, and `retagged`, where an image got a
// name or lost it. What is not served is left out.
// On a machine that others use, too, run it with `nice -n -10`. Then a garbage collection is run (an image removed, and a mark of everything behind it) while `inspect` is asked all the time.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { loadavg } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { generate } from "./ledger-gen.mjs";
import { quantile } from "./report.mjs";

const { values: option, positionals } = parseArgs({ allowPositionals: true, options: { rounds: { type: "string", default: "20" }, folder: { type: "string", default: `/var/tmp/strata-ledger-${process.pid}` }, json: { type: "string" } } });
const rounds = Number(option.rounds), sizes = positionals.length > 0 ? positionals.map(Number) : [1000, 10_000, 100_000];
const netns = `strata-ledger-${process.pid}`;
const now = () => performance.now();

class Client {
  constructor(socketPath, pid) { this.socketPath = socketPath; this.pid = pid; this.agent = new Agent({ keepAlive: true, maxSockets: 1 }); }
  call(method, path) {
    return new Promise((resolve, reject) => {
      request({ socketPath: this.socketPath, agent: this.agent, method, path: path.startsWith("/v1.") ? path : `/v1.51${path}` }, (res) => {
        let bytes = 0;
        res.on("data", (chunk) => { bytes += chunk.length; }).on("end", () => resolve({ status: res.statusCode, bytes })).on("error", reject);
      }).on("error", reject).end();
    });
  }
}

const ip = (...args) => spawnSync("ip", args, { stdio: "ignore" });

async function withDaemon(folder, work) {
  const socket = join(folder, "s.sock"), began = now();
  const child = spawn("nsenter", [`--net=/run/netns/${netns}`, process.execPath, fileURLToPath(new URL("../packages/daemon/bin/stratad.js", import.meta.url)),
    "--data-root", join(folder, "data"), "--exec-root", join(folder, "exec"), "-H", `unix://${socket}`, "--pidfile", join(folder, "pid"), "--storage-driver", "overlay2", "--log-level", "error"], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.on("close", resolve));
  let out = "";
  child.stdout.on("data", (chunk) => { out += chunk; });
  while (!out.includes("is ready")) {
    if (child.exitCode !== null) throw new Error("the daemon did not start");
    await sleep(20);
  }
  try { return await work(socket, now() - began, child.pid); } finally {
    const stopping = now();
    child.kill("SIGTERM");
    await ended;
    console.error(`  stopped in ${Math.round(now() - stopping)} ms`);
  }
}

/** CPU time of a process and its threads so far, in milliseconds: it holds still when others use the machine. */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function timed(client, path, before = async () => undefined) {
  const times = [];
  let bytes = 0, cpu = 0;
  for (let i = 0; i <= rounds; i++) {
    await before(i);
    if (i === 1) cpu = -cpuOf(client.pid);
    const begin = now(), answer = await client.call("GET", path);
    if (answer.status === 404 || answer.status === 501) return undefined;
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`);
    // The first fills caches; it is told apart.
    times.push(now() - begin);
    bytes = answer.bytes;
  }
  const [first, ...rest] = times;
  return { cpu: (cpu + cpuOf(client.pid)) / rounds, first, p50: quantile(rest, 0.5), max: Math.max(...rest), bytes };
}

/** Answers of `inspect`, asked all the time while `work` runs. */
async function beside(socket, container, work) {
  const client = new Client(socket), times = [];
  let over = false;
  const asking = (async () => {
    while (!over) {
      const begin = now();
      await client.call("GET", `/containers/${container}/json`);
      times.push(now() - begin);
      await sleep(2);
    }
  })();
  const begin = now();
  const result = await work();
  const ms = now() - begin;
  over = true;
  await asking;
  return { ms, result, p50: quantile(times, 0.5), max: Math.max(...times) };
}

const rss = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;

async function measure(layers) {
  const folder = join(option.folder, String(layers)), rows = {};
  mkdirSync(folder, { recursive: true });
  const began = now();
  const known = generate(join(folder, "data"), { layers, dead: Math.round(layers / 50) });
  mkdirSync(join(folder, "data", "containers", known.container.id), { recursive: true }); // of the one that is renamed
  console.error(`${layers} layers, ${known.images} images, ${known.containers} containers: made in ${Math.round(now() - began)} ms, load ${loadavg()[0].toFixed(1)}`);
  await withDaemon(folder, async () => undefined);
  await withDaemon(folder, async (socket, start, pid) => {
    rows.start = { p50: start };
    const client = new Client(socket, pid);
    const rename = (i) => client.call("POST", `/containers/${known.container.id}/rename?name=renamed-${i}`);
    const retag = (i) => (i % 2 === 0 ? client.call("POST", `/images/${known.image.id}/tag?repo=retagged&tag=one`) : client.call("DELETE", "/images/retagged:one"));
    const asked = {
      images: "/images/json", "images, shared sizes": "/images/json?shared-size=1", "ps -a": "/containers/json?all=1", "ps -a -s": "/containers/json?all=1&size=1", "system df": "/system/df", "system df 1.41": "/v1.41/system/df", "system df image": "/system/df?type=image", "system df container": "/system/df?type=container", "system df volume": "/system/df?type=volume", "system df build-cache": "/system/df?type=build-cache", info: "/info",
      inspect: `/containers/${known.container.id}/json`, "image inspect": `/images/${known.image.id}/json`, history: `/images/${known.image.id}/history`,
      "graph/usage": "/graph/usage", "graph/why layer": `/graph/why/${known.layer}`, "graph/why image": `/graph/why/${known.image.id}`, layers: "/layers", volumes: "/volumes",
    };
    for (const [what, path] of Object.entries(asked)) {
      const slow = what === "layers" && layers > 10_000;
      if (slow) continue;
      rows[what] = await timed(client, path);
      if (rows[what] === undefined || !/^images|^ps|^system|^graph\/usage|^info/.test(what)) continue;
      rows[`${what}, changed`] = await timed(client, path, rename);
      if (!/^ps|^info/.test(what)) rows[`${what}, retagged`] = await timed(client, path, retag);
    }
    const blocked = {};
    for (const what of ["images", "ps -a", "ps -a -s", "system df", "graph/usage"]) {
      blocked[what] = await beside(socket, known.container.id, async () => { for (let i = 0; i < 5; i++) { await rename(100 + i); await retag(i); await client.call("GET", asked[what]); } });
      rows[`inspect beside ${what}`] = { p50: blocked[what].p50, max: blocked[what].max };
    }
    const removal = await beside(socket, known.container.id, () => client.call("DELETE", `/images/${known.image.id}?force=1`));
    rows["rmi"] = { p50: removal.ms };
    // What it left to be looked for is found behind it.
    const mark = await beside(socket, known.container.id, () => sleep(3000));
    rows["inspect beside a mark"] = { p50: mark.p50, max: mark.max };
    rows["MiB of memory"] = { p50: rss(pid) };
  });
  rmSync(folder, { recursive: true, force: true });
  return rows;
}

if (!existsSync(`/run/netns/${netns}`)) { ip("netns", "add", netns); ip("-n", netns, "link", "set", "lo", "up"); }
const all = {};
try {
  for (const size of sizes) all[size] = await measure(size);
} finally {
  ip("netns", "del", netns);
  rmSync(option.folder, { recursive: true, force: true });
}
const ms = (v) => (v === undefined ? "" : v < 10 ? v.toFixed(1) : String(Math.round(v)));
const cell = (r) => (r === undefined ? "-" : `${ms(r.p50)}${r.max === undefined ? "" : ` / ${ms(r.max)}`}${r.first === undefined ? "" : ` (${ms(r.first)}) ${ms(r.cpu)}`}`);
const names = [...new Set(Object.values(all).flatMap(Object.keys))];
console.log(`| p50 / max (first) CPU, ms | ${sizes.join(" | ")} |\n|---|${sizes.map(() => "---|").join("")}`);
for (const name of names) if (sizes.some((s) => all[s][name] !== undefined)) console.log(`| ${name} | ${sizes.map((s) => cell(all[s][name])).join(" | ")} |`);
if (option.json) writeFileSync(option.json, JSON.stringify(all, undefined, 2));
