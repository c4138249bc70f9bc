#!/usr/bin/env node
// Registry throughput, several registries side by side.
//   registry.mjs [NAME=]URL[;pid=PID][,...] [--dir=DIR] [--rounds=N] [--seconds=N] [--json=FILE]
// Needs curl and wrk. Uploads a 1 GiB random blob (POST, PATCH, PUT as docker push does),
// downloads it, then asks for manifests and 1 MiB blobs over 64 connections.
import { createHash } from "node:crypto";
import { execFile } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { noise } from "./content.mjs";

const sh = promisify(execFile);
const args = process.argv.slice(2);
const option = (name, fallback) => args.find((a) => a.startsWith(`--${name}=`))?.slice(name.length + 3) ?? fallback;
const spec = args.find((a) => !a.startsWith("--"));
if (!spec) { console.error("usage: registry.mjs [NAME=]URL[;pid=PID][,...] [--dir=DIR] [--rounds=N] [--seconds=N] [--json=FILE]"); process.exit(2); }
const dir = option("dir", "/var/tmp/strata-bench/data"), rounds = Number(option("rounds", 5)), seconds = Number(option("seconds", 5));
const registries = spec.split(",").map((s) => {
  const [head, ...opts] = s.split(";");
  const [, name, url] = /^(?:([^=:]+)=)?(http.+?)\/?$/.exec(head);
  return { name: name ?? url, url, pid: opts.find((o) => o.startsWith("pid="))?.slice(4) };
});

function blob(name, mib, seed) {
  const path = `${dir}/${name}`;
  mkdirSync(dir, { recursive: true });
  const random = noise(seed), hash = createHash("sha256"), known = existsSync(path);
  const fd = known ? undefined : openSync(path, "w");
  for (let i = 0; i < mib; i++) { const b = random(1 << 20); hash.update(b); if (!known) writeSync(fd, b); }
  if (!known) closeSync(fd);
  return { path, bytes: mib << 20, digest: "sha256:" + hash.digest("hex") };
}
async function curl(...a) { return (await sh("curl", ["-sSf", "-H", "Expect:", ...a], { maxBuffer: 1 << 20 })).stdout; }
const location = (headers, base) => new URL(/^location:\s*(\S+)/im.exec(headers)[1], base).href;

async function upload(r, b) {
  const at = location(await curl("-D", "-", "-o", "/dev/null", "-X", "POST", `${r.url}/v2/bench/push/blobs/uploads/`), r.url);
  const next = location(await curl("-D", "-", "-o", "/dev/null", "-X", "PATCH", "-H", "Content-Type: application/octet-stream", "-T", b.path, at), r.url);
  await curl("-o", "/dev/null", "-X", "PUT", "-H", "Content-Length: 0", next + (next.includes("?") ? "&" : "?") + `digest=${b.digest}`);
}
async function wrk(url, accept) {
  const { stdout } = await sh("wrk", ["-t2", "-c64", `-d${seconds}s`, "--latency", ...(accept ? ["-H", `Accept: ${accept}`] : []), url]);
  const bad = /Non-2xx.*: (\d+)/.exec(stdout);
  if (bad) throw new Error(`${url}: ${bad[0]}`);
  const p99 = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout);
  return { rps: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)[1]), p99: Number(p99[1]) * { us: 0.001, ms: 1, s: 1000 }[p99[2]] };
}
const rss = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))[1]) / 1024;
const cpuTicks = (pid) => { const f = readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /s, "").split(" "); return (Number(f[11]) + Number(f[12])) * 10; };

const results = {};
const record = (metric, r, v) => ((results[metric] ??= {})[r.name] ??= []).push(v);
const big = blob("blob-1g", 1024, 11), small = blob("blob-1m", 1, 12);
const config = Buffer.from("{}"), configDigest = "sha256:" + createHash("sha256").update(config).digest("hex");
writeFileSync(`${dir}/blob-cfg`, config);
const type = "application/vnd.docker.distribution.manifest.v2+json";
const manifest = JSON.stringify({ schemaVersion: 2, mediaType: type,
  config: { mediaType: "application/vnd.docker.container.image.v1+json", size: config.length, digest: configDigest },
  layers: [{ mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", size: small.bytes, digest: small.digest }] });
writeFileSync(`${dir}/blob-manifest`, manifest);
const manifestDigest = "sha256:" + createHash("sha256").update(manifest).digest("hex");

for (const r of registries) {
  if (r.pid) record("idle RSS, MiB", r, rss(r.pid));
  await upload(r, small);
  await upload(r, { path: `${dir}/blob-cfg`, digest: configDigest });
  await curl("-X", "PUT", "-H", `Content-Type: ${type}`, "--data-binary", `@${dir}/blob-manifest`, `${r.url}/v2/bench/push/manifests/latest`);
}
for (let i = 0; i < rounds; i++) {
  for (const k of registries.keys()) {
    const r = registries[(k + i) % registries.length];
    const measure = async (metric, fn) => {
      const cpu = r.pid && cpuTicks(r.pid), t = performance.now();
      await fn();
      record(`${metric}, MB/s`, r, big.bytes / 1e3 / (performance.now() - t));
      if (r.pid) record(`${metric}, registry CPU ms`, r, cpuTicks(r.pid) - cpu);
    };
    await sh("sync");
    await measure("upload 1 GiB", () => upload(r, big));
    await sh("sync");
    await measure("download 1 GiB", () => curl("-o", "/dev/null", `${r.url}/v2/bench/push/blobs/${big.digest}`));
    for (const [metric, path, accept] of [
      ["GET manifest by tag", "manifests/latest", type],
      ["GET manifest by digest", `manifests/${manifestDigest}`, type],
      ["GET 1 MiB blob", `blobs/${small.digest}`],
    ]) {
      const { rps, p99 } = await wrk(`${r.url}/v2/bench/push/${path}`, accept);
      record(`${metric}, req/s`, r, rps);
      record(`${metric}, p99 ms`, r, p99);
    }
  }
}
for (const r of registries) if (r.pid) record("RSS after, MiB", r, rss(r.pid));

const median = (v) => { const s = [...v].sort((a, b) => a - b); return s.length % 2 ? s[s.length >> 1] : (s[s.length / 2 - 1] + s[s.length / 2]) / 2; };
for (const [metric, by] of Object.entries(results)) {
  const base = median(by[registries[0].name] ?? [NaN]);
  console.log(metric.padEnd(40) + registries.map((r, i) => { const m = median(by[r.name] ?? [NaN]); return m.toFixed(1).padStart(12) + (i ? ` (${(m / base).toFixed(2)})` : ""); }).join(""));
}
if (option("json")) writeFileSync(option("json"), JSON.stringify(results, null, 1));
