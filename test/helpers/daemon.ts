import { createWriteStream, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Answer, type Call, type Json, call } from "./api.js";
import { type Netns } from "./netns.js";
import { Background, ok, type Result, run, type RunOptions, until } from "./run.js";

/** Another daemon with dockerd's flags may stand in, to see whether a test is fair. */
const program = process.env["STRATA_TEST_DAEMON"];
/** An emulated processor takes many times as long. */
const START_LIMIT_MS = process.env["STRATA_GUEST"] === undefined ? 60_000 : 300_000;
const stratad = resolve(__dirname, "../../../packages/daemon/bin/stratad.js");

export interface DaemonOptions {
  readonly flags?: readonly string[];
  /** Where the data root lies; default: below the folder of the daemon. */
  readonly dataRoot?: string;
  readonly storageDriver?: string;
  /** A command line that runs the daemon's, which is put behind it. */
  readonly wrap?: readonly string[];
}

/** One daemon with its own data root, exec root and socket, in a network namespace. */
export class Daemon {
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly socket: string;
  readonly logFile: string;
  private readonly dockerConfig: string;
  private process: Background | undefined;
  private storageDriver: string | undefined;
  private wrap: readonly string[];

  constructor(readonly netns: Netns, readonly folder: string, private readonly options: DaemonOptions = {}) {
    mkdirSync(folder, { recursive: true });
    this.dataRoot = options.dataRoot ?? join(folder, "data");
    this.execRoot = join(folder, "exec");
    this.socket = join(folder, "s.sock");
    this.logFile = join(folder, "log");
    this.dockerConfig = join(folder, "docker");
    mkdirSync(this.dockerConfig, { recursive: true });
    writeFileSync(join(this.dockerConfig, "config.json"), "{}");
    this.storageDriver = options.storageDriver;
    this.wrap = options.wrap ?? [];
  }

  get pid(): number { return this.running.pid; }
  /** What it printed since it was last started. */
  get output(): string { return this.process?.output ?? ""; }
  private get running(): Background {
    if (!this.process || this.process.ended) throw new Error("the daemon does not run");
    return this.process;
  }

  flags(): string[] {
    return [
      "--data-root", this.dataRoot, "--exec-root", this.execRoot, "-H", `unix://${this.socket}`, "--pidfile", join(this.folder, "pid"),
      ...(this.storageDriver ? ["--storage-driver", this.storageDriver] : []), ...(this.options.flags ?? []),
    ];
  }

  /** Starts the process without waiting for anything. */
  launch(): Background {
    const [command, ...args] = [...this.wrap, ...(program ? [program] : [globalThis.process.execPath, stratad]), ...this.flags()] as [string, ...string[]];
    const process = this.netns.start(command, args);
    const log = createWriteStream(this.logFile, { flags: "a" });
    process.child.stdout?.pipe(log, { end: false });
    process.child.stderr?.pipe(log, { end: false });
    process.child.on("close", () => log.end());
    this.process = process;
    return process;
  }

  /** Resolves when it answers; throws with its own words when it ends before. */
  async start(): Promise<void> {
    const process = this.launch();
    await until(() => this.ping(), START_LIMIT_MS, () => `an answer on ${this.socket}:\n${process.output.slice(-4000)}`, () => process.ended);
  }
  private async ping(): Promise<true | undefined> {
    if (!existsSync(this.socket)) return undefined;
    try { return (await call(this.socket, "GET", "/_ping")).status === 200 ? true : undefined; } catch { return undefined; }
  }

  /** Asks it to stop and waits; containers go on. */
  async stop(): Promise<number> {
    const process = this.running;
    process.kill("SIGTERM");
    const limit = setTimeout(() => process.kill("SIGKILL"), 30_000);
    try { return await process.exit; } finally { clearTimeout(limit); }
  }
  /** As a crash would end it. */
  async kill9(): Promise<void> {
    const process = this.running;
    process.kill("SIGKILL");
    await process.exit;
  }
  /** With what is given here it goes on from then on. */
  async restart(change: Pick<DaemonOptions, "storageDriver" | "wrap"> = {}): Promise<void> {
    await this.stop();
    this.change(change);
    await this.start();
  }
  /** For its next start. */
  change({ storageDriver = this.storageDriver, wrap = this.wrap }: Pick<DaemonOptions, "storageDriver" | "wrap">): void {
    this.storageDriver = storageDriver;
    this.wrap = wrap;
  }

