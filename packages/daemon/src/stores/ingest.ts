import type { FileHandle } from "node:fs/promises";
import type { Descriptor, Digest } from "@strata/oci";
import { Conflict, DataLoss, type Ingest, type Lease } from "../core/index.js";
import type { Sink } from "./ingest-sink.js";

/** What an ingest needs of the store that opened it. */
export interface IngestHome {
  /** The bytes are complete and verified: make them the blob. Closes the file. */
  keep(file: FileHandle, found: { digest: Digest; size: number }, lease: Lease): Promise<Descriptor>;
  /** Forget the ingest and its bytes. */
  drop(): Promise<void>;
  /** The ingest is closed, whichever way. */
  closed(): void;
}

/** An ingest that writes to `<id>/data`. One caller at a time; after `commit`, `abort` or DataLoss it is closed. */
export class FileIngest implements Ingest {
  private open = true;
  private sink: Sink | undefined;
  private verdict: { digest: Digest; size: number } | undefined;

  constructor(
    private readonly home: IngestHome, readonly path: string, private readonly file: FileHandle, private readonly expected: Partial<Descriptor>,
    private readonly sinkFrom: (file: FileHandle, size: number) => Sink, private position: number,
  ) {}

  get offset(): number { return this.position; }
  get written(): number { return this.sink?.written ?? this.position; }

  async write(chunk: Uint8Array): Promise<void> {
    this.mustBeOpen();
    this.verdict = undefined;
    this.sink ??= this.sinkFrom(this.file, this.position);
    // A chunk that was handed over is empty afterwards.
    const { length } = chunk;
    await this.sink.write(chunk);
    this.position += length;
  }

  async truncate(): Promise<void> {
    this.mustBeOpen();
    await this.letGo(false);
    await this.file.truncate(0);
    this.position = 0;
    this.verdict = undefined;
  }

  async check(): Promise<void> {
    await this.verify();
  }

  async commit(lease: Lease): Promise<Descriptor> {
    const found = await this.verify();
    try {
      return await this.home.keep(this.file, found, lease);
    } finally {
      this.close();
    }
  }

  async abort(keep: boolean): Promise<void> {
    if (!this.open) return;
    try {
      await this.letGo(keep);
      await this.file.close();
      if (!keep || this.position === 0) await this.home.drop();
    } finally {
      this.close();
    }
  }

  private async verify(): Promise<{ digest: Digest; size: number }> {
    this.mustBeOpen();
    const found = (this.verdict ??= { digest: `sha256:${await this.whole()}` as Digest, size: this.position });
    const { digest, size } = this.expected;
    const wrong = size !== undefined && size !== found.size ? `it has ${found.size} bytes, not ${size}` : digest !== undefined && digest !== found.digest ? `its bytes have digest ${found.digest}` : undefined;
    if (wrong === undefined) return found;
    await this.abort(false);
    throw new DataLoss(`${digest ?? "the content"} could not be verified: ${wrong}`);
  }

  private whole(): Promise<string> {
    const sink = this.sink ?? this.sinkFrom(this.file, this.position);
    this.sink = undefined;
    return sink.finish();
  }
  /** The file is not written after this; `keep`: but what it was given is in it. */
  private async letGo(keep: boolean): Promise<void> {
    const { sink } = this;
    this.sink = undefined;
    if (keep) await sink?.finish().catch(() => undefined);
    else await sink?.abandon();
  }

  private mustBeOpen(): void {
    if (!this.open) throw new Conflict("the ingest is closed");
  }
  private close(): void {
    this.open = false;
    this.home.closed();
  }
}

/** What a complete ingest needs of the store that has the blob. */
export interface BlobHome {
  hold(lease: Lease): void;
  /** Reads it to its end. DataLoss when it is damaged: it is forgotten then. */
  check(): Promise<void>;
}

/** What `ingest` gives for a blob that is there already: nothing is left to write. */
export class CompleteIngest implements Ingest {
  constructor(private readonly home: BlobHome, private readonly blob: Descriptor, readonly path: string) {}
  get offset(): number { return this.blob.size; }
  get written(): number { return this.blob.size; }
  async write(chunk: Uint8Array): Promise<void> {
    if (chunk.length > 0) throw new Conflict(`blob ${this.blob.digest} is complete already`);
  }
  /** The blob stays: whoever fetches it again finds that it exists. */
  async truncate(): Promise<void> {
    throw new Conflict(`blob ${this.blob.digest} is complete already`);
  }
  check(): Promise<void> { return this.home.check(); }
  async commit(lease: Lease): Promise<Descriptor> {
    this.home.hold(lease);
    return this.blob;
  }
  async abort(): Promise<void> {}
}
