import { rm } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { Found, Selection } from "../archive/context/select.js";
import type { LayerArguments } from "../archive/context/layer-job.js";
import type { ContextEntry } from "../archive/context/entry.js";
import { decompress } from "../archive/compress.js";
import type { WorkerPool } from "../archive/workers/pool.js";
import { InvalidArgument } from "../core/errors.js";
import { toByteString } from "../kernel/byte-path.js";

/** Bytes of all files together; more is taken for a bomb. */
const LIMIT = 64 * 2 ** 30;

type Chosen = Omit<Selection, "directory">;

/** Files to build from, in a folder of their own: taken apart, never unpacked. */
export class BuildContext {
  private constructor(private readonly directory: string, private readonly workers: WorkerPool) {}

  /** Reads a tar, compressed or not. On error nothing stays. `place`: what its names are put below, and what takes the place of their first part. */
  static async read(tar: Readable, directory: string, workers: WorkerPool, place: { readonly prefix?: string; readonly top?: string } = {}): Promise<BuildContext> {
    try {
      await workers.consume("contextIndex", { directory, prefix: toByteString(place.prefix ?? ""), top: toByteString(place.top ?? ""), limit: LIMIT }, decompress(tar));
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
    return new BuildContext(directory, workers);
  }

  /** NotFound for a source that is not there. */
  find(chosen: Chosen): Promise<Found> { return this.workers.run("contextFind", { ...chosen, directory: this.directory }); }
  layer(chosen: Chosen, how: Omit<LayerArguments, "selection">): Readable {
    return this.workers.produce("contextLayer", { ...how, selection: { ...chosen, directory: this.directory } });
  }
  /** Null where nothing is; symlinks are followed inside. */
  stat(path: string): Promise<ContextEntry | null> { return this.workers.run("contextStat", { directory: this.directory, path }); }
  member(path: string): Readable { return this.workers.produce("contextMember", { directory: this.directory, path }); }

  /** Undefined where there is no such file. InvalidArgument when it has more than `limit` bytes. */
  async text(path: string, limit: number): Promise<string | undefined> {
    const found = await this.stat(path);
    if (found?.type !== "file") return undefined;
    if (found.size > limit) throw new InvalidArgument(`${path} has more than ${limit} bytes`);
    const parts: Buffer[] = [];
    for await (const part of this.member(path)) parts.push(part as Buffer);
    return Buffer.concat(parts).toString("utf8");
  }

  remove(): Promise<void> { return rm(this.directory, { recursive: true, force: true }); }
}