  api(method: string, path: string, options?: Call): Promise<Answer> { return call(this.socket, method, path, options); }

  /** Environment of clients. */
  env(): NodeJS.ProcessEnv {
    return { ...process.env, DOCKER_HOST: `unix://${this.socket}`, DOCKER_CONFIG: this.dockerConfig, DOCKER_CLI_HINTS: "false" };
  }
  /** Runs the real docker CLI; any exit code is an answer. */
  docker(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run("docker", args, { ...options, env: { ...this.env(), ...options.env } });
  }
  /** Runs the real docker CLI, which must succeed; gives its stdout. */
  dockerOk(...args: readonly string[]): Promise<string> { return ok("docker", args, { env: this.env() }); }
  /** Starts a docker CLI that goes on. */
  dockerStart(...args: readonly string[]): Background { return new Background("docker", args, { env: this.env() }); }

  /** `docker inspect` of one thing. */
  async inspect(name: string, type = "container"): Promise<Json> {
    return (JSON.parse(await this.dockerOk("inspect", "--type", type, name)) as unknown[])[0];
  }

  /** Ends the daemon and whatever of its containers still runs, and gives back mounts, cgroups and files. */
  async destroy(): Promise<void> {
    if (this.process && !this.process.ended) {
      await this.removeContainers().catch(() => undefined);
      await this.stop();
    }
    await endMonitors(this.folder);
    const containers = join(this.dataRoot, "containers");
    if (existsSync(containers)) for (const id of readdirSync(containers)) removeCgroups(id);
    await unmountBelow(this.folder);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
  /** Removes every container, whether it runs or not, with its anonymous volumes. */
  async removeContainers(): Promise<void> {
    const { json } = await this.api("GET", "/containers/json", { query: { all: 1 } });
    await Promise.all((json as { Id: string }[]).map(async ({ Id }) => {
      const { status, text } = await this.api("DELETE", `/containers/${Id}`, { query: { force: 1, v: 1 } });
      if (status !== 204 && status !== 404) throw new Error(`container ${Id} cannot be removed: ${text}`);
    }));
  }
}

/** Kills monitors (and the processes they watch) whose command line names our folder. */
async function endMonitors(folder: string): Promise<void> {
  const ours = (pid: string): boolean => {
    try { return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder); } catch { return false; }
  };
  const parentOf = (pid: string): string => {
    try { return readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /s, "").split(" ")[1] ?? ""; } catch { return ""; }
  };
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const monitors = all.filter(ours);
  const watched = all.filter((pid) => monitors.includes(parentOf(pid)));
  for (const pid of [...watched, ...monitors]) try { process.kill(Number(pid), "SIGKILL"); } catch { /* gone already */ }
  await until(() => ([...watched, ...monitors].some((pid) => existsSync(`/proc/${pid}`)) ? undefined : true), 5_000, "the monitors' end").catch(() => undefined);
}

/** Mount points at or below a path, deepest first. */
export function mountsBelow(folder: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8").split("\n").map((line) => line.split(" ")[4] ?? "")
    .filter((target) => target === folder || target.startsWith(`${folder}/`)).reverse();
}
export async function unmountBelow(folder: string): Promise<void> {
  for (const target of mountsBelow(folder)) await run("umount", ["-l", target]);
}

/** Empty cgroups that carry a container's ID, in every hierarchy. */
function removeCgroups(id: string): void {
  const visit = (folder: string, depth: number): void => {
    let names: string[];
    try { names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name); } catch { return; }
    for (const name of names) {
      const path = join(folder, name);
      if (depth > 0) visit(path, depth - 1);
      if (name.includes(id)) try { rmSync(path, { recursive: false }); } catch { /* in use: the kernel keeps it */ }
    }
  };
  visit("/sys/fs/cgroup", 3);
}
