import { Conflict, type Container, type ContainerId, type ContainerState, type Exit, messageOf, NotFound, NotModified, Unavailable } from "../core/index.js";
import type { HealthChecks } from "./containers-health.js";
import { exitCodeOf, type Launcher } from "./containers-launch.js";
import type { Launched, Live, LiveContainers, Run } from "./containers-live.js";
import type { Mirrors } from "./containers-mirror.js";
import { emitContainer, isLive, type ContainerParts } from "./containers-parts.js";
import type { Remover } from "./containers-remove.js";
import { Backoff, wantsRestart } from "./containers-restart.js";
import { parseSignal } from "./signals.js";
import { timed } from "./timed.js";

const SIGKILL = 9;
/** Grace of a stop when neither request nor container says, in seconds. */
const GRACE = 10;
/** How long the kernel may take to kill, in milliseconds. */
const KILL_WAIT = 10_000;
/** How long the end of a process that seems to be gone may take to be told, in milliseconds. */
const GONE_WAIT = 2000;

export interface StopOptions {
  readonly signal?: string;
  readonly timeoutSeconds?: number;
}

/** Starts and ends containers, and acts on their ends. */
export class Lifecycle {
  #closing = false;

  constructor(private readonly parts: ContainerParts, private readonly live: LiveContainers, private readonly launcher: Launcher, private readonly remover: Remover, private readonly mirrors: Mirrors, private readonly health: HealthChecks) {}

  start(id: ContainerId): Promise<void> {
    const live = this.live.of(id);
    return live.mutex.run(async () => {
      const container = this.parts.containers.get(id);
      switch (container.state.status) {
        case "running": case "restarting": throw new NotModified(`container ${id} is running`);
        case "paused": throw new Conflict("cannot start a paused container, try unpause instead");
        case "removing": case "dead": throw new Conflict("container is marked for removal and cannot be started");
        default:
          live.backoff = new Backoff();
          await this.#launch(container, live, 0);
      }
    });
  }

