import type { Readable } from "node:stream";
import type { ImageId } from "@strata/oci";
import { type Change, Conflict, type Container, type ContainerId, type HostConfig, InvalidArgument, NotFound } from "../core/index.js";
import { Listening } from "./containers-attach.js";
import { Committer } from "./containers-commit.js";
import { Creator } from "./containers-create.js";
import { ContainerFiles } from "./containers-files.js";
import { HealthChecks } from "./containers-health.js";
import { Launcher } from "./containers-launch.js";
import { Lifecycle, type StopOptions } from "./containers-lifecycle.js";
import { ContainerLister } from "./containers-list.js";
import { LiveContainers } from "./containers-live.js";
import { Mirrors } from "./containers-mirror.js";
import { checkName } from "./containers-names.js";
import { emitContainer, isLive, type ContainerParts } from "./containers-parts.js";
import { Recovery } from "./containers-recover.js";
import { Remover } from "./containers-remove.js";
import { Stats } from "./containers-stats.js";
import { topOf } from "./containers-top.js";
import { Unlinker } from "./containers-unlink.js";
import { Updater } from "./containers-update.js";
import { Execs } from "./exec.js";
import { labelsMatch, rejectUnknown, untilOf } from "./filter-match.js";
import { PruneTurn } from "./prune-turn.js";
import { timed } from "./timed.js";
import type { AttachClient, AttachOptions, CommitOptions, ContainerSample, ContainerService, ContainerView, CreateContainer, Filters, LogLine, LogsOptions, WaitCondition } from "./types.js";

/** Containers for users: finds the container, hands the work to the part that does it. */
export class Containers implements ContainerService {
  /** Processes in containers. */
  readonly execs: Execs;
  readonly files: ContainerFiles;
  readonly #parts: ContainerParts;
  readonly #live: LiveContainers;
  readonly #mirrors: Mirrors;
  readonly #creator: Creator;
  readonly #lifecycle: Lifecycle;
  readonly #remover: Remover;
  readonly #lister: ContainerLister;
  readonly #listening: Listening;
  readonly #committer: Committer;
  readonly #recovery: Recovery;
  readonly #stats: Stats;
  readonly #updater: Updater;
  readonly #pruning = new PruneTurn();
  readonly #unlinker: Unlinker;

