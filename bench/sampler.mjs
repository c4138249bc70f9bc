// sampler.mjs SOCKET CONTAINER - asks `ps`, `inspect`, `info` and `_ping` over and over, each on a connection of its own,
// until stdin ends; then prints how long each answer took, in milliseconds. A process of its own, so that what the bench
// does besides does not count.
import { Agent, request } from "node:http";
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

const [socketPath, container] = process.argv.slice(2);
const PAUSE_MS = 20;
const paths = { ps: "/v1.41/containers/json", inspect: `/v1.41/containers/${container}/json`, info: "/v1.41/info", ping: "/_ping" };
// What is measured is the daemon's answer, not this process's wait for a processor: a nice value would count within its session only.
spawnSync("chrt", ["--all-tasks", "--rr", "--pid", "1", String(process.pid)]);
let over = false;
process.stdin.resume().on("end", () => { over = true; });

function ask(path, agent) {
  return new Promise((resolve, reject) => {
    request({ socketPath, path, agent }, (res) => {
      if (res.statusCode !== 200) reject(new Error(`${path}: ${res.statusCode}`));
      res.on("error", reject).on("end", resolve).resume();
    }).on("error", reject).end();
  });
}

async function sample(path) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const samples = [];
  for (await ask(path, agent); !over; await sleep(PAUSE_MS)) {
    const start = performance.now();
    await ask(path, agent);
    samples.push(performance.now() - start);
  }
  agent.destroy();
  return samples;
}

const entries = await Promise.all(Object.entries(paths).map(async ([what, path]) => [what, await sample(path)]));
console.log(JSON.stringify(Object.fromEntries(entries)));
