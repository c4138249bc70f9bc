import { Conflict, type Container, type ContainerId, type ExecId, InvalidArgument, messageOf, newId, NotFound, type Process, StrataError } from "../core/index.js";
import { Capture } from "./capture.js";
import { Hub } from "./containers-hub.js";
import { aboutCommand, exitCodeOf, type Launcher } from "./containers-launch.js";
import type { LiveContainers, Run } from "./containers-live.js";
import { emitContainer, type ContainerParts } from "./containers-parts.js";
import { parseDetachKeys } from "./detach-keys.js";
import { pumpInput } from "./sessions-input.js";
import { execProcess } from "./spec/spec.js";
import type { AttachClient, Exec, ExecService, ExecSpec } from "./types.js";

/** How long an exec that has ended can be inspected, in milliseconds. */
const KEPT = 300_000;
/** How long a size may come ahead of the process it is for. */
const RESIZE_WAIT = 10_000;

interface Entry {
  readonly id: ExecId;
  readonly container: ContainerId;
  readonly spec: ExecSpec;
  state: "created" | "running" | "ended";
  process: Promise<Process> | null;
  /** Set once it runs. */
  current: Process | null;
  exitCode: number | null;
  /** It did not come to run. */
  failed: boolean;
  /** Can be inspected for a while after its end. */
  kept: boolean;
}

/** A command as Docker's events tell it: with a space behind its program, whatever follows. */
const told = ([program = "", ...args]: readonly string[]): string => `${program} ${args.join(" ")}`;

/** Processes started in running containers. They are known for as long as this daemon lives. */
export class Execs implements ExecService {
  readonly #all = new Map<ExecId, Entry>();

