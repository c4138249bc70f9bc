import { chainIdsOf, formatReference, repositoryOf, withDefaultTag } from "@strata/oci";
import type { ChainId, ImageId } from "@strata/oci";
import { Conflict } from "../core/index.js";
import type { Clock, Container, ContainerStore, EventBus, GarbageCollector, GraphNode, ImageStore, ImageSummary, GcItem, Image, LeaseStore, Pins, PruneJournal } from "../core/index.js";
import { booleanFilter, labelsMatch, rejectUnknown, untilOf } from "./filter-match.js";
import { isDangling } from "./images-list.js";
import { emitImageEvent, familiar, isIdPrefix, readReference, repositoryName } from "./images-names.js";
import type { Filters, Removed } from "./types.js";

export interface ImageRemoverOptions {
  readonly images: ImageStore;
  readonly leases: Pick<LeaseStore, "held">;
  readonly containers: ContainerStore;
  readonly gc: GarbageCollector;
  readonly events: EventBus;
  readonly clock: Clock;
  /** Names whose images prunes leave. */
  readonly pins?: Pick<Pins, "list">;
  readonly journal?: PruneJournal;
}

/**
 * Takes images away by Docker's rules. A name loses that name, and the image goes with its last one; an ID takes all names with it, if
 * they are of one repository. Containers and child images stand in the way; some of that `force` overrides.
 */
export class ImageRemover {
  constructor(private readonly options: ImageRemoverOptions) {}

  /** Conflict says what holds the image. `prune`: parents that nothing names or uses go too. */
  async remove(name: string, options: { force: boolean; prune: boolean }): Promise<Removed[]> {
    const removal = new Removal(this.options);
    this.options.images.atomically(() => removal.remove(name, options.force, options.prune));
    return [...removal.lines, ...(await this.#collect(removal)).lines];
  }

  /**
   * Whole images with all their names, in this order, all in one transaction. `judge` says why one stays; `leave` is
   * called for one that goes, before it does. Nothing is collected.
   */
  take(ids: readonly ImageId[], judge: (image: Image) => string | undefined, leave: (image: Image) => void): Map<ImageId, Taken | NotTaken> {
    const { images } = this.options;
    const removal = new Removal(this.options);
    return images.atomically(() => new Map(ids.map((id): [ImageId, Taken | NotTaken] => {
      if (!images.has(id)) return [id, { kept: null }];
      const image = images.get(id), why = judge(image) ?? removal.obstacle(id);
      if (why !== undefined) return [id, { kept: why }];
      const taken = this.#partsOf(image);
      leave(image);
      removal.take(id);
      return [id, taken];
    })));
  }

  #partsOf({ id, config, digests }: Image): Taken {
    const { images } = this.options;
    const { diff_ids: diffIds } = config.rootfs;
    return { chains: chainIdsOf(diffIds), blobs: [...images.manifests(id), ...digests.map((name) => name.slice(name.indexOf("@") + 1)), ...diffIds.flatMap((diffId) => images.sources(diffId).map(({ digest }) => digest))] };
  }

  /** Untagged images (with `dangling=false`: all) that no container uses; pinned ones stay. */
  async prune(filters: Filters): Promise<{ removed: Removed[]; bytes: number }> {
    rejectUnknown(filters, ["dangling", "label", "label!", "until"]);
    const danglingOnly = booleanFilter(filters, "dangling") ?? true;
    const until = untilOf(filters, this.options.clock.now());
    const removal = new Removal(this.options);
    const parents = new Set(removal.all.map((i) => i.parent));
    const pins = this.options.pins?.list();
    const isPinned = ({ tags, digests }: ImageSummary): boolean => pins !== undefined && pins.size > 0 && [...tags, ...digests].some((name) => pins.has(name));
    const unused = removal.all.filter((image) => {
      const loose = danglingOnly ? isDangling(image, parents) : image.tags.length + image.digests.length > 0 || !parents.has(image.id);
      return loose && !isPinned(image) && !this.options.leases.held("image", image.id) && image.containers === 0 && image.createdAt <= until && labelsMatch(filters, image.labels);
    });
    this.options.images.atomically(() => { for (const image of unused) removal.prune(image); });
    const names = new Map(removal.all.map((i) => [i.id, i.tags[0] === undefined ? short(i.id) : familiar(i.tags[0])]));
    const { lines, bytes, own } = await this.#collect(removal);
    this.options.journal?.pruned("image", [...attribute(removal.taken, own)].reverse().map(([key, size]) => ({ kind: "image" as const, key, name: names.get(key) ?? short(key), bytes: size })));
    return { removed: [...removal.lines, ...lines], bytes };
  }

  /** Layers that went with the images, top first; their bytes on disk. */
  async #collect({ chains, loose }: Removal): Promise<{ lines: Removed[]; bytes: number; own: readonly GcItem[] }> {
    if (loose.length === 0) return { lines: [], bytes: 0, own: [] };
    const report = await this.options.gc.collect({ wait: true, from: loose });
    this.options.gc.notify("deletion");
    const gone = new Map(report.items.filter((i) => i.kind === "layer").map((i) => [i.key, i.bytes]));
    const own = [...chains].filter((c) => gone.has(c)).reverse();
    return { lines: own.map((c) => ({ deleted: c })), bytes: own.reduce((sum, c) => sum + (gone.get(c) ?? 0), 0), own: report.items };
  }
}

