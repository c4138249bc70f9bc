import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Exit, type Logger, type Process, type ProcessIo, type Runtime, type RuntimeState, type RuntimeStatus, errnoOf, messageOf, newId, runtimeJson } from "../../core/index.js";
import { PipePeek } from "../../kernel/pipe-peek.js";
import { run } from "../../kernel/spawn.js";
import { CgroupWarmer, cgroupsOf, isFrozen, killedForMemory, removeCgroups } from "./cgroups.js";
import { launchConmon } from "./conmon.js";
import { DirectExec } from "./direct-exec.js";
import { ExitWatcher } from "./exit-watcher.js";
import { Holder } from "./holder.js";
import { LogPipe, OUTPUT } from "./log-pipe.js";
import { MonitoredProcess, monitorLives, oomKilled } from "./monitored-process.js";
import { OutputQueue } from "./output-queue.js";
import { releaseFirstProcess } from "./first-process.js";
import { loggedError, plainWords } from "./runtime-log.js";

export interface OciRuntimeOptions {
  /** As in `docker info`: runc, crun, or what `--add-runtime` calls it. */
  readonly name: string;
  /** Absolute path of the program. */
  readonly path: string;
  readonly conmon: string;
  /** A directory of this runtime's own below the exec root; survives the daemon, not the machine. */
  readonly directory: string;
  readonly logger: Logger;
}

/** Exit code of a container whose monitor was killed: what killing the container gives. */
const KILLED = 137;

/**
 * runc, crun or another program with their command line, behind conmon.
 *
 *   <directory>/state/       the runtime's own --root
 *   <directory>/exits/<id>   exit codes, written by conmon
 *   <directory>/holders/<id> what keeps a container's output while no daemon runs (holder.ts)
 *   <directory>/exec/<id>/   one exec each: process.json, pidfile, runtime.log
 *   <bundle>/                config.json from the caller; out, attach, ctl, winsz, pidfile, runtime.log, oom
 */
export class OciRuntime implements Runtime {
  readonly name: string;
  readonly path: string;
  readonly #exits: ExitWatcher;
  readonly #warmer = new CgroupWarmer();
  readonly #peek = new PipePeek();
  readonly #processes = new Map<string, MonitoredProcess>();
  readonly #state: string;
  /** Hierarchies stay where they are for as long as a machine runs. */
  #mounts: string | null = null;

  constructor(private readonly options: OciRuntimeOptions) {
    this.name = options.name;
    this.path = options.path;
    this.#state = join(options.directory, "state");
    // Execs are not taken up again: what a former daemon put down for them is of no use, also to those that go on.
    rmSync(join(options.directory, "exec"), { recursive: true, force: true });
    for (const part of ["state", "holders", "exec"]) mkdirSync(join(options.directory, part), { recursive: true, mode: 0o700 });
    this.#exits = new ExitWatcher(join(options.directory, "exits"));
  }

