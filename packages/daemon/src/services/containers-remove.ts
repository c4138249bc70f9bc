import { Conflict, type Container, type ContainerId, messageOf, NotFound } from "../core/index.js";
import type { Launcher } from "./containers-launch.js";
import type { LiveContainers } from "./containers-live.js";
import type { Mirrors } from "./containers-mirror.js";
import { emitContainer, type ContainerParts } from "./containers-parts.js";
import { timed } from "./timed.js";
import { Turns } from "./turns.js";

const AT_ONCE = 4;

/** Removes containers that do not run, with all that is theirs. The caller holds the container's mutex. */
export class Remover {
  private readonly turns = new Turns(AT_ONCE);

  constructor(private readonly parts: ContainerParts, private readonly live: LiveContainers, private readonly launcher: Launcher, private readonly mirrors: Mirrors) {}

  /** `clean`: a run that nobody looks after may have left something. On failure the container is dead, and can be removed again. */
  remove(id: ContainerId, options: { volumes: boolean; clean?: boolean }): Promise<void> {
    return timed(this.parts.metrics, "container", "delete", () => this.turns.run(() => this.removeNow(id, options)));
  }

  private async removeNow(id: ContainerId, options: { volumes: boolean; clean?: boolean }): Promise<void> {
    const { containers, layers, networks, networking } = this.parts;
    const container = containers.get(id);
    const removing: Container = { ...container, state: { ...container.state, status: "removing" } };
    containers.update(removing, { durable: false });
    try {
      if (options.clean === true) await this.launcher.clean(container);
      await Promise.all([
        layers.release(id),
        networks.endpoints({ container: id }).length > 0 ? networking.release(container) : undefined,
      ]);
      containers.remove(id);
      this.mirrors.forget(id);
      await Promise.all([containers.removeDirectory(id), options.volumes ? this.anonymousVolumes(container) : undefined]);
    } catch (e) {
      this.entomb(removing, e);
      throw e;
    }
    emitContainer(this.parts, container, "destroy");
    const { waiters } = this.live.of(id);
    this.live.forget(id);
    waiters.removed(container.state.exitCode);
    // It will not end any more: whoever waits for the next end of what never ran hears that.
    waiters.exited(container.state.exitCode);
    this.parts.collector.notify("deletion");
  }

  private entomb(container: Container, cause: unknown): void {
    try {
      this.parts.containers.update({ ...container, state: { ...container.state, status: "dead", error: messageOf(cause) } }, { durable: false });
    } catch (e) {
      if (!(e instanceof NotFound)) throw e; // the row had gone already
    }
  }

  /** Volumes that were made for this container; one that another uses stays. */
  private async anonymousVolumes(container: Container): Promise<void> {
    const { volumes, events } = this.parts;
    await Promise.all(container.mounts.map(async ({ Type, Name }) => {
      if (Type !== "volume" || Name === undefined) return;
      try {
        const volume = volumes.get(Name);
        if (!volume.anonymous) return;
        volumes.detach(Name, container.id);
        await volumes.remove(Name);
        events.emit({ type: "volume", action: "destroy", id: Name, attributes: { driver: volume.driver } });
      } catch (err) {
        if (err instanceof Conflict || err instanceof NotFound) return;
        this.parts.logger.error({ err, container: container.id, volume: Name }, "a volume of a container that was removed is left");
      }
    }));
  }
}