  /** NotModified when it does not run. */
  async stop(id: ContainerId, options: StopOptions): Promise<void> {
    const live = this.live.of(id);
    if (await this.#cancelRestart(id, live)) return;
    const container = this.parts.containers.get(id);
    if (!isLive(container) || live.run === null) throw new NotModified(`container ${id} is not running`);
    const { run } = live;
    await this.#end(container, run, options);
    emitContainer(this.parts, container, "stop");
  }

  async restart(id: ContainerId, options: StopOptions): Promise<void> {
    const live = this.live.of(id);
    await this.#cancelRestart(id, live);
    const container = this.parts.containers.get(id);
    if (isLive(container) && live.run !== null) {
      await this.#end(container, live.run, options, true);
      emitContainer(this.parts, container, "stop");
    }
    await this.start(id);
    emitContainer(this.parts, container, "restart");
  }

  async kill(id: ContainerId, name: string, text: string | undefined): Promise<void> {
    const live = this.live.of(id);
    const signal = parseSignal(text || "KILL");
    if (await this.#cancelRestart(id, live)) return;
    const container = this.parts.containers.get(id);
    if (!isLive(container) || live.run === null) throw new Conflict(`cannot kill container: ${name}: container ${id} is not running`);
    const { run } = live;
    const ends = signal === SIGKILL || signal === parseSignal(container.config.StopSignal || "TERM");
    if (ends) this.#meant(container, run);
    await this.#signal(container, run, signal);
    if (ends && container.state.status === "paused") await this.#thaw(id, run);
    if (signal === SIGKILL) await this.#within(run, KILL_WAIT);
  }

  /** Kills and waits for the end. Nothing to do when it does not run. */
  async forceEnd(id: ContainerId): Promise<void> {
    const live = this.live.of(id);
    if (await this.#cancelRestart(id, live)) return;
    // A start or an end that is under way comes first.
    const { run } = await live.mutex.run(async () => live);
    if (run === null) {
      await this.#cancelRestart(id, live).catch((e: unknown) => { if (!(e instanceof NotFound)) throw e; });
      return;
    }
    const container = this.parts.containers.get(id);
    this.#meant(container, run);
    await this.#killNow(container, run);
  }

  pause(id: ContainerId, paused: boolean): Promise<void> {
    const live = this.live.of(id);
    return live.mutex.run(async () => {
      const container = this.parts.containers.get(id);
      const { status } = container.state;
      if (paused && status === "paused") throw new Conflict(`Container ${id} is already paused`);
      if (paused && status === "restarting") throw new Conflict(`Container ${id} is restarting, wait until the container is running`);
      if (live.run === null || (paused && status !== "running")) throw new Conflict(`Container ${id} is not running`);
      if (!paused && status !== "paused") throw new Conflict(`Container ${id} is not paused`);
      await live.run.runtime.pause(id, paused);
      this.#set(container, { status: paused ? "paused" : "running" });
      emitContainer(this.parts, container, paused ? "pause" : "unpause");
    });
  }

  /** Takes up a run that a former daemon began. */
  resume(container: Container, launched: Launched): void {
    const live = this.live.of(container.id);
    const startedAt = container.state.startedAt ?? this.parts.clock.now();
    this.#follow(container.id, live, launched, startedAt);
    this.health.resume(this.parts.containers.get(container.id), startedAt);
  }

  /** No restarts from now on. With `stop` every container is ended. */
  async close(stop: boolean): Promise<void> {
    this.#closing = true;
    this.health.close();
    for (const live of this.live.values()) clearTimeout(live.restartTimer);
    if (!stop) return;
    await Promise.all([...this.parts.containers.list()].filter(isLive).map(async (c) => {
      const { run } = this.live.of(c.id);
      if (run !== null) await this.#end(c, run, {}, true).catch((err: unknown) => this.parts.logger.error({ err, container: c.id }, "a container could not be stopped"));
    }));
  }

  async #launch(container: Container, live: Live, restarts: number): Promise<void> {
    const { id } = container;
    this.parts.images.touch(container.imageId);
    let launched: Launched;
    const startedAt = this.parts.clock.now();
    try {
      launched = await timed(this.parts.metrics, "container", "start", () => this.launcher.launch(container, live.hub));
    } catch (e) {
      live.hub.end(e instanceof Error ? e : new Error(messageOf(e)));
      live.renewHub();
      this.#set(container, { status: container.state.startedAt === undefined ? "created" : "exited", pid: 0, exitCode: exitCodeOf(messageOf(e)), error: messageOf(e) });
      live.waiters.exited(exitCodeOf(messageOf(e)));
      if (container.hostConfig.AutoRemove) await this.remover.remove(id, { volumes: true });
      throw e;
    }
    this.#set(container, { status: "running", pid: launched.process.pid, exitCode: 0, error: "", oomKilled: false, startedAt, stoppedByUser: false, restartCount: restarts });
    this.#follow(id, live, launched, startedAt);
    this.health.begin(this.parts.containers.get(id), startedAt);
    emitContainer(this.parts, container, "start");
  }

  #follow(id: ContainerId, live: Live, launched: Launched, startedAt: number): void {
    let done!: () => void;
    const ended = new Promise<void>((resolve) => { done = resolve; });
    const run: Run = { ...launched, startedAt, stopped: false, again: false, outOfMemory: false, ended };
    live.run = run;
    run.process.onOutOfMemory?.(() => this.#outOfMemory(id, run));
    void (async () => {
      try {
        const exit = await run.process.exit;
        await run.drained;
        await live.mutex.run(() => this.#ended(id, live, run, exit));
      } catch (err) {
        this.parts.logger.error({ err, container: id }, "the end of a container could not be dealt with");
      } finally {
        done();
      }
    })();
  }

  /** Records an end, tells who waits, takes down, and removes or restarts. */
  async #ended(id: ContainerId, live: Live, run: Run, exit: Exit): Promise<void> {
    const before = this.parts.containers.get(id);
    // Ports must be free for others as soon as anybody hears of the end.
    await run.releaseNetwork().catch((err: unknown) => this.parts.logger.error({ err, container: id }, "the network of a container could not be released"));
    live.run = null;
    this.health.end(id, live);
    live.renewHub();
    const stopped = run.stopped || before.state.stoppedByUser === true;
    const again = !this.#closing && wantsRestart(before.hostConfig.RestartPolicy, { exitCode: exit.code, stopped, restarts: before.state.restartCount });
    const container = this.#set(before, {
      status: again ? "restarting" : "exited", pid: 0, exitCode: exit.code, oomKilled: exit.oomKilled, finishedAt: exit.at,
      ...(again ? { restartCount: before.state.restartCount + 1 } : {}),
    });
    this.parts.images.touch(container.imageId);
    if (exit.oomKilled && !run.outOfMemory) this.#outOfMemory(id, run);
    emitContainer(this.parts, container, "die", { exitCode: String(exit.code), execDuration: String(Math.round((exit.at - run.startedAt) / 1000)) });
    live.waiters.exited(exit.code);
    await run.dismantle();
    if (container.hostConfig.AutoRemove && !run.again) return this.remover.remove(id, { volumes: true });
    if (again) this.#restartLater(id, live, live.backoff.after(exit.at - run.startedAt));
  }

