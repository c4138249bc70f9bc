import { createHash } from "node:crypto";
import { Transform, pipeline } from "node:stream";
import type { Readable } from "node:stream";
import type { Descriptor, Digest } from "@strata/oci";
import { messageOf } from "../core/index.js";
import type { Logger } from "../core/index.js";
import type { Repository, Upload } from "./repository.js";
import { backOff, isTransient } from "./retry.js";
import type { RetryPolicy } from "./retry.js";

export interface LayerUploadOptions {
  readonly repository: Repository;
  readonly mediaType: string;
  /** The packed layer from its beginning; the same bytes each time. */
  readonly open: () => Promise<Readable>;
  readonly retry: RetryPolicy;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** What is sent again after a break, at most. */
const PIECE = 8 * 1024 * 1024;

/** Sends a packed layer: in one go, and after a break from where the registry has it. What was sent before need not be kept. */
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
    const { repository, mediaType, signal } = this.options;
    const hash = createHash("sha256");
    let size = 0;
    const skipped = this.#there;
    const packed = new Transform({ transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      const rest = chunk.subarray(Math.max(0, skipped - size));
      size += chunk.length;
      done(null, rest.length > 0 ? rest : undefined);
    } });
    pipeline(await this.options.open(), packed, () => {});
    try {
      if (skipped === 0) this.#session = await repository.sendUpload(this.#session!, packed, signal);
      else await this.#pieces(packed);
      const digest = `sha256:${hash.digest("hex")}` as Digest;
      await repository.finishUpload(this.#session!, digest, signal);
      return { mediaType, digest, size };
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
