import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Container, Endpoint, Found, Inspector, Mounter, NamespaceManager, Network, Runtime } from "../../core/index.js";
import { ExecRootInspector, type ExecRootParts } from "./exec-root.js";
import { NetworkInspector } from "./network.js";

const id = (n: number): string => `${n}`.repeat(64);
async function all(inspector: Inspector): Promise<Found[]> {
  const found: Found[] = [];
  for await (const step of inspector.inspect({ deep: false, signal: new AbortController().signal, read: async () => undefined, note: () => undefined })) found.push(step as Found);
  return found;
}

describe("the exec root", () => {
  let execRoot: string, namespaces: Set<string>, monitors: { container: string; pid: number }[], containers: string[];
  beforeEach(() => { execRoot = mkdtempSync(join(tmpdir(), "strata-exec-")); namespaces = new Set(); monitors = []; containers = []; });
  afterEach(() => rmSync(execRoot, { recursive: true, force: true }));

  const inspector = (more: Partial<ExecRootParts> = {}): ExecRootInspector => new ExecRootInspector({
    execRoot, containers: { list: () => containers.map((name) => ({ id: name }) as Container) },
    runtimes: new Map([["runc", { delete: async (name: string) => { rmSync(join(execRoot, "runtimes/runc/state", name), { recursive: true, force: true }); monitors = monitors.filter(({ container }) => container !== name); } } as Runtime]]),
    namespaces: { list: async () => [...namespaces], remove: async (name: string) => { namespaces.delete(name); } } as unknown as NamespaceManager,
    mounter: { under: () => [] } as unknown as Mounter, monitors: async () => monitors, ...more,
  });
  const make = (...path: string[]): void => { mkdirSync(join(execRoot, ...path), { recursive: true }); };

  test("what is left of one container is one finding, and goes together", async () => {
    containers = [id(1)];
    for (const n of [1, 2]) {
      make("containers", id(n));
      make("runtimes/runc/state", id(n));
      namespaces.add(id(n));
      monitors.push({ container: id(n), pid: 70 + n });
    }
    namespaces.add(id(3));
    make("runtimes/runc/state/.cache");
    const found = await all(inspector());
    expect(found.map(({ kind, id: of, problem, detail }) => [kind, of, problem, detail])).toEqual([
      ["namespace", id(2), "orphan", "left of a container that is no more: a network namespace, a bundle, the state that runc keeps, a monitor (72)"],
      ["namespace", id(3), "orphan", "left of a container that is no more: a network namespace"],
    ]);
    for (const { mend } of found) expect(await mend!()).toBe(true);
    expect([readdirSync(join(execRoot, "containers")), readdirSync(join(execRoot, "runtimes/runc/state")), [...namespaces], monitors.length]).toEqual([[id(1)], [".cache", id(1)].sort(), [id(1)], 1]);
  });

  test("what goes with its container between two looks is no orphan, nor is a monitor that is about to end", async () => {
    make("containers", id(4));
    monitors.push({ container: id(5), pid: 75 });
    let looks = 0;
    const found = await all(inspector({ containers: { list: () => { if (++looks === 1) rmSync(join(execRoot, "containers"), { recursive: true }); if (looks === 3) monitors = []; return []; } } }));
    expect(found).toEqual([]);
    expect(looks).toBeGreaterThan(2);
    expect(existsSync(execRoot)).toBe(true);
  });
});

test("interfaces on our bridges and published ports that are no container's, and of interfaces only those that are called like ours", async () => {
  const plugged = new Set(["veth0000001", "veth0000002", "eth7"]);
  const rule = (protocol: string, hostPort: number) => ({ family: "ip", protocol, hostPort, key: `${protocol} . ${hostPort}` });
  let rules = [rule("tcp", 80), rule("udp", 80), rule("tcp", 81)];
  const found = await all(new NetworkInspector({
    networks: { list: () => [{ driver: "bridge" } as Network], endpoints: () => [{ hostInterface: "veth0000001" } as Endpoint], ports: () => [{ protocol: "tcp", containerPort: 1, hostIp: "0.0.0.0", hostPort: 80, container: "c" }] },
    plugged: async () => [...plugged], unplug: async (name) => { plugged.delete(name); }, rules: async () => rules, drop: async ({ key }) => { rules = rules.filter((r) => r.key !== key); },
    noted: async () => [], left: async () => () => [],
  }));
  expect(found.map(({ kind, id: name }) => `${kind} ${name}`)).toEqual(["interface veth0000002", "rule ip udp . 80", "rule ip tcp . 81"]);
  for (const { mend } of found) expect(await mend!()).toBe(true);
  expect([[...plugged], rules.length]).toEqual([["veth0000001", "eth7"], 1]);
});

test("interfaces that bear this daemon's note, and rules by its names, that no network needs", async () => {
  let noted = [{ name: "br-one", owner: "one" }, { name: "br-gone", owner: "gone" }, { name: "veth0000001", owner: "port" }, { name: "vethlost", owner: "port" }];
  let chains = ["one", "gone"];
  const found = await all(new NetworkInspector({
    networks: { list: () => [{ driver: "bridge", id: "one" } as Network, { driver: "bridge", id: "lends", configOnly: true } as Network], endpoints: () => [{ hostInterface: "veth0000001" } as Endpoint], ports: () => [] },
    plugged: async () => [], unplug: async (name) => { noted = noted.filter((link) => link.name !== name); }, rules: async () => [], drop: async () => undefined, noted: async () => noted,
    left: async () => { const there = chains; return (networks) => there.filter((name) => !networks.some(({ id: known }) => known === name)).map((name) => ({ id: `chain ${name}`, detail: "no network has this chain", remove: async () => { chains = chains.filter((other) => other !== name); } })); },
  }));
  expect(found.map(({ kind, id: name, detail }) => `${kind} ${name}: ${detail}`)).toEqual([
    "interface br-gone: it was made for the network gone, which is no more", "interface vethlost: no container has its other end", "rule chain gone: no network has this chain",
  ]);
  for (const { mend } of found) expect(await mend!()).toBe(true);
  expect([noted.map(({ name }) => name), chains]).toEqual([["br-one", "veth0000001"], ["one"]]);
});
