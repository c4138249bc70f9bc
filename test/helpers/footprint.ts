import { type Dirent, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { type Daemon } from "./daemon.js";
import { which } from "./needs.js";
import { until } from "./run.js";

/** What the kernel and the disk hold on behalf of one daemon's containers, in sorted words. */
export interface Footprint {
  readonly mounts: readonly string[];
  readonly daemonMounts: readonly string[];
  readonly interfaces: readonly string[];
  readonly cgroups: readonly string[];
  readonly processes: readonly string[];
  readonly execRoot: readonly string[];
  readonly firewall: readonly string[];
  readonly ledger: readonly string[];
}

/** `ids`: the containers whose cgroups are looked for; those of other daemons are on the machine as well. */
export async function footprint(daemon: Daemon, ids: Iterable<string>): Promise<Footprint> {
  return {
    mounts: mountsOf("self", daemon.folder), daemonMounts: mountsOf(String(daemon.pid), daemon.folder),
    interfaces: await interfacesOf(daemon), cgroups: cgroupsOf(ids), processes: processesOf(daemon).map(({ pid, command }) => `${pid} ${command}`),
    execRoot: filesBelow(daemon.execRoot), firewall: await firewallOf(daemon), ledger: ledgerRows(daemon),
  };
}

/** Resolves when everything is as it was; else fails with the difference. */
export async function leavesNothing(daemon: Daemon, before: Footprint, ids: Iterable<string>): Promise<void> {
  const all = [...ids];
  let difference: string[] = [];
  await until(async () => {
    difference = differences(before, await footprint(daemon, all));
    return difference.length === 0 || undefined;
  }, 20_000, () => `nothing to be left; there is\n${difference.join("\n")}`);
}

function differences(before: Footprint, after: Footprint): string[] {
  return (Object.keys(before) as (keyof Footprint)[]).flatMap((part) => {
    const was = new Set(before[part]), is = new Set(after[part]);
    return [...[...is].filter((item) => !was.has(item)).map((item) => `${part}: + ${item}`), ...[...was].filter((item) => !is.has(item)).map((item) => `${part}: - ${item}`)];
  });
}

/** Mount points below a folder, in a process's mount namespace. */
export function mountsOf(pid: string, folder: string): string[] {
  return readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n").map((line) => line.split(" ")[4] ?? "").filter((target) => target.startsWith(`${folder}/`)).sort();
}

/** Interfaces of the daemon's network namespace. */
export async function interfacesOf(daemon: Daemon): Promise<string[]> {
  return [...(await daemon.netns.ok("ip", ["-o", "link"])).matchAll(/^\d+: ([^:@]+)/gm)].map((m) => m[1]!).sort();
}

/** Cgroups, in every hierarchy, that are named after one of these containers. */
export function cgroupsOf(ids: Iterable<string>): string[] {
  const wanted = new Set(ids), found: string[] = [];
  const visit = (folder: string, depth: number): void => {
    let names: string[];
    try { names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name); } catch { return; }
    for (const name of names) {
      if (wanted.has(name)) found.push(join(folder, name));
      else if (depth > 0) visit(join(folder, name), depth - 1);
    }
  };
  visit("/sys/fs/cgroup", 4);
  return found.sort();
}

/** Monitors, holders and the like: processes whose command line names the daemon's folder, itself aside. */
export function processesOf(daemon: Daemon): { readonly pid: number; readonly command: string }[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== daemon.pid).flatMap((name) => {
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      return command.includes(`${daemon.folder}/`) && !command.startsWith("docker ") ? [{ pid: Number(name), command }] : [];
    } catch { return []; }
  });
}

/** Every file, directory, FIFO and socket below a folder, by its path in it; some may go meanwhile. */
export function filesBelow(folder: string): string[] {
  const visit = (below: string): string[] => {
    let entries: Dirent[];
    try { entries = readdirSync(join(folder, below), { withFileTypes: true }); } catch { return []; }
    return entries.flatMap((entry) => [join(below, entry.name), ...(entry.isDirectory() ? visit(join(below, entry.name)) : [])]);
  };
  return visit("").sort();
}

/** Rules and elements of whichever firewall the machine has. */
export async function firewallOf(daemon: Daemon): Promise<string[]> {
  const program = ["nft", "iptables-save"].find((name) => which(name) !== undefined);
  if (program === undefined) return [];
  const text = await daemon.netns.ok(program, program === "nft" ? ["list", "ruleset"] : []);
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#")).sort();
}

/** Rows of the ledger that are there for a container, whatever its state, or for work under way. */
export function ledgerRows(daemon: Daemon): string[] {
  const ledger = new Database(join(daemon.dataRoot, "strata.db"), { readonly: true, timeout: 5_000 });
  try {
    return ["SELECT id FROM container", "SELECT network || ' ' || container FROM endpoint", "SELECT protocol || ' ' || host_port FROM port", "SELECT owner FROM writable",
      "SELECT id FROM snapshot WHERE kind <> 'layer' OR state <> 'committed'", "SELECT volume || ' ' || owner FROM volume_use", "SELECT purpose FROM lease", "SELECT name FROM volume"]
      .flatMap((sql) => (ledger.prepare(sql).pluck().all() as string[]).map((value) => `${/FROM (\w+)/.exec(sql)![1]!} ${value}`)).sort();
  } finally {
    ledger.close();
  }
}
