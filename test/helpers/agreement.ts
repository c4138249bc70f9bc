import { existsSync, readFileSync, readlinkSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Json } from "./api.js";
import { type Daemon } from "./daemon.js";
import { cgroupsOf, filesBelow, firewallOf, interfacesOf, ledgerRows, mountsOf, processesOf } from "./footprint.js";
import { disagreements } from "./graph.js";
import { until } from "./run.js";

/** All IDs in a text. */
const idsIn = (text: string): string[] => text.match(/[0-9a-f]{64}/g) ?? [];
const cgroupOf = (pid: number): string => { try { return readFileSync(`/proc/${pid}/cgroup`, "utf8"); } catch { return ""; } };

/** Where what is said over the API, the ledger and the kernel differ. Nothing is under way when it is asked. */
export async function contradictions(daemon: Daemon): Promise<string[]> {
  const listed = (await daemon.api("GET", "/containers/json", { query: { all: 1 } })).json as { Id: string }[];
  const all = await Promise.all(listed.map(async ({ Id }) => (await daemon.api("GET", `/containers/${Id}/json`)).json as Json));
  const seen = await kernelSide(daemon);
  const running = all.filter(({ State }) => State.Running && !State.Restarting), resting = all.filter((c) => !running.includes(c));
  const known = new Set(listed.map(({ Id }) => Id));
  return [
    ...(await Promise.all(running.map((c) => aboutRunning(daemon, c, seen)))).flat(),
    ...resting.flatMap((c) => aboutResting(c, seen)),
    ...seen.words.flatMap((words) => idsIn(words).filter((id) => seen.couldBe(id) && !known.has(id)).map((id) => `of no container: ${words} (${id.slice(0, 12)})`)),
    ...await aboutNetworks(daemon, running, seen), ...await disagreements(daemon),
  ];
}

/** Resolves when there are no contradictions: recovery clears away what was left behind the daemon's first answers. */
export async function agreed(daemon: Daemon, context: object = {}): Promise<void> {
  let last: string[] = [];
  await until(async () => {
    last = await contradictions(daemon);
    return last.length === 0 || undefined;
  }, 20_000, () => `agreement ${JSON.stringify(context)}; there is\n${last.join("\n")}`);
}

