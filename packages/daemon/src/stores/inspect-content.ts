import { stat } from "node:fs/promises";
import type { Descriptor, ImageId } from "@strata/oci";
import { type Counted, DataLoss, errnoOf, type Found, type Inspection, type Inspector, messageOf, NotFound } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import type { FileContent } from "./content.js";

/** Images that a blob belongs to: by a name with its digest, as their manifest, as a packed form of one of their layers. */
const IMAGES = `SELECT image FROM reference WHERE digest = @digest UNION SELECT image FROM image_manifest WHERE digest = @digest
  UNION SELECT image_layer.image FROM packed_source JOIN layer USING (diff_id) JOIN image_layer ON image_layer.chain = layer.chain_id WHERE packed_source.digest = @digest ORDER BY image`;

/** Blobs and downloads: what nothing knows, what is gone, what has another length; `deep`: other bytes. */
export class ContentInspector implements Inspector {
  readonly about = "content";

  constructor(private readonly ledger: Ledger, private readonly content: FileContent) {}

  async *inspect(how: Inspection): AsyncIterable<Found | Counted> {
    const blobs = [...this.content.list()];
    yield* this.orphans();
    const total = blobs.reduce((sum, { size }) => sum + (how.deep ? size : 1), 0);
    let current = 0;
    for (const blob of blobs) {
      how.signal.throwIfAborted();
      const fault = await this.faultOf(blob, how);
      if (fault !== undefined) yield fault;
      current += how.deep ? blob.size : 1;
      if (how.deep) yield { current, total };
    }
  }

  private async *orphans(): AsyncIterable<Found> {
    const { blobs, ingests } = await this.content.strays();
    for (const digest of blobs) {
      yield { kind: "blob", id: digest, problem: "orphan", detail: `${this.content.path(digest)} is no blob's`, images: [], mend: async () => (await this.content.removeStrayBlob(digest), true) };
    }
    for (const id of ingests) {
      yield { kind: "ingest", id, problem: "orphan", detail: `content/ingest/${id} is no download's`, images: [], mend: async () => (await this.content.removeStrayIngest(id), true) };
    }
  }

  private async faultOf(blob: Descriptor, how: Inspection): Promise<Found | undefined> {
    const found = await this.look(blob, how);
    // The row goes before the file: while it is there, so should the file have been.
    if (found === undefined || this.content.stat(blob.digest) === undefined) return undefined;
    const images = this.ledger.sql<object, { image: ImageId }>(IMAGES).all({ digest: blob.digest }).map(({ image }) => image);
    return { kind: "blob", id: blob.digest, ...found, images, mended: async () => (await this.look(blob, { ...how, deep: true })) === undefined };
  }

  private async look({ digest, size }: Descriptor, how: Inspection): Promise<Pick<Found, "problem" | "detail"> | undefined> {
    try {
      const found = await stat(this.content.path(digest));
      if (found.size !== size) return { problem: "corrupt", detail: `its file has ${found.size} bytes, not ${size}` };
      if (!how.deep) return undefined;
      for await (const chunk of await this.content.open(digest) as AsyncIterable<Buffer>) await how.read(chunk.length);
      return undefined;
    } catch (e) {
      how.signal.throwIfAborted();
      if (e instanceof NotFound) return undefined;
      if (errnoOf(e) === "ENOENT") return { problem: "missing", detail: "its file is gone from the disk" };
      if (e instanceof DataLoss || errnoOf(e) === "EIO") return { problem: "corrupt", detail: messageOf(e) };
      throw e;
    }
  }
}