/** Why an image stays: null when it was gone already. */
export type NotTaken = { readonly kept: string | null };
/** What goes with an image once nothing else has it. */
export interface Taken { readonly chains: readonly ChainId[]; readonly blobs: readonly string[] }

/** Bytes of what is gone, by whom had it: shared things count with the last. */
export function attribute<K>(taken: readonly (readonly [K, Taken])[], items: readonly GcItem[]): Map<K, number> {
  const gone = new Map(items.map(({ key, bytes }) => [key, bytes]));
  const found = new Map<K, number>();
  for (const [key, { chains, blobs }] of [...taken].reverse()) {
    let sum = 0;
    for (const part of [...chains, ...blobs]) {
      sum += gone.get(part) ?? 0;
      gone.delete(part);
    }
    found.set(key, sum);
  }
  return found;
}

/** What stands in an image's way and is looked for; children and running containers always are. */
interface Checks { readonly names: boolean; readonly stopped: boolean }

const short = (id: string): string => id.replace(/^sha256:/, "").slice(0, 12);
const isRunning = (c: Container): boolean => c.state.status === "running" || c.state.status === "paused" || c.state.status === "restarting";

/** One operation, in one turn of the event loop: what it looked up at its beginning holds to its end. */
class Removal {
  readonly lines: Removed[] = [];
  /** Layers of images that went. */
  readonly chains = new Set<ChainId>();
  /** What images and names that went referred to. */
  readonly loose: GraphNode[] = [];
  readonly taken: (readonly [ImageId, Taken])[] = [];
  readonly all: readonly ImageSummary[];
  readonly #children = new Map<ImageId, number>();
  readonly #gone = new Set<ImageId>();
  readonly #users = new Map<ImageId, Container[]>();

  constructor(private readonly options: ImageRemoverOptions) {
    this.all = options.images.list();
    for (const { parent } of this.all) if (parent !== null) this.#children.set(parent, this.#childrenOf(parent) + 1);
    for (const c of options.containers.list()) this.#users.set(c.imageId, [...this.#usersOf(c.imageId), c]);
  }

