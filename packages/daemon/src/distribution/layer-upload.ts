import { createHash } from "node:crypto";
import { Transform, pipeline } from "node:stream";
import type { Readable } from "node:stream";
import { MediaType } from "@strata/oci";
import type { Descriptor, Digest } from "@strata/oci";
import { compressGzip } from "../archive/compress.js";
import { messageOf } from "../core/index.js";
import type { Logger } from "../core/index.js";
import type { Repository, Upload } from "./repository.js";
import { backOff, isTransient } from "./retry.js";
import type { RetryPolicy } from "./retry.js";

export interface LayerUploadOptions {
  readonly repository: Repository;
  /** The layer's tar, from its beginning each time. */
  readonly tar: () => Promise<Readable>;
  /** Told how many bytes of the tar have been read. */
  readonly progress: (bytes: number) => void;
  readonly retry: RetryPolicy;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** What is sent again after a break, at most. */
const PIECE = 8 * 1024 * 1024;

/**
 * Packs a layer and sends it: in one go, and after a break from where the registry has it. Packing gives the same bytes each time, so what
 * was sent before need not be kept.
 */
export class LayerUpload {
  #session: Upload | undefined;
  /** Bytes that the registry has. */
  #there = 0;

  constructor(private readonly options: LayerUploadOptions, session: Upload | undefined) { this.#session = session; }

  async send(): Promise<Descriptor> {
    const { repository, retry, signal, logger } = this.options;
    for (let fruitless = 1; ; ) {
      const before = this.#there;
      try {
        this.#session ??= (await repository.startUpload(signal))!;
        return await this.#stream();
      } catch (e) {
        if (signal.aborted || !isTransient(e) || fruitless >= retry.attempts) throw e;
        await backOff(retry, fruitless, e, signal);
        await this.#look();
        fruitless = this.#there > before ? 1 : fruitless + 1;
        logger.info({ offset: this.#there, reason: messageOf(e) }, "upload interrupted, going on");
      }
    }
  }

  /** After a break: what does the registry have? Nothing, where it does not say. */
  async #look(): Promise<void> {
    const session = this.#session;
    const found = session === undefined ? undefined : await this.options.repository.uploaded(session, this.options.signal).catch(() => undefined);
    [this.#session, this.#there] = [found?.upload, found?.size ?? 0];
  }

  async #stream(): Promise<Descriptor> {
    const { repository, progress, signal } = this.options;
    const hash = createHash("sha256");
    let read = 0, size = 0;
    const count = new Transform({ transform(chunk: Buffer, _, done) {
      progress(read += chunk.length);
      done(null, chunk);
    } });
    const skipped = this.#there;
    const packed = new Transform({ transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      const rest = chunk.subarray(Math.max(0, skipped - size));
      size += chunk.length;
      done(null, rest.length > 0 ? rest : undefined);
    } });
    progress(0);
    pipeline(await this.options.tar(), count, () => {});
    pipeline(compressGzip(count), packed, () => {});
    try {
      if (skipped === 0) this.#session = await repository.sendUpload(this.#session!, packed, signal);
      else await this.#pieces(packed);
      const digest = `sha256:${hash.digest("hex")}` as Digest;
      await repository.finishUpload(this.#session!, digest, signal);
      return { mediaType: MediaType.dockerLayerGzip, digest, size };
    } finally {
      // A refusal may come before everything is sent.
      packed.destroy();
    }
  }

  async #pieces(packed: Readable): Promise<void> {
    let gathered: Buffer[] = [], length = 0;
    const flush = async (): Promise<void> => {
      if (length === 0) return;
      this.#session = await this.options.repository.sendPiece(this.#session!, Buffer.concat(gathered), this.#there, this.options.signal);
      this.#there += length;
      [gathered, length] = [[], 0];
    };
    for await (const chunk of packed as AsyncIterable<Buffer>) {
      gathered.push(chunk);
      if ((length += chunk.length) >= PIECE) await flush();
    }
    await flush();
  }
}
