import type { Output } from "../../core/index.js";

/** Batches that wait for the reader before their source is told to stop. Few: what is read ahead is lost when the daemon is killed. */
const HIGH_WATER = 2;

/**
 * Batches of records between a descriptor and their one reader. `source` is held while the reader is behind or has
 * paused, so that back-pressure reaches the process.
 */
export class OutputQueue implements AsyncIterable<readonly Output[]> {
  readonly #batches: (readonly Output[])[] = [];
  #wake: (() => void) | null = null;
  #ended = false;
  #error: Error | undefined;
  #paused = false;
  #held = false;
  readonly #sources: { pause(): void; resume(): void }[] = [];

  feedFrom(source: { pause(): void; resume(): void }): void {
    this.#sources.push(source);
  }

  push(batch: readonly Output[]): void {
    if (batch.length === 0) return;
    this.#batches.push(batch);
    this.#hold();
    this.#stir();
  }

  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#stir();
  }

  pause(): void {
    this.#paused = true;
    this.#hold();
  }

  resume(): void {
    this.#paused = false;
    this.#hold();
    this.#stir();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly Output[]> {
    for (;;) {
      const batch = this.#paused ? undefined : this.#batches.shift();
      if (batch !== undefined) {
        this.#hold();
        yield batch;
      } else if (this.#ended && this.#batches.length === 0) {
        if (this.#error !== undefined) throw this.#error;
        return;
      } else {
        await new Promise<void>((resolve) => { this.#wake = resolve; });
      }
    }
  }

  #hold(): void {
    const hold = this.#paused || this.#batches.length >= HIGH_WATER;
    if (hold === this.#held) return;
    this.#held = hold;
    for (const source of this.#sources) {
      if (hold) source.pause();
      else source.resume();
    }
  }

  #stir(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

