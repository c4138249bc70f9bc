import { chainIdsOf, type ImageConfig, type ImageId } from "@strata/oci";
import { type Clock, Conflict, type EventBus, type GarbageCollector, type GcRecords, type ImageStore, type LeaseStore, NotFound, type TrashedImage, type TrashedImages } from "../../core/index.js";
import { emitImageEvent, familiar } from "../images-names.js";
import { attribute, type Taken } from "../images-remove.js";
import type { Restored } from "./types.js";

export interface ImageTrashParts {
  readonly trashed: TrashedImages;
  readonly images: ImageStore;
  readonly leases: LeaseStore;
  readonly records: GcRecords;
  readonly collector: Pick<GarbageCollector, "collect">;
  readonly events: EventBus;
  readonly clock: Clock;
}

/** Images that runs took away, until their time of grace is over. */
export class ImageTrash {
  constructor(private readonly parts: ImageTrashParts) {}

  /** When the next one expires. */
  get next(): number | undefined { return this.parts.trashed.next(); }

  /** Lets those go whose time is over, or all; the bytes that the disk regained. Their runs tell them as freed from then on. */
  async expire(all = false): Promise<number> {
    const { trashed, records, collector, clock, images } = this.parts;
    const over = trashed.list().filter(({ expiresAt }) => all || expiresAt <= clock.now());
    if (over.length === 0) return 0;
    images.atomically(() => {
      trashed.remove(over.map(({ id }) => id));
      for (const image of over) this.note(image, image.bytes);
      records.expired(over.map(({ run }) => run));
    });
    const { items } = await collector.collect({ wait: true });
    const freed = attribute(over.map((image) => [image, partsOf(image)] as const), items);
    // What was planned may have changed by who shares it now.
    for (const [image, bytes] of freed) if (bytes !== image.bytes) this.note(image, bytes);
    return [...freed.values()].reduce((sum, bytes) => sum + bytes, 0);
  }
  private note({ run, position }: TrashedImage, freed: number): void {
    const item = this.parts.records.item(run, position);
    if (item !== undefined) this.parts.records.putItem(run, position, { ...item, outcome: "freed", freed });
  }

  /** With their names, so far as nobody has them now. They count as used. */
  async restore(run: string): Promise<Restored[]> {
    const { trashed, images, leases, records, events } = this.parts;
    const of = trashed.list().filter((image) => image.run === run).sort((a, b) => b.position - a.position);
    if (of.length === 0) throw new Conflict(`run ${run.slice(0, 12)} has nothing in the trash: it took no images, freed them at once, or their time of grace is over`);
    const restored = await leases.with("undo", async (lease) => images.atomically(() => of.map((image): Restored => {
      images.create(image.config, lease, image.parent !== null && images.has(image.parent) ? { parent: image.parent } : {});
      for (const digest of image.manifests) images.addManifest(image.id, digest);
      const own = image.names.filter((name) => [undefined, image.id].includes(holderOf(images, name)));
      for (const name of own) images.tag(image.id, name);
      images.touch(image.id);
      const item = records.item(run, image.position);
      if (item !== undefined) records.putItem(run, image.position, { ...item, outcome: "restored" });
      trashed.remove([image.id]);
      return { id: image.id, names: own.map(familiar), left: image.names.filter((name) => !own.includes(name)).map(familiar) };
    })));
    for (const { id, names } of restored) for (const name of names) emitImageEvent(events, "tag", id, name, images.get(id as ImageId).config.config?.Labels);
    records.expired([run]);
    return restored;
  }
}

function holderOf(images: ImageStore, name: string): ImageId | undefined {
  try {
    return images.resolve(name);
  } catch (e) {
    if (e instanceof NotFound) return undefined;
    throw e;
  }
}

function partsOf({ config, manifests }: TrashedImage): Taken {
  const { rootfs } = JSON.parse(config.toString()) as ImageConfig;
  return { chains: chainIdsOf(rootfs.diff_ids ?? []), blobs: manifests };
}