  /** The kernel killed one of its processes for want of memory; others may go on. */
  #outOfMemory(id: ContainerId, run: Run): void {
    run.outOfMemory = true;
    emitContainer(this.parts, this.parts.containers.get(id), "oom");
  }

  #restartLater(id: ContainerId, live: Live, wait: number): void {
    live.restartTimer = setTimeout(() => {
      void live.mutex.run(async () => {
        const container = this.parts.containers.get(id);
        if (container.state.status !== "restarting" || this.#closing) return;
        await this.#launch(container, live, container.state.restartCount);
      }).catch((err: unknown) => this.parts.logger.error({ err, container: id }, "a container could not be restarted"));
    }, wait);
  }

  /** False when no restart was waited for, or it came first: then the container runs. */
  async #cancelRestart(id: ContainerId, live: Live): Promise<boolean> {
    if (this.parts.containers.get(id).state.status !== "restarting") return false;
    clearTimeout(live.restartTimer);
    return live.mutex.run(async () => {
      const container = this.parts.containers.get(id);
      if (container.state.status !== "restarting") return false;
      this.#set(container, { status: "exited", stoppedByUser: true });
      live.waiters.exited(container.state.exitCode);
      emitContainer(this.parts, container, "stop");
      return true;
    });
  }

  /** Signal, grace, SIGKILL. `again`: it is to be started, or the daemon goes: no policy hears that the user meant it. */
  async #end(container: Container, run: Run, options: StopOptions, again = false): Promise<void> {
    run.stopped = true;
    if (again) run.again = !this.#closing;
    else this.#meant(container, run);
    const seconds = options.timeoutSeconds ?? container.config.StopTimeout ?? GRACE;
    await this.#signal(container, run, parseSignal(options.signal || container.config.StopSignal || "TERM"));
    if (container.state.status === "paused") await this.#thaw(container.id, run);
    if (seconds < 0) return run.ended;
    if (!(await over(run.ended, seconds * 1000))) await this.#killNow(container, run);
  }

  async #killNow(container: Container, run: Run): Promise<void> {
    await this.#signal(container, run, SIGKILL);
    if (this.parts.containers.get(container.id).state.status === "paused") await this.#thaw(container.id, run);
    await this.#within(run, KILL_WAIT);
  }

  async #within(run: Run, wait: number): Promise<void> {
    if (!(await over(run.ended, wait))) throw new Unavailable("the container did not end when it was killed");
  }

  async #signal(container: Container, run: Run, signal: number): Promise<void> {
    try {
      await run.runtime.kill(container.id, signal);
    } catch (e) {
      if (!(await isGone(run))) throw e;
    }
    emitContainer(this.parts, container, "kill", { signal: String(signal) });
  }

  /** A frozen process gets no signal. */
  #thaw(id: ContainerId, run: Run): Promise<void> {
    return this.live.of(id).mutex.run(async () => {
      const container = this.parts.containers.get(id);
      if (container.state.status !== "paused") return;
      try {
        await run.runtime.pause(id, false);
      } catch (e) {
        if (!(await isGone(run))) throw e;
      }
      this.#set(container, { status: "running" });
    });
  }

  #meant(container: Container, run: Run): void {
    run.stopped = true;
    if (container.state.stoppedByUser !== true) this.#set(this.parts.containers.get(container.id), { stoppedByUser: true });
  }

  #set(container: Container, state: Partial<ContainerState>): Container {
    const changed = { ...container, state: { ...container.state, ...state } };
    this.parts.containers.update(changed, { durable: false });
    this.mirrors.changed(container.id);
    return changed;
  }
}

/** Whether a run's process has ended, when the runtime says that it finds none. */
const isGone = (run: Run): Promise<boolean> => over(run.process.exit.then(() => undefined, () => undefined), GONE_WAIT);

/** Whether a promise settles within the time. */
async function over(promise: Promise<void>, wait: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => { timer = setTimeout(() => resolve(false), Math.min(wait, 2 ** 31 - 1)); });
  try {
    return await Promise.race([promise.then(() => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
