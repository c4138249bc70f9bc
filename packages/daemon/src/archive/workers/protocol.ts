import type { WireError } from "./wire-error.js";

/** A tar in a file, as it crosses to the thread that reads it. */
export interface FileSource {
  /** Descriptor of the file, at its beginning; the sender closes it. */
  readonly fd: number;
  readonly filter: readonly [program: string, ...args: string[]] | null;
  /** It is still being written: `grown` says how far it can be read, and `end` that it is whole. */
  readonly grows: boolean;
}

/** What the threads say to each other. Buffers are transferred: a block goes to the worker full and comes back empty, unless it is to `keep` it. */
export type ToWorker =
  /** `file`: a consumer reads it by itself instead of being sent blocks. */
  | { readonly job: number; readonly type: "start"; readonly kind: string; readonly args: unknown; readonly file?: FileSource }
  | { readonly job: number; readonly type: "block"; readonly buffer: ArrayBuffer; readonly length: number; readonly keep?: true }
  | { readonly job: number; readonly type: "grown"; readonly length: number }
  /** `last`: what the job needs at its end. */
  | { readonly job: number; readonly type: "end"; readonly last: unknown }
  /** One more block of output may be sent. */
  | { readonly job: number; readonly type: "credit" }
  | { readonly job: number; readonly type: "abort" };

export type FromWorker =
  | { readonly job: number; readonly type: "taken"; readonly buffer?: ArrayBuffer }
  | { readonly job: number; readonly type: "output"; readonly buffer: ArrayBuffer; readonly offset: number; readonly length: number }
  /** The job is over, and so is its clean-up. `error` is absent after success. */
  | { readonly job: number; readonly type: "over"; readonly result?: unknown; readonly error?: WireError };

/** Blocks of output that may be under way before one is taken. */
export const OUTPUT_CREDITS = 4;
/** Blocks of input under way. */
export const INPUT_BLOCKS = 4;
export const INPUT_BLOCK = 512 * 1024;

/**
 * A job that gives output or just works, as a generator: yields a buffer that owns its memory (it is transferred), or
 * undefined to let other jobs of the thread have a turn, null to have none until the sender says more.
 * Abandoned by `return()`, so clean up in `finally`.
 */
export type Steps<Result> = Generator<Buffer | undefined | null, Result, void>;

/** A job that takes a stream, and at its end what its sender may know only then. `abort` after anything but a successful `end`. */
export interface Consumer<Result, Last = undefined> {
  write(chunk: Buffer): void;
  end(last: Last): Result;
  abort(): void;
}
