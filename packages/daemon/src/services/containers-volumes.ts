import { readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Container, type ContainerId, errnoOf, InvalidArgument, type Mounted, type MountPoint, newId } from "../core/index.js";
import type { ContainerParts } from "./containers-parts.js";
import { makeDirectories } from "../core/make-directories.js";

type Parts = Pick<ContainerParts, "volumes" | "mounter" | "files" | "config" | "events">;

/** How the places of looks begin. */
const LOOK = "look-";

/** Holds the volumes of containers while these run. Parts of volumes are mounted on places of their own, below the exec root. */
export class VolumeHolder {
  constructor(private readonly parts: Parts) {}

  /** Mounts a volume of a container that starts; `path` is what the container gets. */
  async hold(container: Container, point: MountPoint): Promise<Mounted> {
    return this.told(container, point, await this.take(container, point, this.place(container, point)));
  }

  /** The same for a look into it, whether the container runs or not. */
  look(container: Container, point: MountPoint): Promise<Mounted> {
    const name = `${LOOK}${newId().slice(0, 12)}`;
    return this.take(container, point, join(this.directory(container.id), name), `${container.id}-${name}`);
  }

  private async take(container: Container, point: MountPoint, place: string, mount?: string): Promise<Mounted> {
    const mounted = await this.parts.volumes.attach(point.Name!, container.id, mount);
    if (point.subpath === undefined) return mounted;
    try {
      await this.forgetPlace(place);
      await makeDirectories(this.directory(container.id), 0o700);
      if (!(await this.parts.files.bind(mounted.path, point.subpath, place))) {
        throw new InvalidArgument(`cannot access path ${join(mounted.path, point.subpath)}: no such file or directory`);
      }
    } catch (e) {
      await this.forgetPlace(place);
      await mounted.release();
      throw e;
    }
    return this.partOf(place, mounted);
  }

  /** Takes over what a former daemon mounted. */
  async resume(container: Container, point: MountPoint): Promise<Mounted> {
    const mounted = await this.parts.volumes.resume(point.Name!, container.id);
    return this.untold(container, point, point.subpath === undefined ? mounted : this.partOf(this.place(container, point), mounted));
  }

  /** Gives up what a run left; a look gives up its own. Nothing to do is success. */
  async clear(id: ContainerId): Promise<void> {
    await this.forgetPlaces(id, (name) => !name.startsWith(LOOK));
    await this.parts.volumes.unmountLeft((mount) => mount === id);
  }

  /** At the start: gives up what containers that are not known, and a former daemon's looks, left. Plugins may take their time. */
  async sweep(known: ReadonlySet<string>): Promise<void> {
    void this.parts.volumes.unmountLeft((mount) => !known.has(mount));
    for (const id of await names(this.root)) await this.forgetPlaces(id as ContainerId, (name) => !known.has(id) || name.startsWith(LOOK));
  }

  private async forgetPlaces(id: ContainerId, which: (name: string) => boolean): Promise<void> {
    for (const name of await names(this.directory(id))) if (which(name)) await this.forgetPlace(join(this.directory(id), name));
  }

  /** With the events of a mount and its end. */
  private told(container: Container, point: MountPoint, mounted: Mounted): Mounted {
    this.emit("mount", container, point, { destination: point.Destination, "read/write": String(point.RW), propagation: point.Propagation });
    return this.untold(container, point, mounted);
  }
  private untold(container: Container, point: MountPoint, mounted: Mounted): Mounted {
    return {
      path: mounted.path,
      release: async () => {
        await mounted.release();
        this.emit("unmount", container, point, {});
      },
    };
  }
  private emit(action: string, container: Container, { Name, Driver = "" }: MountPoint, attributes: Readonly<Record<string, string>>): void {
    this.parts.events.emit({ type: "volume", action, id: Name!, attributes: { driver: Driver, container: container.id, ...attributes } });
  }

  private partOf(place: string, mounted: Mounted): Mounted {
    return {
      path: place,
      release: async () => {
        await this.forgetPlace(place);
        await mounted.release();
      },
    };
  }

  /** The volume's own files are never below it when it is removed: what is still mounted cannot be. */
  private async forgetPlace(place: string): Promise<void> {
    await this.parts.mounter.unmount(place);
    try {
      await rmdir(place);
    } catch (e) {
      if (errnoOf(e) === "ENOTDIR") await rm(place);
      else if (errnoOf(e) !== "ENOENT") throw e;
    }
    await rmdir(dirname(place)).catch((e: unknown) => { if (!["ENOENT", "ENOTEMPTY"].includes(errnoOf(e) ?? "")) throw e; });
  }

  private get root(): string {
    return join(this.parts.config.execRoot, "subpaths");
  }
  private directory(id: ContainerId): string {
    return join(this.root, id);
  }
  private place(container: Container, point: MountPoint): string {
    return join(this.directory(container.id), String(container.mounts.findIndex((m) => m.Destination === point.Destination)));
  }
}

async function names(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (e) {
    if (errnoOf(e) === "ENOENT") return [];
    throw e;
  }
}