  remove(name: string, force: boolean, prune: boolean): void {
    const id = this.options.images.resolve(name);
    const names = this.#names(id);
    if (isIdPrefix(id, name)) {
      if (isSingleReference(names)) {
        const conflict = this.#conflict(id, { names: false, stopped: !force });
        if (conflict !== undefined) throw conflict;
        for (const n of names) this.#untag(id, n);
      }
      this.#delete(id, force, prune, false);
      return;
    }
    const holder = this.#usersOf(id)[0];
    if (!force && holder !== undefined && isSingleReference(names)) {
      throw new Conflict(`conflict: unable to remove repository reference "${name}" (must force) - container ${short(holder.id)} is using its referenced image ${short(id)}`);
    }
    const reference = withDefaultTag(readReference(name));
    const repository = repositoryOf(reference);
    this.#untag(id, reference.digest === undefined ? formatReference(reference) : `${repository}@${reference.digest}`);
    if (reference.digest === undefined) {
      // With the last tag of a repository its digests go.
      const left = this.#names(id).filter((n) => repositoryName(n) === repository);
      if (left.every((n) => n.includes("@"))) for (const n of left) this.#untag(id, n);
    }
    if (this.#names(id).length === 0) this.#delete(id, force, prune, true);
  }

  /** All names and the image, or as far as nothing stands in the way. */
  prune(image: ImageSummary): void {
    try {
      if (image.tags.length + image.digests.length === 0) this.remove(image.id, false, true);
      // Digest references may go with the last tag, and the image with the last of them.
      for (const name of [...image.tags, ...image.digests]) if (!this.#gone.has(image.id) && this.#names(image.id).includes(name)) this.remove(name, false, true);
    } catch (e) {
      if (!(e instanceof Conflict)) throw e;
    }
  }

  /** What holds an image, whatever its names. */
  obstacle(id: ImageId): string | undefined {
    return this.#conflict(id, { names: false, stopped: true })?.message.replace(/^conflict: .* - /, "");
  }
  /** All names and the image, which nothing holds; its parents stay. */
  take(id: ImageId): void { this.#delete(id, true, false, false); }

  /** `quiet`: what stands in the way merely keeps the image. */
  #delete(id: ImageId, force: boolean, prune: boolean, quiet: boolean): void {
    const { images, events } = this.options;
    const conflict = this.#conflict(id, { names: !force, stopped: !force });
    if (conflict !== undefined) {
      if (quiet) return;
      throw conflict;
    }
    for (const n of this.#names(id)) this.#untag(id, n);
    // A stopped container keeps its image, whatever force says.
    if (this.#usersOf(id).length > 0) return;
    const { parent, config, top } = images.get(id);
    this.loose.push(...(top === null ? [] : [{ kind: "layer" as const, key: top }]), ...images.manifests(id).map((key) => ({ kind: "blob" as const, key })));
    images.remove(id);
    this.#gone.add(id);
    const chains = chainIdsOf(config.rootfs.diff_ids);
    this.taken.push([id, { chains, blobs: [] }]);
    for (const chain of chains) this.chains.add(chain);
    emitImageEvent(events, "delete", id, id, config.config?.Labels);
    this.lines.push({ deleted: id });
    if (parent === null) return;
    this.#children.set(parent, this.#childrenOf(parent) - 1);
    if (prune) this.#delete(parent, false, true, true);
  }

  #conflict(id: ImageId, checks: Checks): Conflict | undefined {
    const say = (how: string, why: string): Conflict => new Conflict(`conflict: unable to delete ${short(id)} (${how}) - ${why}`);
    if (this.#childrenOf(id) > 0) return say("cannot be forced", "image has dependent child images");
    const users = this.#usersOf(id);
    const running = users.find(isRunning);
    if (running !== undefined) return say("cannot be forced", `image is being used by running container ${short(running.id)}`);
    // A build goes on from it.
    if (this.options.leases.held("image", id)) return say("cannot be forced", "image is needed by work under way");
    if (checks.names && this.#names(id).length > 0) return say("must be forced", "image is referenced in multiple repositories");
    if (checks.stopped && users[0] !== undefined) return say("must be forced", `image is being used by stopped container ${short(users[0].id)}`);
    return undefined;
  }

  #untag(id: ImageId, name: string): void {
    const { images, events } = this.options;
    images.untag(name);
    if (name.includes("@")) this.loose.push({ kind: "blob", key: name.slice(name.indexOf("@") + 1) });
    emitImageEvent(events, "untag", id, id, images.get(id).config.config?.Labels);
    this.lines.push({ untagged: familiar(name) });
  }
  #names(id: ImageId): string[] {
    const { tags, digests } = this.options.images.get(id);
    return [...tags, ...digests];
  }
  #childrenOf(id: ImageId): number { return this.#children.get(id) ?? 0; }
  #usersOf(id: ImageId): readonly Container[] { return this.#users.get(id) ?? []; }
}

/** At most one tag, and digests of no other repository. */
function isSingleReference(names: readonly string[]): boolean {
  return names.filter((n) => !n.includes("@")).length <= 1 && new Set(names.map(repositoryName)).size <= 1;
}
