import { parseReference, type ChainId, type Digest, type ImageId } from "@strata/oci";
import { type ContentStore, type Found, type ImageStore, type LayerStore, type LeaseStore, NotFound } from "../../core/index.js";
import type { Puller } from "../../distribution/pull.js";

export interface RefetcherParts {
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly content: ContentStore;
  readonly leases: LeaseStore;
  readonly puller: Puller;
}

/** Makes what is damaged anew from what is sound of it, or brings it from the registries that are known to have it. Nothing is removed before a sound one is here. */
export class Refetcher {
  constructor(private readonly parts: RefetcherParts) {}

  /** Whether all is well afterwards. Rejects with the last failure where no registry gave what is missing. */
  async fetch(found: Found, signal: AbortSignal): Promise<boolean> {
    if (found.problem === "orphan" || found.mended === undefined) return false;
    if (found.kind === "layer") await this.layer(found.id as ChainId, signal);
    else if (found.kind === "blob") await this.manifest(found.id as Digest, found.images, signal);
    return await found.mended();
  }

  private async layer(chainId: ChainId, signal: AbortSignal): Promise<void> {
    const { layers, images, puller } = this.parts;
    if (layers.has(chainId)) return;
    const { parent, diffId } = layers.get(chainId);
    // What lies below comes first: a layer is unpacked onto it.
    if (parent !== null) await this.layer(parent, signal);
    if (await this.fromItself(chainId, parent)) return;
    await firstOf(images.sources(diffId), async ({ repository, ...packed }) => { await puller.layer(parseReference(repository), { chainId, diffId, parent, packed }, signal); });
  }

  /** One whose tar is sound was only shown wrongly: it can be made of that. */
  private async fromItself(chainId: ChainId, parent: ChainId | null): Promise<boolean> {
    const { layers, leases } = this.parts;
    try {
      await leases.with("repair", async (lease) => layers.register(await layers.tar(chainId), parent, lease));
      return layers.has(chainId);
    } catch {
      return false;
    }
  }

  private async manifest(digest: Digest, ids: readonly ImageId[], signal: AbortSignal): Promise<void> {
    const { images, content, leases, puller } = this.parts;
    const known = content.stat(digest);
    if (known === undefined) return;
    const repositories = new Set(ids.flatMap((id) => [...images.get(id).digests, ...images.get(id).tags]).map((name) => { const { domain, path } = parseReference(name); return `${domain}/${path}`; }));
    await firstOf([...repositories], async (name) => {
      const { body } = await puller.manifest(parseReference(name), digest, signal);
      await leases.with("repair", (lease) => content.put(body, lease, known));
    });
  }
}

/** Tries one after the other until one succeeds. */
async function firstOf<T>(sources: readonly T[], attempt: (source: T) => Promise<void>): Promise<void> {
  let failure: unknown = new NotFound("no registry is known to have it");
  for (const source of sources) {
    try {
      return await attempt(source);
    } catch (e) {
      failure = e;
    }
  }
  throw failure;
}