interface KernelSide {
  readonly mounts: readonly string[];
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
  readonly execRoot: readonly string[];
  readonly ledger: readonly string[];
  readonly firewall: readonly string[];
  readonly interfaces: readonly string[];
  /** Everything in which a container can be named. */
  readonly words: readonly string[];
  /** Names that are 64 hexadecimal digits and no container's are snapshots', networks' or volumes'. */
  couldBe(id: string): boolean;
}
async function kernelSide(daemon: Daemon): Promise<KernelSide> {
  const mounts = [...new Set([...mountsOf("self", daemon.folder), ...mountsOf(String(daemon.pid), daemon.folder)])], processes = processesOf(daemon);
  const execRoot = filesBelow(daemon.execRoot), ledger = ledgerRows(daemon);
  const [firewall, interfaces] = await Promise.all([firewallOf(daemon), interfacesOf(daemon)]);
  const networks = new Set(((await daemon.api("GET", "/networks")).json as { Id: string }[]).map(({ Id }) => Id));
  const volumes = new Set(((await daemon.api("GET", "/volumes")).json.Volumes as { Name: string }[]).map(({ Name }) => Name));
  // Execs, as long as their process is there.
  const execs = new Set(processes.flatMap(({ command }) => [...command.matchAll(/\/exec\/([0-9a-f]{64})\//g)].map((m) => m[1]!)));
  const layers = new Set(((await daemon.api("GET", "/layers")).json as { Copies: { Snapshot: string }[] }[]).flatMap(({ Copies }) => Copies.map((c) => c.Snapshot)));
  const words = [...mounts.map((m) => `mount ${m}`), ...processes.map(({ pid, command }) => `process ${pid} ${command}`), ...execRoot.map((f) => `exec root ${f}`), ...ledger.map((row) => `ledger ${row}`)];
  return { mounts, processes, execRoot, ledger, firewall, interfaces, words, couldBe: (id) => !networks.has(id) && !execs.has(id) && !volumes.has(id) && !layers.has(id) };
}

/** A running container has its process, monitor, mount, namespace, addresses and ports, each once. */
async function aboutRunning(daemon: Daemon, c: Json, seen: KernelSide): Promise<string[]> {
  const { Id, State, NetworkSettings, HostConfig } = c, name = `${c.Name} (${State.Status})`, said: string[] = [];
  if (!cgroupOf(State.Pid).includes(Id)) said.push(`${name}: ${State.Pid} is not its process`);
  const monitors = seen.processes.filter(({ command }) => command.includes("conmon") && command.includes(`-c ${Id}`) && !command.includes("--exec-process-spec"));
  if (monitors.length !== 1) said.push(`${name}: ${monitors.length} monitors`);
  const holders = seen.processes.filter(({ command }) => command.startsWith("cat ") && command.includes(`/holders/${Id}`));
  if (holders.length !== 1) said.push(`${name}: ${holders.length} holders`);
  if (!seen.mounts.some((m) => m.startsWith(daemon.dataRoot) && m.includes(Id))) said.push(`${name}: its root is not mounted`);
  if (State.Paused !== frozen(State.Pid)) said.push(`${name}: frozen is ${frozen(State.Pid)}`);
  const limit = memoryLimit(State.Pid);
  if (HostConfig.Memory > 0 && limit !== HostConfig.Memory) said.push(`${name}: a memory limit of ${limit}, not ${HostConfig.Memory}`);
  const netns = join(daemon.execRoot, "netns", Id);
  if (!existsSync(netns)) return [...said, `${name}: no network namespace`];
  try {
    if (readlinkSync(`/proc/${State.Pid}/ns/net`) !== `net:[${statSync(netns).ino}]`) said.push(`${name}: another network namespace`);
  } catch { said.push(`${name}: no process to look at`); }
  const inside = await daemon.netns.run("nsenter", [`--net=${netns}`, "ip", "-o", "-4", "addr"]);
  const kernel = [...inside.stdout.matchAll(/inet ([\d.]+)/g)].map((m) => m[1]!).filter((a) => !a.startsWith("127.")).sort().join();
  const told = Object.values(NetworkSettings.Networks as Record<string, { IPAddress: string }>).map((n) => n.IPAddress).filter(Boolean).sort().join();
  if (kernel !== told) said.push(`${name}: has the addresses ${kernel}; inspect says ${told}`);
  return said;
}

/** One that does not run has its row, its layer and its directory. */
function aboutResting(c: Json, seen: KernelSide): string[] {
  const { Id, State } = c, name = `${c.Name} (${State.Status})`;
  const left = seen.words.filter((words) => words.includes(Id) && !/^ledger (container|writable|snapshot|volume_use) /.test(words)).map((words) => `${name}: ${words}`);
  return [...left, ...cgroupsOf([Id]).map((path) => `${name}: cgroup ${path}`), ...(State.Pid === 0 ? [] : [`${name}: process ${State.Pid}`]), ...(["removing", "dead"].includes(State.Status) ? [`${name}: still there`] : [])];
}

/** As many interfaces as there are endpoints and bridges, and a rule for each published port. */
async function aboutNetworks(daemon: Daemon, running: readonly Json[], seen: KernelSide): Promise<string[]> {
  const said: string[] = [];
  const networks = (await daemon.api("GET", "/networks")).json as { Id: string; Name: string; Driver: string; Options: Record<string, string> }[];
  const endpoints = running.flatMap((c) => Object.values(c.NetworkSettings.Networks as Record<string, { NetworkID: string }>).map((n) => `${n.NetworkID} ${c.Id}`)).sort();
  const rows = seen.ledger.filter((row) => row.startsWith("endpoint ")).map((row) => row.slice("endpoint ".length)).sort();
  if (rows.join() !== endpoints.join()) said.push(`endpoints in the ledger: ${rows.join()}; of running containers: ${endpoints.join()}`);
  const veths = seen.interfaces.filter((i) => i.startsWith("veth")).length;
  if (veths !== endpoints.length) said.push(`${veths} interfaces for ${endpoints.length} endpoints`);
  const bridges = networks.filter((n) => n.Driver === "bridge").map((n) => n.Options["com.docker.network.bridge.name"] ?? `br-${n.Id.slice(0, 12)}`).sort().join();
  const made = seen.interfaces.filter((i) => /^(br-|strata)/.test(i)).join();
  if (made !== bridges) said.push(`bridges ${made}, networks ${bridges}`);
  const published = running.flatMap((c) => Object.values(c.NetworkSettings.Ports as Record<string, { HostPort: string }[] | null>).flatMap((b) => (b ?? []).map((p) => Number(p.HostPort)))).filter((p, i, ps) => ps.indexOf(p) === i).sort().join();
  const ports = [...new Set(seen.ledger.filter((row) => row.startsWith("port ")).map((row) => Number(row.split(" ")[2])))].sort().join();
  if (ports !== published) said.push(`ports in the ledger ${ports}, of running containers ${published}`);
  const elements = [...seen.firewall.join(" ").matchAll(/(?:tcp \. (?:[\d.]+ \. )?|--dport )(\d+) (?:: [\d.]+ \. \d+|-j DNAT)/g)].map((m) => Number(m[1])).filter((p, i, ps) => ps.indexOf(p) === i).sort().join();
  if (elements !== published) said.push(`ports in the firewall ${elements}, of running containers ${published}`);
  return said;
}

function cgroupFile(pid: number, controller: string, files: readonly string[]): string {
  for (const line of cgroupOf(pid).split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers !== "" && !controllers.split(",").includes(controller)) continue;
    for (const folder of [`/sys/fs/cgroup/${controllers}`, "/sys/fs/cgroup"]) for (const file of files) try { return readFileSync(join(folder, path, file), "utf8").trim(); } catch { /* the next one */ }
  }
  return "";
}
const frozen = (pid: number): boolean => /^(FROZEN|1)$/.test(cgroupFile(pid, "freezer", ["freezer.state", "cgroup.freeze"]));
const memoryLimit = (pid: number): number => Number(cgroupFile(pid, "memory", ["memory.limit_in_bytes", "memory.max"]));

/** Numbers of the processes in a container. */
export function processesIn(id: string): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && cgroupOf(Number(name)).includes(id)).map(Number);
}
