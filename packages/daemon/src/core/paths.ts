import { join } from "node:path";

/**
 * Every path of the data root, drawn once (contract: "The data root").
 *
 *   strata.db                         the ledger
 *   content/blobs/sha256/<hex>        content-addressed bytes
 *   content/ingest/<id>/              downloads under way
 *   image/<driver>/layerdb/mounts/<container>/mount-id
 *   <driver>/…                        the storage drivers
 *   containers/<id>/…                 JSON mirrors, log, /etc files
 *   volumes/<name>/_data
 *   tmp/  trash/                      both emptied at start
 */
export class DataRoot {
  constructor(readonly root: string) {}
  get ledger(): string { return join(this.root, "strata.db"); }
  get lock(): string { return join(this.root, "strata.lock"); }
  get blobs(): string { return join(this.root, "content", "blobs", "sha256"); }
  get ingests(): string { return join(this.root, "content", "ingest"); }
  get containers(): string { return join(this.root, "containers"); }
  get volumes(): string { return join(this.root, "volumes"); }
  get tmp(): string { return join(this.root, "tmp"); }
  get trash(): string { return join(this.root, "trash"); }
  driver(name: string): string { return join(this.root, name); }
  /** A directory for each driver that ever made a container's layer. */
  get images(): string { return join(this.root, "image"); }
  layerdbMounts(driver: string): string { return join(this.images, driver, "layerdb", "mounts"); }
  layerdbMount(driver: string, container: string): string { return join(this.layerdbMounts(driver), container); }
}
