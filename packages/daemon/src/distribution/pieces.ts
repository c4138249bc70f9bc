import { DataLoss, Unavailable } from "../core/index.js";
import type { BlobBody } from "./repository.js";
import { backOff, mayResume } from "./retry.js";
import type { RetryPolicy } from "./retry.js";

/** When and how a blob comes over several connections. */
export interface PiecesPolicy {
  /** From so many bytes on. */
  readonly least: number;
  /** Bytes of a piece; as many pieces as there are connections are in memory. */
  readonly piece: number;
  readonly connections: number;
}
const MiB = 1024 * 1024;
/** Small pieces: a daemon that is killed loses those that are in memory. */
export const defaultPieces: PiecesPolicy = { least: 256 * MiB, piece: 1.5 * MiB, connections: 3 };

export interface PiecesOptions {
  /** The beginning of the first piece, which the registry gave as a range. */
  readonly first: BlobBody;
  readonly size: number;
  /** From one byte up to, and without, another. */
  readonly open: (from: number, to: number, signal: AbortSignal) => Promise<BlobBody>;
  readonly policy: PiecesPolicy;
  readonly retry: RetryPolicy;
  readonly signal: AbortSignal;
}

/** A piece that came no further is tried once more; then whoever reads begins again from what it has. */
const FRUITLESS = 2;

/** The rest of a blob, in order, while further pieces of it are on their way. A connection that breaks costs the others nothing. */
export async function* inPieces({ first, size, open, policy, retry, signal: outer }: PiecesOptions): AsyncGenerator<Buffer> {
  const over = new AbortController();
  const signal = AbortSignal.any([outer, over.signal]);
  const load = async (from: number, to: number, begun?: BlobBody): Promise<Buffer[]> => {
    const chunks: Buffer[] = [];
    let at = from, body = begun;
    for (let fruitless = 0; ; ) {
      const before = at;
      try {
        body ??= await open(at, to, signal);
        if (!body.ranged || body.offset !== at) throw new Unavailable("the registry serves ranges no longer");
        for await (const chunk of body.chunks) {
          chunks.push(chunk);
          at += chunk.length;
          if (at > to) throw new DataLoss(`the registry sends more than the ${to - before} bytes that were asked for`);
        }
        if (at === to) return chunks;
        throw new Unavailable(`unexpected EOF after ${at - from} of ${to - from} bytes`);
      } catch (e) {
        signal.throwIfAborted();
        fruitless = at > before ? 1 : fruitless + 1;
        if (fruitless > FRUITLESS || !mayResume(e)) throw e;
        body = undefined;
        await backOff(retry, fruitless, e, signal);
      }
    }
  };
  const pieces: Promise<Buffer[]>[] = [];
  let next = first.offset;
  const begin = (body?: BlobBody): void => {
    const from = next, piece = load(from, next = Math.min(from + policy.piece, size), body);
    // Its turn to fail comes when it is read.
    piece.catch(() => undefined);
    pieces.push(piece);
  };
  try {
    begin(first);
    for (;;) {
      while (next < size && pieces.length < policy.connections) begin();
      const piece = pieces.shift();
      if (piece === undefined) return;
      yield* await piece;
    }
  } finally {
    over.abort();
  }
}
