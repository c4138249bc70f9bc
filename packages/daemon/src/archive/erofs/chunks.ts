import type { Segment } from "../tar-entry.js";
import { BLOCK, BLOCK_BITS } from "./superblock.js";

/**
 * Files with holes are cut into chunks of one size, 512 << bits bytes. A chunk is a hole, or lies in the tar as it is
 * (when one run covers it and begins at a block there), or is put together in the index.
 */
export interface ChunkPlan {
  readonly bits: number;
  readonly count: number;
  /** Chunks that are put together in the index, ascending. */
  readonly composed: readonly number[];
}

/** Largest that the format can tell (5 bits). */
const MOST_BITS = 31;
/** An entry of the chunk table. */
export const CHUNK_ENTRY = 8;

/** The cut that takes the least of the index. `runs` in order, from byte `offset` of the tar. */
export function planChunks(size: number, offset: number, runs: readonly Segment[]): ChunkPlan {
  let best: { bits: number; cost: number } | undefined;
  for (let bits = 0; bits <= MOST_BITS; bits++) {
    const chunk = BLOCK * 2 ** bits;
    const cost = Math.ceil(size / chunk) * CHUNK_ENTRY + countComposed(size, offset, runs, chunk) * chunk;
    if (!best || cost < best.cost) best = { bits, cost };
    if (chunk >= size) break;
  }
  const { bits } = best!;
  const composed: number[] = [];
  for (const number of composedChunks(size, offset, runs, BLOCK * 2 ** bits)) composed.push(number);
  return { bits, count: Math.ceil(size / (BLOCK * 2 ** bits)), composed };
}

function countComposed(size: number, offset: number, runs: readonly Segment[], chunk: number): number {
  let count = 0;
  for (const _ of composedChunks(size, offset, runs, chunk)) count++;
  return count;
}

/** Chunks with data that do not lie in the tar as they are, ascending. */
function* composedChunks(size: number, offset: number, runs: readonly Segment[], chunk: number): Generator<number, void> {
  let last = -1, position = offset;
  for (const run of runs) {
    const from = Math.floor(run.offset / chunk), to = Math.floor((run.offset + run.length - 1) / chunk);
    const aligned = (position - run.offset) % BLOCK === 0;
    for (let number = aligned ? from : Math.max(from, last + 1); number <= to; number++) {
      const whole = aligned && run.offset <= number * chunk && run.offset + run.length >= Math.min(size, (number + 1) * chunk);
      // Of an aligned run only the ends can be cut.
      if (whole) { number = Math.max(number, to - 1); continue; }
      if (number > last) yield (last = number);
    }
    position += run.length;
  }
}

/** Writes the chunk table at `at`. `composedAt` is the block of the index where the first composed chunk lies. */
export function writeChunks(out: Buffer, at: number, plan: ChunkPlan, offset: number, runs: readonly Segment[], composedAt: number): void {
  const chunk = BLOCK * 2 ** plan.bits;
  out.fill(0xff, at, at + plan.count * CHUNK_ENTRY);
  const entry = (number: number, device: number, block: number): void => {
    out.writeUInt16LE(0, at + number * CHUNK_ENTRY);
    out.writeUInt16LE(device, at + number * CHUNK_ENTRY + 2);
    out.writeUInt32LE(block, at + number * CHUNK_ENTRY + 4);
  };
  let position = offset;
  for (const run of runs) {
    if ((position - run.offset) % BLOCK === 0) {
      for (let number = Math.ceil(run.offset / chunk); number * chunk < run.offset + run.length; number++) entry(number, 1, (position + number * chunk - run.offset) / BLOCK);
    }
    position += run.length;
  }
  // Over what a run alone could not fill.
  for (const [i, number] of plan.composed.entries()) entry(number, 0, composedAt + i * (chunk >> BLOCK_BITS));
}

/** Fills `out` with chunk `number`, reading the tar by `read(buffer, position)`. */
export function composeChunk(out: Buffer, number: number, chunk: number, offset: number, runs: readonly Segment[], read: (into: Buffer, position: number) => void): void {
  const start = number * chunk;
  let position = offset;
  for (const run of runs) {
    const from = Math.max(start, run.offset), to = Math.min(start + chunk, run.offset + run.length);
    if (from < to) read(out.subarray(from - start, to - start), position + from - run.offset);
    position += run.length;
  }
}
