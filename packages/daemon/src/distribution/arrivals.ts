import type { ChainId } from "@strata/oci";

/** How far a layer is that several pulls may wait for. */
interface Arrival { readonly size: number; pulls: number; fetched: number; applied: number }
/** Of a layer's stages, those that tell how much of it is on disk. */
interface Stage { readonly stage: string; readonly current?: number }

/** Bytes of a layer's tree, for each byte of its packed form. */
const UNPACKED = 2;

/** Layers that pulls bring in, each counted once: what is still to be written for them. */
export class Arrivals {
  readonly #layers = new Map<ChainId, Arrival>();

  /** A pull brings these in, of so many packed bytes. */
  join(layers: readonly (readonly [ChainId, number])[]): void {
    for (const [chain, size] of layers) {
      const known = this.#layers.get(chain);
      if (known === undefined) this.#layers.set(chain, { size, pulls: 1, fetched: 0, applied: 0 });
      else known.pulls++;
    }
  }
  leave(chains: readonly ChainId[]): void {
    for (const chain of chains) {
      const known = this.#layers.get(chain);
      if (known !== undefined && --known.pulls === 0) this.#layers.delete(chain);
    }
  }

  note(chain: ChainId, { stage, current }: Stage): void {
    const known = this.#layers.get(chain);
    if (known === undefined) return;
    if (stage === "downloading") known.fetched = current!;
    else if (stage === "complete") known.fetched = known.size;
    else if (stage === "extracting") known.applied = current!;
    else if (stage === "done") known.fetched = known.applied = known.size;
  }

  /** What was unpacked of those that are not whole is gone; what was fetched stays. */
  failed(chains: readonly ChainId[]): void {
    for (const chain of chains) {
      const known = this.#layers.get(chain);
      if (known !== undefined && known.applied < known.size) known.applied = 0;
    }
  }

  /** A pull's part of what these layers will still take; what several pulls wait for they share. */
  bytes(chains: readonly ChainId[]): number {
    return chains.reduce((sum, chain) => {
      const known = this.#layers.get(chain);
      return known === undefined ? sum : sum + (Math.max(0, known.size - known.fetched) + Math.max(0, known.size - known.applied) * UNPACKED) / known.pulls;
    }, 0);
  }
}