  constructor(parts: ContainerParts) {
    this.#parts = parts;
    const live = (this.#live = new LiveContainers(parts.logger));
    const launcher = new Launcher(parts);
    const mirrors = (this.#mirrors = new Mirrors(parts.containers, parts.logger));
    this.#remover = new Remover(parts, live, launcher, mirrors);
    this.execs = new Execs(parts, live, launcher);
    const health = new HealthChecks(parts, live, this.execs);
    this.#lifecycle = new Lifecycle(parts, live, launcher, this.#remover, mirrors, health);
    this.#creator = new Creator(parts, launcher, mirrors);
    this.#lister = new ContainerLister(parts, live);
    this.#listening = new Listening(parts, live, launcher);
    this.#committer = new Committer(parts, live);
    this.#stats = new Stats(parts);
    this.#updater = new Updater(parts, live, launcher, mirrors);
    this.#unlinker = new Unlinker(parts, live, mirrors);
    this.#recovery = new Recovery(parts, live, launcher, this.#lifecycle, this.#remover, this.#updater, health);
    this.files = new ContainerFiles(parts, launcher);
  }

  /** Those that containers run by. */
  get runtimes(): ContainerParts["runtimes"] { return this.#parts.runtimes; }

  /** Start-up, after the stores have recovered: finds running containers again. */
  recover(): Promise<void> { return this.#recovery.recover(); }

  /** The daemon goes. Containers stay, or with `stop` are ended first. */
  async close(options: { stop: boolean }): Promise<void> {
    await this.#lifecycle.close(options.stop);
    await this.#mirrors.close();
  }

  create(spec: CreateContainer): Promise<{ id: ContainerId; warnings: string[] }> { return timed(this.#parts.metrics, "container", "create", () => this.#creator.create(spec)); }
  async start(name: string): Promise<void> { await this.#lifecycle.start(this.#id(name)); }
  async stop(name: string, options: StopOptions): Promise<void> { await this.#lifecycle.stop(this.#id(name), options); }
  async restart(name: string, options: StopOptions): Promise<void> { await this.#lifecycle.restart(this.#id(name), options); }
  async kill(name: string, signal?: string): Promise<void> { await this.#lifecycle.kill(this.#id(name), name, signal); }
  async pause(name: string, paused: boolean): Promise<void> { await this.#lifecycle.pause(this.#id(name), paused); }

  async update(name: string, asked: HostConfig): Promise<{ warnings: string[] }> { return this.#updater.update(this.#id(name), asked); }
  stats(name: string, options: { stream: boolean; oneShot: boolean }, signal: AbortSignal): AsyncIterable<ContainerSample> { return this.#stats.samples(name, options, signal); }

  async rename(name: string, to: string): Promise<void> {
    const id = this.#id(name);
    checkName(to);
    await this.#live.of(id).mutex.run(async () => {
      const container = this.#parts.containers.get(id);
      if (container.name === to) throw new InvalidArgument("Renaming a container with the same name as its current name");
      const renamed = { ...container, name: to };
      this.#parts.containers.update(renamed);
      emitContainer(this.#parts, renamed, "rename", { oldName: `/${container.name}` });
      this.#mirrors.changed(id);
    });
  }

  async resize(name: string, height: number, width: number): Promise<void> {
    const container = this.#get(name);
    const { run } = this.#live.of(container.id);
    if (run === null) throw new Conflict(`Container ${container.id} is not running`);
    await run.process.resize(height, width);
    emitContainer(this.#parts, container, "resize", { height: String(height), width: String(width) });
  }

  wait(name: string, condition: WaitCondition, signal: AbortSignal): { exit: Promise<{ code: number; error?: string }> } {
    const container = this.#get(name);
    const { id, state } = container;
    const over = !isLive(container) && state.status !== "restarting";
    if (condition === "not-running" && over) return { exit: Promise.resolve({ code: state.exitCode, ...(state.error ? { error: state.error } : {}) }) };
    const next = this.#live.of(id).waiters.next(condition === "removed" ? "removed" : "exit", signal);
    return { exit: next.then((code) => ({ code })) };
  }

  async remove(name: string, options: { force: boolean; volumes: boolean; link: boolean }): Promise<void> {
    if (options.link) return this.#unlinker.unlink(name);
    const id = this.#id(name);
    const live = this.#live.of(id);
    if (options.force) await this.#lifecycle.forceEnd(id);
    await live.mutex.run(async () => {
      const container = this.#ifAny(id);
      if (container === undefined) return; // gone meanwhile: by AutoRemove, or by another hand
      const why = BUSY[container.state.status];
      if (why !== undefined) throw new Conflict(`cannot remove container "/${container.name}": ${why}`);
      await this.#remover.remove(id, { volumes: options.volumes, clean: container.state.status === "dead" });
    });
  }

  list(options: { all: boolean; limit: number; size: boolean; filters: Filters }): Promise<ContainerView[]> { return this.#lister.list(options); }
  async inspect(name: string, options: { size: boolean }): Promise<ContainerView> { return this.#lister.inspect(this.#get(name), options.size); }

  async attach(name: string, options: AttachOptions, client: AttachClient): Promise<void> { await this.#listening.attach(this.#get(name), options, client); }
  tty(name: string): boolean { return this.#get(name).config.Tty === true; }
  async logs(name: string, options: LogsOptions, signal: AbortSignal): Promise<AsyncIterable<readonly LogLine[]>> { return this.#listening.logs(this.#get(name), options, signal); }

  changes(name: string): AsyncIterable<Change> { return this.#parts.layers.changes(this.#id(name)); }

  async export(name: string): Promise<Readable> {
    const container = this.#get(name);
    const mounted = await this.#parts.layers.mount(container.id);
    const tar = this.#parts.archiver.tar(mounted.path);
    tar.once("close", () => {
      mounted.release().catch((err: unknown) => this.#parts.logger.warn({ err, container: container.id }, "a container that was exported is still mounted"));
    });
    emitContainer(this.#parts, container, "export");
    return tar;
  }

  async top(name: string, psArgs: string): Promise<{ titles: string[]; processes: string[][] }> {
    const container = this.#get(name);
    if (!isLive(container)) throw new Conflict(`Container ${container.id} is not running`);
    const result = await topOf(this.#parts.processes, container.state.pid, psArgs, this.#parts.clock.now());
    emitContainer(this.#parts, container, "top");
    return result;
  }

  async commit(name: string, options: CommitOptions): Promise<ImageId> { return timed(this.#parts.metrics, "container", "commit", () => this.#committer.commit(this.#get(name), options)); }

  /** Removes what does not run. */
  prune(filters: Filters): Promise<{ removed: ContainerId[]; bytes: number }> { return this.#pruning.take(() => this.#prune(filters)); }
  async #prune(filters: Filters): Promise<{ removed: ContainerId[]; bytes: number }> {
    rejectUnknown(filters, ["label", "label!", "until"]);
    const until = untilOf(filters, this.#parts.clock.now());
    const removed: ContainerId[] = [], items: { kind: "container"; key: string; name: string; bytes: number }[] = [];
    let bytes = 0;
    for (const c of this.#parts.containers.list()) {
      if (this.#parts.builds?.announced().includes(c.name) === true) continue;
      if (BUSY[c.state.status] !== undefined || c.createdAt > until || !labelsMatch(filters, c.config.Labels ?? {})) continue;
      try {
        const usage = await this.#parts.layers.usage(c.id).catch(() => ({ size: 0, bytes: 0 }));
        await this.remove(c.id, { force: false, volumes: false, link: false });
        removed.push(c.id);
        items.push({ kind: "container", key: c.id, name: c.name, bytes: usage.bytes });
        bytes += usage.size;
      } catch (err) {
        this.#parts.logger.warn({ err, container: c.id }, "a container was not pruned"); // started meanwhile
      }
    }
    this.#parts.journal?.pruned("container", items);
    this.#parts.events.emit({ type: "container", action: "prune", id: "", attributes: { reclaimed: String(bytes) } });
    return { removed, bytes };
  }

  #id(name: string): ContainerId { return this.#parts.containers.resolve(name); }
  #get(name: string): Container { return this.#parts.containers.get(this.#id(name)); }
  #ifAny(id: ContainerId): Container | undefined {
    try {
      return this.#parts.containers.get(id);
    } catch (e) {
      if (e instanceof NotFound) return undefined;
      throw e;
    }
  }
}

/** Why a container cannot be removed as it is. */
const BUSY: Readonly<Record<string, string>> = {
  running: "container is running: stop the container before removing or force remove",
  paused: "container is paused and must be unpaused first",
  restarting: "container is restarting: stop the container before removing or force remove",
  removing: "removal of the container is already in progress",
};
