import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Container, type ContainerId, errnoOf, messageOf, NotFound, type Process, Unavailable } from "../core/index.js";
import { removeRun } from "./check/exec-root.js";
import type { HealthChecks } from "./containers-health.js";
import type { Launcher } from "./containers-launch.js";
import type { LiveContainers } from "./containers-live.js";
import { emitContainer, isLive, type ContainerParts } from "./containers-parts.js";
import type { Lifecycle } from "./containers-lifecycle.js";
import type { Remover } from "./containers-remove.js";
import { startsWithDaemon } from "./containers-restart.js";
import type { Updater } from "./containers-update.js";

/** Exit code of a container whose end nobody saw: the machine went down, or the monitor's record is lost. */
const UNSEEN = 255;

/** Start-up: finds the containers of a former daemon again, and makes the ledger true for those that ended. */
export class Recovery {
  constructor(
    private readonly parts: ContainerParts, private readonly live: LiveContainers, private readonly launcher: Launcher, private readonly lifecycle: Lifecycle,
    private readonly remover: Remover, private readonly updater: Updater, private readonly health: HealthChecks,
  ) {}

  /** Resolves when every container is known to run or not. Restarts and removals go on behind. */
  async recover(): Promise<void> {
    const all = [...this.parts.containers.list()];
    for (const container of all) this.health.remember(container);
    const running: Container[] = [];
    const ended: Container[] = [];
    await Promise.all(all.map(async (container) => {
      const { status } = container.state;
      if (isLive(container) && (await this.take(container))) running.push(container);
      else if (status === "removing" || status === "dead") this.behind(container.id, () => this.remover.remove(container.id, { volumes: false, clean: true }));
      else ended.push(container);
    }));
    // One that was cut off at its making may lack its directory; nothing was in that yet.
    await Promise.all(ended.filter(({ state }) => state.status === "created").map(({ id }) => this.parts.containers.makeDirectory(id)));
    await this.parts.networking.recover(running.map((c) => this.parts.containers.get(c.id)));
    for (const container of ended) this.settle(container);
    const known = new Set(all.map((c) => c.id));
    await this.sweepBundles(known);
    await this.launcher.volumes.sweep(known);
  }

  /** False when its processes are gone without a trace. A failure to find out counts as that. */
  private async take(container: Container): Promise<boolean> {
    try {
      const launched = await this.launcher.resume(container, this.live.of(container.id).hub);
      if (launched === undefined) return false;
      await this.updater.complete(container, launched.runtime).catch((err: unknown) => this.parts.logger.error({ err, container: container.id }, "an update that was cut short could not be completed"));
      this.lifecycle.resume(this.asTheKernelHasIt(container.id, launched.process), launched);
      return true;
    } catch (err) {
      this.parts.logger.error({ err, container: container.id }, "a running container could not be taken up");
      return false;
    }
  }

  /** A pause, or its end, may have been cut short between the kernel and the ledger. */
  private asTheKernelHasIt(id: ContainerId, { paused = false }: Process): Container {
    const container = this.parts.containers.get(id);
    if (paused === (container.state.status === "paused")) return container;
    const now: Container = { ...container, state: { ...container.state, status: paused ? "paused" : "running" } };
    this.parts.containers.update(now, { durable: false });
    return now;
  }

  /** A container that does not run, whatever the ledger says: its leavings go, then its policy speaks. */
  private settle(container: Container): void {
    const was = container.state.status;
    const crashed = was === "running" || was === "paused" || was === "restarting";
    let now = container;
    if (crashed) {
      const code = was === "restarting" ? container.state.exitCode : UNSEEN;
      now = { ...container, state: { ...container.state, status: "exited", pid: 0, exitCode: code, finishedAt: was === "restarting" ? container.state.finishedAt : this.parts.clock.now() } };
      this.parts.containers.update(now, { durable: false });
      this.parts.images.touch(container.imageId);
      if (was !== "restarting") emitContainer(this.parts, now, "die", { exitCode: String(code) });
    }
    // The bundle is the last thing that goes after a run, and the first that is made for one.
    const left = crashed || existsSync(this.launcher.bundle(container.id));
    this.behind(container.id, async () => {
      if (left) {
        await this.unmount(container.id);
        await this.launcher.clean(container);
      }
      if (now.hostConfig.AutoRemove && (crashed || now.state.startedAt !== undefined)) await this.remover.remove(container.id, { volumes: true });
    });
    if (!now.hostConfig.AutoRemove && (startsWithDaemon(now) || (crashed && this.tries(now)))) {
      this.lifecycle.start(container.id).catch((err: unknown) => this.parts.logger.error({ err, container: container.id }, "a container could not be started with the daemon"));
    }
  }

  private tries({ hostConfig, state }: Container): boolean {
    return hostConfig.RestartPolicy?.Name === "on-failure" && state.exitCode !== 0 && state.stoppedByUser !== true;
  }

  /** A mount that a former daemon left is taken over and given up. */
  private async unmount(id: ContainerId): Promise<void> {
    try {
      await (await this.parts.layers.mount(id)).release();
    } catch (e) {
      // Unavailable: its storage driver does not work, and found no mount to be taken over.
      if (!(e instanceof NotFound || e instanceof Unavailable)) throw e;
    }
  }

  /** Runs under the container's mutex, so that whoever comes for it waits. */
  private behind(id: ContainerId, work: () => Promise<void>): void {
    this.live.of(id).mutex.run(work).catch((err: unknown) => this.parts.logger.error({ reason: messageOf(err), container: id }, "what a container left could not be cleared away"));
  }

  private async sweepBundles(known: ReadonlySet<string>): Promise<void> {
    const directory = join(this.parts.config.execRoot, "containers");
    let names: string[];
    try {
      names = await readdir(directory);
    } catch (e) {
      if (errnoOf(e) === "ENOENT") return;
      throw e;
    }
    const { runtimes, mounter, config: { execRoot } } = this.parts;
    for (const id of names.filter((name) => !known.has(name))) await removeRun({ execRoot, runtimes, mounter }, id);
  }
}