  constructor(private readonly parts: ContainerParts, private readonly live: LiveContainers, private readonly launcher: Launcher) {
    // Those that were never started would stay.
    parts.events.on(({ type, action, id }) => { if (type === "container" && action === "destroy") this.#forget(id); });
  }

  async create(name: string, spec: ExecSpec): Promise<ExecId> {
    const { containers } = this.parts;
    const container = containers.get(containers.resolve(name));
    this.#running(container);
    if (spec.cmd.length === 0) throw new InvalidArgument("No exec command specified");
    parseDetachKeys(spec.detachKeys);
    const id = newId<ExecId>();
    this.#all.set(id, { id, container: container.id, spec, state: "created", process: null, current: null, exitCode: null, failed: false, kept: true });
    emitContainer(this.parts, container, `exec_create: ${told(spec.cmd)}`, { execID: id });
    return id;
  }

  async start(id: string, options: { tty: boolean; consoleSize?: readonly [number, number] }, client: AttachClient | null): Promise<void> {
    const entry = this.#get(id);
    if (entry.state === "running") throw new Conflict(`exec command ${id} is already running`);
    if (entry.state === "ended") throw new Conflict(`exec command ${id} has already run`);
    const container = this.parts.containers.get(entry.container);
    const run = this.#running(container);
    entry.state = "running";
    const hub = new Hub(this.parts.logger, container.id);
    const { spec } = entry;
    const session = client === null ? null : hub.join(client, { stdout: spec.attachStdout, stderr: spec.attachStderr });
    emitContainer(this.parts, container, `exec_start: ${told(spec.cmd)}`, { execID: id });
    try {
      entry.process = this.#spawn(container, run, spec, options.consoleSize ?? spec.consoleSize, client === null);
      entry.current = await entry.process;
    } catch (e) {
      hub.end();
      const message = this.#failed(entry, container, e, client);
      if (client === null) throw new InvalidArgument(message, { cause: e });
      return;
    }
    const ended = this.#follow(entry, container, hub, entry.current, client);
    if (session === null) return;
    if (spec.attachStdin) void pumpInput(session, { process: hub.process, detachKeys: spec.tty ? parseDetachKeys(spec.detachKeys) : null, closes: true });
    // The exit code is there for whoever asks when the stream ends.
    if ((await session.over) === "ended") await ended;
    else if ((await session.over) === "detached") emitContainer(this.parts, container, "exec_detach", { execID: id });
  }

  inspect(id: string): Exec {
    const { container, spec, state, current, exitCode } = this.#get(id);
    return { id: id as ExecId, container, spec, running: state === "running", pid: current?.pid ?? 0, exitCode };
  }

  async resize(id: string, height: number, width: number): Promise<void> {
    const entry = this.#get(id);
    if (entry.state === "ended") throw new Conflict(`exec ${id} is not running`);
    const deadline = Date.now() + RESIZE_WAIT;
    while (entry.current === null && entry.process === null && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    const process = await entry.process;
    if (process === null) throw new Conflict(`exec ${id} is not running`);
    await process.resize(height, width);
  }

  /**
   * Runs a command in a container to its end, as the container's own user. What it says is cut at `limit` bytes. When
   * `signal` aborts it is killed, and nobody waits for its end. The exit code is -1 when it did not come to run.
   */
  async capture(container: ContainerId, cmd: readonly string[], { limit, signal }: { readonly limit: number; readonly signal: AbortSignal }): Promise<{ exitCode: number; output: string }> {
    const id = await this.create(container, { cmd, tty: false, attachStdin: false, attachStdout: true, attachStderr: true, env: [], user: "", workingDir: "", privileged: false });
    const entry = this.#get(id);
    const client = new Capture(limit);
    const abort = () => {
      client.leave();
      entry.process?.then((process) => process.kill(), () => undefined);
    };
    signal.addEventListener("abort", abort);
    try {
      const session = this.start(id, { tty: false }, client);
      if (signal.aborted) abort();
      await session;
      return { exitCode: entry.failed ? -1 : entry.exitCode ?? -1, output: client.text };
    } finally {
      signal.removeEventListener("abort", abort);
      entry.kept = false;
      if (entry.state === "ended") this.#all.delete(id);
    }
  }

  /** Those of a container, for inspect. */
  list(container: string): ExecId[] {
    return [...this.#all.values()].filter((e) => e.container === container && e.state === "running").map((e) => e.id);
  }

  async #spawn(container: Container, run: Run, spec: ExecSpec, consoleSize: readonly [number, number] | undefined, discard: boolean): Promise<Process> {
    const user = await this.launcher.user(container, run.rootfs, spec.user || container.config.User || "");
    const process = execProcess(this.launcher.withLinks(container), this.parts.host, user, { ...spec, ...(consoleSize === undefined ? {} : { consoleSize }) }, this.launcher.hostname(container));
    return run.runtime.exec(container.id, process, { tty: spec.tty, stdin: spec.attachStdin && !discard, stdinOnce: true, discard: discard || (!spec.attachStdout && !spec.attachStderr && !spec.attachStdin) });
  }

  async #follow(entry: Entry, container: Container, hub: Hub, process: Process, client: AttachClient | null): Promise<void> {
    const passed = hub.run(process, null).catch((err: unknown) => this.parts.logger.error({ err, container: container.id }, "output of an exec was lost"));
    try {
      const { code } = await process.exit;
      this.#ended(entry, container, code);
    } catch (e) {
      this.#failed(entry, container, e, client);
    }
    await passed;
  }

  /** The code a shell would give; a client that is attached reads the reason in its stream, as with Docker. */
  #failed(entry: Entry, container: Container, cause: unknown, client: AttachClient | null): string {
    const message = cause instanceof StrataError ? cause.message : `OCI runtime exec failed: ${aboutCommand(messageOf(cause), entry.spec.cmd[0] ?? "")}: unknown`;
    const code = exitCodeOf(message);
    entry.failed = true;
    this.#ended(entry, container, code === 128 ? 126 : code);
    client?.write("stdout", Buffer.from(`${message}\r\n`));
    return message;
  }

  #ended(entry: Entry, container: Container, code: number): void {
    entry.state = "ended";
    entry.exitCode = code;
    emitContainer(this.parts, container, "exec_die", { execID: entry.id, exitCode: String(code) });
    if (entry.kept) setTimeout(() => this.#all.delete(entry.id), KEPT).unref();
    else this.#all.delete(entry.id);
  }

  #forget(container: string): void {
    for (const { id, container: owner, state } of this.#all.values()) if (owner === container && state !== "running") this.#all.delete(id);
  }

  #running(container: Container): Run {
    const { id, state } = container;
    if (state.status === "paused") throw new Conflict(`Container ${id} is paused, unpause the container before exec`);
    if (state.status === "restarting") throw new Conflict(`Container ${id} is restarting, wait until the container is running`);
    const { run } = this.live.of(id);
    if (run === null) throw new Conflict(`Container ${id} is not running`);
    return run;
  }

  #get(id: string): Entry {
    const entry = this.#all.get(id as ExecId);
    if (entry === undefined) throw new NotFound(`No such exec instance: ${id}`);
    return entry;
  }
}
