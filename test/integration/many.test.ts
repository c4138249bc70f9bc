import { readFileSync, readdirSync, statSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { type Daemon, daemonNeeds, footprint, leavesNothing, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds);

let daemon: Daemon;
setUp(async (bed) => { daemon = await bed.daemonWithBusybox(); });

async function ask(method: string, path: string, json?: unknown, query: Record<string, string | number> = {}): Promise<{ Id: string; StatusCode: number }> {
  const { status, text, json: answer } = await daemon.api(method, path, { query, ...(json === undefined ? {} : { json }) });
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
  return answer as { Id: string; StatusCode: number };
}

/** One `run --rm`, with its standard output. */
async function runOnce(...command: string[]): Promise<number> {
  const { Id } = await ask("POST", "/containers/create", { Image: "busybox", Cmd: command, HostConfig: { AutoRemove: true } });
  const removed = ask("POST", `/containers/${Id}/wait`, undefined, { condition: "removed" });
  await ask("POST", `/containers/${Id}/start`);
  return (await removed).StatusCode;
}

it("200 containers that one client creates and starts at once all exit 0 and leave nothing", async () => {
  await runOnce("true"); // makes the directories that stay
  const before = await footprint(daemon, []);
  const all = Array.from({ length: 200 }, (_, i) => i);
  const ids = await Promise.all(all.map(async (i) => (await ask("POST", "/containers/create", { Image: "busybox", Cmd: ["sh", "-c", `echo ${i}`], ...(i % 4 === 0 ? { ExposedPorts: { "80/tcp": {} }, HostConfig: { PortBindings: { "80/tcp": [{ HostPort: String(20_000 + i) }] } } } : {}) }, { name: `many-${i}` })).Id));
  expect(new Set(ids).size).toBe(200);
  const codes = await Promise.all(ids.map(async (id) => {
    const exited = ask("POST", `/containers/${id}/wait`, undefined, { condition: "next-exit" });
    await ask("POST", `/containers/${id}/start`);
    return (await exited).StatusCode;
  }));
  expect(codes.filter((code) => code !== 0)).toEqual([]);
  const logs = await Promise.all(ids.map(async (id) => (await daemon.api("GET", `/containers/${id}/logs`, { query: { stdout: 1 } })).text.slice(8).trim()));
  expect(logs).toEqual(all.map(String));
  // What has ended keeps its row and its layer, and nothing of the kernel's.
  const { ledger } = await footprint(daemon, ids);
  expect(ledger.filter((row) => /^(endpoint|port|lease) /.test(row))).toEqual([]);
  await leavesNothing(daemon, { ...before, ledger }, ids);
  await Promise.all(ids.map((id) => ask("DELETE", `/containers/${id}`)));
  await leavesNothing(daemon, before, ids);
}, 180_000);

/** What grows when something leaks. Anonymous memory: pages of files come and go as the kernel likes. */
function held(): { readonly megabytes: number; readonly descriptors: number; readonly ledger: number } {
  const status = readFileSync(`/proc/${daemon.pid}/status`, "utf8");
  return {
    megabytes: Number(/^RssAnon:\s+(\d+)/m.exec(status)![1]) / 1024, descriptors: readdirSync(`/proc/${daemon.pid}/fd`).length,
    ledger: ["strata.db", "strata.db-wal"].reduce((sum, name) => sum + statSync(join(daemon.dataRoot, name)).size, 0),
  };
}
/** Garbage is collected when the collector sees fit: the least of what is held in some seconds, or the first that is little enough. */
async function expectNoMoreThan(before: ReturnType<typeof held>): Promise<void> {
  const excess = (): string[] => {
    const now = held();
    return [
      ...(now.megabytes > before.megabytes + 20 ? [`memory: ${now.megabytes} MB after ${before.megabytes}`] : []),
      ...(now.descriptors > before.descriptors + 10 ? [`descriptors: ${now.descriptors} after ${before.descriptors}`] : []),
      ...(now.ledger > before.ledger + (256 << 10) ? [`ledger: ${now.ledger} bytes after ${before.ledger}`] : []),
    ];
  };
  await until(() => excess().length === 0 || undefined, 15_000, () => `no more to be held than before; ${excess().join("; ")}`);
}
async function times(count: number, work: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < count; i++) await work();
}

it("1,000 runs one after another leave the daemon as large as the first 100 did", async () => {
  await times(100, () => runOnce("true"));
  const before = held();
  await times(900, () => runOnce("true"));
  await expectNoMoreThan(before);
  const past = (await daemon.api("GET", "/events", { query: { since: 1, until: Math.ceil(Date.now() / 1000) } })).text.trim().split("\n");
  expect(past.length).toBeGreaterThan(4_000);
  expect(past.length).toBeLessThanOrEqual(8_192);
}, 300_000);

/** Follows until the answer begins, then goes without a word. */
function vanish(method: string, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const upgrade = method === "POST" ? { connection: "Upgrade", upgrade: "tcp" } : {};
    const asked = request({ socketPath: daemon.socket, method, path, agent: false, headers: upgrade });
    asked.on("response", ({ statusCode }) => { asked.destroy(); if (statusCode === 200) resolve(); else reject(new Error(`${path}: ${statusCode}`)); });
    asked.on("upgrade", (_response, socket) => { socket.destroy(); resolve(); });
    asked.on("error", reject);
    asked.end();
  });
}

it("execs, followed logs and attached clients that vanish leave the daemon as large as it was", async () => {
  const { Id } = await ask("POST", "/containers/create", { Image: "busybox", Cmd: ["sh", "-c", "echo begun; exec sleep 1000"], OpenStdin: true });
  await ask("POST", `/containers/${Id}/start`);
  const exec = async (): Promise<void> => {
    const created = await ask("POST", `/containers/${Id}/exec`, { Cmd: ["echo", "said"], AttachStdout: true });
    const { text } = await daemon.api("POST", `/exec/${created.Id}/start`, { json: { Detach: false } });
    expect(text.slice(8)).toBe("said\n");
  };
  const follow = (): Promise<void> => vanish("GET", `/containers/${Id}/logs?follow=1&stdout=1`);
  const attach = (): Promise<void> => vanish("POST", `/containers/${Id}/attach?stream=1&stdin=1&stdout=1&logs=1`);
  await times(20, async () => { await exec(); await follow(); await attach(); });
  const before = held();
  await times(300, exec);
  await times(300, follow);
  await times(300, attach);
  await expectNoMoreThan(before);
  await ask("DELETE", `/containers/${Id}`, undefined, { force: 1 });
}, 180_000);