  async create(id: string, bundle: string, io: ProcessIo, ready?: Promise<void>): Promise<Process> {
    this.#warmer.warm();
    ready?.then(() => this.#warmer.warm(), () => undefined);
    this.#exits.forget(id);
    const pipe = LogPipe.create(bundle, this.#peek);
    const log = join(bundle, "runtime.log");
    const conmon = launchConmon({
      program: this.options.conmon, runtime: this.path, runtimeArgs: this.#global(log), container: id, unit: id, bundle,
      pidFile: join(bundle, "pidfile"), log: `k8s-file:${join(bundle, OUTPUT)}`, tty: io.tty, stdin: io.stdin,
      leaveStdinOpen: io.tty || !io.stdinOnce, exitDir: this.#exits.directory, ...(ready === undefined ? {} : { ready }),
    });
    const holder = new Holder(join(bundle, OUTPUT), this.#keep(id));
    try {
      const pid = await conmon.pid;
      return this.#watch(id, bundle, io, pipe, pid, () => holder.release());
    } catch (e) {
      holder.release();
      pipe.destroy();
      await this.delete(id);
      throw new Error(plainWords(messageOf(e)) || plainWords(loggedError(log) ?? `${this.name} create failed`), { cause: e });
    } finally {
      conmon.close();
    }
  }

  async start(id: string): Promise<void> {
    const started = await releaseFirstProcess(join(this.#state, id), this.#processes.get(id)?.exit);
    if (!started) await this.#run("start", id);
  }

  async exec(id: string, process: object, io: ProcessIo): Promise<Process> {
    this.#warmer.warm();
    const unit = newId<string>();
    const directory = join(this.options.directory, "exec", unit);
    mkdirSync(directory, { mode: 0o700 });
    const spec = join(directory, "process.json"), pidFile = join(directory, "pidfile"), log = join(directory, "runtime.log");
    const tidy = () => void rm(directory, { recursive: true, force: true });
    await writeFile(spec, runtimeJson(process), { mode: 0o600 });
    if (!io.tty && io.discard !== true) {
      const direct = new DirectExec({
        runtime: this.path, args: [...this.#global(log), "exec", "--process", spec, "--pid-file", pidFile, id], pidFile, log, io,
      });
      direct.exit.then(tidy, tidy);
      return direct;
    }
    const pipe = io.discard === true ? null : LogPipe.create(directory, this.#peek);
    const conmon = launchConmon({
      program: this.options.conmon, runtime: this.path, runtimeArgs: this.#global(log), container: id, unit, bundle: directory, pidFile,
      log: pipe === null ? "none:" : `k8s-file:${join(directory, OUTPUT)}`, tty: io.tty, stdin: io.stdin, leaveStdinOpen: io.tty, execSpec: spec,
    });
    const silent = new OutputQueue();
    const exit = conmon.exitCode.then((code): Exit => ({ code, oomKilled: false, at: Date.now() })).finally(() => conmon.close());
    exit.then(() => silent.end(), () => silent.end());
    exit.then(tidy, tidy);
    try {
      return new MonitoredProcess({ pid: await conmon.pid, bundle: directory, pipe, tty: io.tty, exit }, pipe?.output ?? silent);
    } catch (e) {
      pipe?.destroy();
      throw new Error(plainWords(loggedError(log) ?? messageOf(e)), { cause: e });
    }
  }

  async adopt(id: string, bundle: string, io: ProcessIo): Promise<Process | Exit | undefined> {
    const recorded = this.#exits.read(id);
    let pipe: LogPipe;
    try {
      pipe = LogPipe.reopen(bundle, this.#peek);
    } catch (e) {
      if (errnoOf(e) !== "ENOENT") throw e;
      return recorded === undefined ? undefined : { ...recorded, oomKilled: oomKilled(bundle) };
    }
    if (recorded === undefined && !monitorLives(bundle)) {
      await this.#destroy(id);
      Holder.release(this.#keep(id));
      pipe.destroy();
      return { ...(this.#exits.read(id) ?? { code: KILLED, at: Date.now() }), oomKilled: oomKilled(bundle) };
    }
    const pid = recorded === undefined ? Number.parseInt(await readFile(join(bundle, "pidfile"), "utf8"), 10) : 0;
    return this.#watch(id, bundle, io, pipe, pid, () => Holder.release(this.#keep(id)), isFrozen(this.#cgroups(id) ?? []));
  }

  async kill(id: string, signal: number, all = false): Promise<void> {
    const process = this.#processes.get(id);
    if (!all && process !== undefined) return void process.signal(signal);
    try {
      await this.#run("kill", ...(all ? ["--all"] : []), id, String(signal));
    } catch (e) {
      // It may have ended, and who asks has not been told yet; or have been taken down since.
      if (this.#exits.read(id) === undefined && existsSync(join(this.#state, id))) throw e;
    }
  }

  async pause(id: string, paused: boolean): Promise<void> {
    await this.#run(paused ? "pause" : "resume", id);
  }

  async update(id: string, resources: object): Promise<void> {
    await run(this.path, [...this.#global(), "update", "--resources", "/proc/self/fd/0", id], { input: JSON.stringify(resources) });
  }

  async state(id: string): Promise<RuntimeState | undefined> {
    if (!existsSync(join(this.#state, id))) return undefined;
    let stdout: string;
    try {
      ({ stdout } = await this.#run("state", id));
    } catch (e) {
      if (!existsSync(join(this.#state, id))) return undefined; // it went meanwhile
      throw e;
    }
    const { status, pid } = JSON.parse(stdout) as { status: RuntimeStatus; pid: number };
    return { id, status, pid };
  }

  async delete(id: string): Promise<void> {
    const alive = this.#processes.has(id);
    // What has ended leaves empty cgroups and a directory; no need for a process of the runtime.
    const cgroups = alive || this.#exits.read(id) === undefined ? null : this.#cgroups(id);
    if (cgroups !== null && (await removeCgroups(cgroups))) await rm(join(this.#state, id), { recursive: true, force: true });
    else await this.#destroy(id);
    if (!alive) Holder.release(this.#keep(id));
    this.#exits.forget(id);
  }

  /** Stops watching; containers go on. */
  close(): void {
    this.#exits.close();
  }

  #watch(id: string, bundle: string, io: ProcessIo, pipe: LogPipe, pid: number, release: () => void, paused = false): MonitoredProcess {
    const exit = this.#exitOf(id, bundle, pipe);
    const process = new MonitoredProcess({ pid, bundle, pipe, tty: io.tty, exit, paused }, pipe.output);
    this.#processes.set(id, process);
    const gone = () => { if (this.#processes.get(id) === process) this.#processes.delete(id); };
    exit.then(gone, gone);
    void pipe.ended.then(release);
    return process;
  }

  /** conmon records the exit before it closes the output. Output that ends without a record means that conmon died. */
  async #exitOf(id: string, bundle: string, pipe: LogPipe): Promise<Exit> {
    const lost = pipe.ended.then(async () => {
      const recorded = this.#exits.read(id);
      if (recorded !== undefined) return recorded;
      this.options.logger.error({ container: id }, "the monitor of a container died; killing the container");
      await this.#destroy(id);
      return { code: KILLED, at: Date.now() };
    });
    const { code, at } = await Promise.race([this.#exits.wait(id), lost]);
    // conmon hears of it by an event that may come after the end: the kernel's own count does not.
    return { code, at, oomKilled: oomKilled(bundle) || killedForMemory(this.#cgroups(id) ?? []) };
  }

  #cgroups(id: string): string[] | null {
    return cgroupsOf(join(this.#state, id), () => (this.#mounts ??= readFileSync("/proc/self/mounts", "utf8")));
  }

  /** Kills whatever runs and removes the runtime's state. Absent is success. */
  async #destroy(id: string): Promise<void> {
    if (!existsSync(join(this.#state, id))) return;
    try {
      await this.#run("delete", "--force", id);
    } catch (e) {
      if (existsSync(join(this.#state, id))) throw e;
    }
  }

  #run(...args: string[]) {
    return run(this.path, [...this.#global(), ...args]);
  }

  #global(log?: string): string[] {
    return ["--root", this.#state, ...(log === undefined ? [] : ["--log", log, "--log-format", "json"])];
  }

  #keep(id: string): string {
    return join(this.options.directory, "holders", id);
  }
}
