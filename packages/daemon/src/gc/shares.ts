import type { ChainId, ImageId } from "@strata/oci";
import type { HeldLayer, ItemKind, LayerShares, Usage } from "../core/index.js";

interface Count { holders: number; readonly bytes: number; readonly inodes: number }
type Layer = Pick<HeldLayer, "chain">;

/**
 * What would be free if things went one after another: a layer counts with the last that holds it. Images, build
 * records and images in the trash hold layers; what containers and leases hold is never about to go.
 */
export class Shares {
  private readonly counts = new Map<ChainId, Count>();
  private readonly lines = new Map<string, Layer[]>();
  private readonly others = new Map<ChainId, number>();
  private readonly ofImages = new Map<string, Layer[]>();

  constructor(private readonly source: LayerShares) {
    const lines = source.lines();
    for (const { holder, kind, chain } of lines) {
      const key = `${kind} ${holder}`, line = this.lines.get(key);
      if (line === undefined) this.lines.set(key, [{ chain }]);
      else line.push({ chain });
      this.others.set(chain, (this.others.get(chain) ?? 0) + 1);
    }
    for (const line of lines) this.see(line);
  }

  /** What the disk would regain if this went now. */
  peek(kind: ItemKind, key: string): Usage { return this.sum(kind, key, (count) => count.holders === 1); }

  /** It goes. */
  drop(kind: ItemKind, key: string): Usage { return this.sum(kind, key, (count) => --count.holders === 0); }

  /** What build records hold that no image has. */
  recordBytes(keys: Iterable<string>): number {
    const own = new Map<ChainId, number>();
    for (const key of keys) for (const { chain } of this.lines.get(`build-record ${key}`) ?? []) own.set(chain, (own.get(chain) ?? 0) + 1);
    return [...own].reduce((sum, [chain, holders]) => {
      const count = this.counts.get(chain)!;
      return sum + (count.holders > 0 && count.holders === holders ? count.bytes : 0);
    }, 0);
  }

  /** Whether two things hold a layer together. */
  overlap(a: { readonly kind: ItemKind; readonly key: string }, b: { readonly kind: ItemKind; readonly key: string }): boolean {
    const chains = new Set(this.layersOf(a.kind, a.key).map(({ chain }) => chain));
    return this.layersOf(b.kind, b.key).some(({ chain }) => chains.has(chain));
  }

  private sum(kind: ItemKind, key: string, isLast: (count: Count) => boolean): Usage {
    let bytes = kind === "image" ? this.source.manifestBytes(key as ImageId) : 0, inodes = 0;
    for (const { chain } of this.layersOf(kind, key)) {
      const count = this.counts.get(chain)!;
      if (!isLast(count)) continue;
      bytes += count.bytes;
      inodes += count.inodes;
    }
    return { bytes, inodes };
  }

  private layersOf(kind: ItemKind, key: string): readonly Layer[] {
    if (kind !== "image") return this.lines.get(`${kind} ${key}`) ?? [];
    let layers = this.ofImages.get(key);
    if (layers === undefined) {
      const held = this.source.ofImage(key as ImageId);
      for (const layer of held) this.see(layer);
      this.ofImages.set(key, (layers = held));
    }
    return layers;
  }

  private see({ chain, bytes, inodes, images }: HeldLayer): void {
    if (!this.counts.has(chain)) this.counts.set(chain, { bytes, inodes, holders: images + (this.others.get(chain) ?? 0) });
  }
}
