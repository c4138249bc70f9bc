import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import type { Readable } from "node:stream";
import { type Container, type Mounted, NotFound, type PathStat, type TreeView, type ViewMount } from "../core/index.js";
import type { Launcher } from "./containers-launch.js";
import { emitContainer, type ContainerParts } from "./containers-parts.js";
import type { ContainerFileService } from "./types.js";
import { UndoStack } from "./undo.js";

/** What is made for every container and mounted over the image's. */
const ETC = ["hosts", "hostname", "resolv.conf"];

/** Files in and out of containers, whether they run or not, as the containers' own mounts show them (tmpfs aside). */
export class ContainerFiles implements ContainerFileService {
  constructor(private readonly parts: ContainerParts, private readonly launcher: Launcher) {}

  stat(name: string, path: string): Promise<PathStat> {
    return this.visit(name, path, (_, view) => this.parts.porter.stat(view, path));
  }

  async read(name: string, path: string): Promise<{ stat: PathStat; tar: Readable }> {
    const container = this.get(name);
    const held = await this.hold(container);
    try {
      const stat = await this.told(name, path, () => this.parts.porter.stat(held.view, path));
      const tar = this.parts.porter.read(held.view, path);
      tar.once("close", () => void held.release());
      emitContainer(this.parts, container, "archive-path");
      return { stat, tar };
    } catch (e) {
      await held.release();
      throw e;
    }
  }

  write(name: string, path: string, tar: Readable, options: { keepKinds: boolean; ownUser: boolean }): Promise<void> {
    return this.visit(name, path, async (container, view) => {
      const user = options.ownUser && container.config.User ? await this.launcher.user(container, view.root, container.config.User) : undefined;
      await this.parts.porter.write(view, path, tar, { keepKinds: options.keepKinds, ...(user === undefined ? {} : { owner: { uid: user.uid, gid: user.gid } }) });
      emitContainer(this.parts, container, "extract-to-dir");
    });
  }

  private async visit<T>(name: string, path: string, use: (container: Container, view: TreeView) => Promise<T>): Promise<T> {
    const container = this.get(name);
    const held = await this.hold(container);
    try {
      return await this.told(name, path, () => use(container, held.view));
    } finally {
      await held.release();
    }
  }

  private async told<T>(name: string, path: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw cause instanceof NotFound ? new NotFound(`Could not find the file ${path} in container ${name}`, { cause }) : cause;
    }
  }

  private async hold(container: Container): Promise<{ view: TreeView; release(): Promise<void> }> {
    const { layers, logger } = this.parts;
    const held = new UndoStack(logger, { container: container.id }), volumes = new Map<string, string>();
    try {
      let root!: Mounted;
      await held.together(
        async () => {
          root = await layers.mount(container.id);
          held.push("the root file system", () => root.release());
        },
        ...container.mounts.filter(({ Type }) => Type === "volume").map((point) => async () => {
          const mounted = await this.launcher.volumes.look(container, point);
          held.push(`volume ${point.Name}`, () => mounted.release());
          volumes.set(point.Destination, mounted.path);
        }),
      );
      return { view: { root: root.path, writable: container.hostConfig.ReadonlyRootfs !== true, mounts: this.mountsOf(container, volumes) }, release: () => held.undo() };
    } catch (e) {
      await held.undo();
      throw e;
    }
  }

  /** `volumes`: where they are mounted, by their destinations. */
  private mountsOf({ id, hostConfig, mounts }: Container, volumes: ReadonlyMap<string, string>): ViewMount[] {
    const directory = this.parts.containers.directory(id);
    const etc = ETC.map((name): ViewMount => ({ source: join(directory, name), destination: `/etc/${name}`, writable: hostConfig.ReadonlyRootfs !== true, recursive: false })).filter((m) => existsSync(m.source));
    const flat = new Set((hostConfig.Mounts ?? []).filter((m) => m.BindOptions?.NonRecursive).map((m) => posix.resolve(m.Target)));
    const own = mounts.filter((m) => m.Type !== "tmpfs").map((m): ViewMount => ({ source: volumes.get(m.Destination) ?? m.Source, destination: m.Destination, writable: m.RW, recursive: !flat.has(m.Destination) }));
    const taken = new Set(own.map((m) => m.destination));
    return [...etc.filter((m) => !taken.has(m.destination)), ...own].sort((a, b) => depth(a) - depth(b));
  }

  private get(name: string): Container {
    const { containers } = this.parts;
    return containers.get(containers.resolve(name));
  }
}

const depth = ({ destination }: ViewMount): number => destination.split("/").length;
