import { familiarName, formatReference, type History, hostPlatform, type ImageConfig, type ImageId, parseReference, withDefaultTag } from "@strata/oci";
import { Conflict, type Container, type ContainerConfig, type ContainerId, InvalidArgument, type Layer, NotFound, rfc3339Nano } from "../core/index.js";
import { applyChanges } from "./config-changes.js";
import { mergeConfig } from "./containers-config.js";
import type { LiveContainers } from "./containers-live.js";
import { emitContainer, type ContainerParts } from "./containers-parts.js";
import { withRoom } from "./gc/with-room.js";
import { emitImageEvent } from "./images-names.js";
import type { CommitOptions } from "./types.js";

/** Makes images of what containers have become. */
export class Committer {
  constructor(private readonly parts: ContainerParts, private readonly live: LiveContainers) {}

  async commit(container: Container, options: CommitOptions): Promise<ImageId> {
    const { images, layers, leases, events, room } = this.parts;
    const ref = options.ref === undefined || options.ref === "" ? undefined : withDefaultTag(parseReference(options.ref));
    if (ref?.digest !== undefined) throw new InvalidArgument("refusing to create a tag with a digest reference");
    const config = mergeConfig(applyChanges(options.config ?? container.config, options.changes), container.config);
    const image = images.get(container.imageId);
    // Before its processes stand still: making room takes its time.
    const size = async (): Promise<number> => (await layers.usage(container.id)).bytes;
    const id = await withRoom(room, size, () => leases.with(`commit ${container.name}`, async (lease) => {
      const layer = await this.still(container, options.pause, async () => layers.register(await layers.tar({ owner: container.id }), image.top, lease))
        .catch((e: unknown) => { throw this.isGoing(container.id) ? beingRemoved(container, e) : e; });
      // Files that went while they were read are missing from the layer, and nobody was told.
      if (this.isGoing(container.id)) throw beingRemoved(container);
      const bytes = Buffer.from(JSON.stringify(committedConfig(image.config, layer, config, container, options, this.parts.clock.now())));
      return images.atomically(() => {
        const made = images.create(bytes, lease, { parent: image.id });
        if (ref !== undefined) images.tag(made, formatReference(ref));
        return made;
      });
    }));
    if (ref !== undefined) emitImageEvent(events, "tag", id, familiarName(ref), config.Labels);
    emitContainer(this.parts, container, "commit", { comment: options.message, imageID: id, imageRef: ref === undefined ? "" : familiarName(ref) });
    this.parts.collector.notify("mutation");
    return id;
  }

  private isGoing(id: ContainerId): boolean {
    try {
      const { status } = this.parts.containers.get(id).state;
      return status === "removing" || status === "dead";
    } catch (e) {
      if (e instanceof NotFound) return true;
      throw e;
    }
  }

  /** Works while the container's processes stand still, if that is wanted and it runs. */
  private async still<T>(container: Container, pause: boolean, work: () => Promise<T>): Promise<T> {
    const { run } = this.live.of(container.id);
    if (!pause || run === null || container.state.status !== "running") return work();
    try {
      await run.runtime.pause(container.id, true);
    } catch (e) {
      // What has just ended, or ends now, stands still for good.
      if ((await run.runtime.state(container.id))?.status === "running") throw e;
      return work();
    }
    emitContainer(this.parts, container, "pause");
    try {
      return await work();
    } finally {
      await run.runtime.pause(container.id, false).then(() => emitContainer(this.parts, container, "unpause"), (err: unknown) => {
        // It may have been killed meanwhile; a container that stays frozen is worth a word.
        this.parts.logger.warn({ err, container: container.id }, "a container that was paused for a commit could not be resumed");
      });
    }
  }
}

const beingRemoved = ({ id }: Container, cause?: unknown): Conflict => new Conflict(`You cannot commit container ${id} which is being removed`, { cause });

/** Tars without a member, at the two lengths in use. */
const EMPTY_TARS: ReadonlySet<string> = new Set([
  "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
  "sha256:84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652",
]);

/** The configuration of a committed image: the base's, with one history entry and, unless nothing changed, one layer more. */
export function committedConfig(base: ImageConfig, layer: Pick<Layer, "diffId">, config: ContainerConfig, container: Container, options: CommitOptions, now: number): ImageConfig {
  const empty = EMPTY_TARS.has(layer.diffId);
  const created = rfc3339Nano(now);
  const entry: History = {
    created, created_by: [container.path, ...container.args].join(" "),
    ...(options.author ? { author: options.author } : {}), ...(options.message ? { comment: options.message } : {}), ...(empty ? { empty_layer: true } : {}),
  };
  const host = hostPlatform();
  return {
    architecture: base.architecture || host.architecture,
    ...(base.variant ? { variant: base.variant } : {}),
    os: base.os || host.os,
    ...(base["os.version"] ? { "os.version": base["os.version"] } : {}),
    ...(options.author || base.author ? { author: options.author || base.author } : {}),
    created,
    container: container.id,
    config: imageDefaults(config),
    rootfs: { type: "layers", diff_ids: empty ? base.rootfs.diff_ids : [...base.rootfs.diff_ids, layer.diffId] },
    history: [...(base.history ?? []), entry],
  };
}

/** What of a container's config an image keeps: not what only this container had. */
function imageDefaults(config: ContainerConfig): ContainerConfig {
  const { Hostname: _h, Domainname: _d, AttachStdin: _i, AttachStdout: _o, AttachStderr: _e, Tty: _t, OpenStdin: _s, StdinOnce: _n, NetworkDisabled: _x, Image: _m, ...kept } = config;
  return kept;
}

