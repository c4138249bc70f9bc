import { type ChainId, type DiffId, type Digest, type ImageConfig, type ImageId, InvalidReference, type Reference, chainIdsOf, digestOf, familiarName, familiarRepository, formatReference, isDigest, parseReference, repositoryOf, withDefaultTag, withPlatform } from "@strata/oci";
import { type Clock, Conflict, type Image, type ImageStore, type ImageSummary, InvalidArgument, type Lease, type LeaseStore, NotFound, type PackedSource } from "../core/index.js";
import { type Ledger, violated } from "../db/ledger.js";
import { ImageList, namesOf } from "./image-list.js";
import { afterPrefix, orNull, parseFrozen } from "./rows.js";

interface Row {
  id: ImageId; top: ChainId | null; parent: ImageId | null; size: number; stored_at: number; last_used_at: number; last_tagged_at: number | null; names: string;
}

/** Names have no spaces. */
const NAMES = "coalesce((SELECT group_concat(name, ' ' ORDER BY name) FROM reference WHERE image = image.id), '') AS names";

/** Those of the layers that are here first; then those of layers that are gone, the newest first. */
const SOURCES = `SELECT digest, size, media_type AS mediaType, repository FROM (
    SELECT digest, size, media_type, repository, 1 AS here, 0 AS id FROM packed_source WHERE diff_id = ?
    UNION ALL SELECT digest, size, media_type, repository, 0, id FROM former_source AS former WHERE diff_id = ?
      AND NOT EXISTS (SELECT 1 FROM packed_source AS known WHERE known.diff_id = former.diff_id AND known.digest = former.digest AND known.repository = former.repository)
  ) ORDER BY here DESC, id DESC`;

/** Images, their references and where their packed layers are known to be, in the ledger. */
export class LedgerImages implements ImageStore {
  private readonly listed: ImageList;

  constructor(private readonly ledger: Ledger, private readonly leases: LeaseStore, private readonly clock: Clock) {
    this.listed = new ImageList(ledger);
  }

  /** InvalidArgument for a config that is none; NotFound when a layer is not registered. */
  create(bytes: Uint8Array, lease: Lease, options: { parent?: ImageId } = {}): ImageId {
    const config = parseConfig(bytes);
    const id = digestOf<ImageId>(bytes);
    const chain = chainIdsOf(config.rootfs.diff_ids);
    const created = Date.parse(config.created ?? "");
    const now = this.clock.now();
    return this.ledger.transaction(() => {
      this.leases.hold(lease, "image", id);
      let size = 0;
      for (const chainId of chain) {
        const layer = this.ledger.sql<[string], { size: number }>("SELECT size FROM layer WHERE chain_id = ?").get(chainId);
        if (layer === undefined) throw new NotFound(`image ${id} needs layer ${chainId}, which is not registered`);
        size += layer.size;
      }
      if (options.parent !== undefined && !this.has(options.parent)) throw noImage(options.parent);
      const { changes } = this.ledger.sql<[string, string | null, string | null, number, number, string, number, number]>(
        "INSERT INTO image (id, top, parent, size, created_at, labels, stored_at, last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      ).run(id, chain.at(-1) ?? null, orNull(options.parent), size, Number.isNaN(created) ? 0 : created, JSON.stringify(config.config?.Labels ?? {}), now, now);
      if (changes === 0) {
        if (options.parent !== undefined) this.ledger.sql<[string, string, string]>("UPDATE image SET parent = ? WHERE id = ? AND parent IS NULL AND id <> ?").run(options.parent, id, options.parent);
        return id;
      }
      this.ledger.sql<[string, Uint8Array]>("INSERT INTO image_config (image, config) VALUES (?, ?)").run(id, bytes);
      for (const chainId of chain) this.ledger.sql<[string, string]>("INSERT INTO image_layer (chain, image) VALUES (?, ?)").run(chainId, id);
      return id;
    });
  }

  get(id: ImageId): Image {
    const row = this.ledger.sql<[string], Row & { config: Buffer }>(`SELECT id, top, parent, size, stored_at, last_used_at, last_tagged_at, config, ${NAMES}
      FROM image JOIN image_config ON image_config.image = image.id WHERE id = ?`).get(id);
    if (row === undefined) throw noImage(id);
    return {
      id: row.id, parent: row.parent, size: row.size, ...namesOf(row.names), storedAt: row.stored_at, lastUsedAt: row.last_used_at, lastTaggedAt: row.last_tagged_at,
      top: row.top, config: withLayers(parseFrozen<ImageConfig>(row.config.toString())),
    };
  }

  config(id: ImageId): Buffer {
    const row = this.ledger.sql<[string], { config: Buffer }>("SELECT config FROM image_config WHERE image = ?").get(id);
    if (row === undefined) throw noImage(id);
    return row.config;
  }

  /** Malformed names are InvalidArgument. A name is looked for before an ID prefix; one of several images is none of them: it may be a name that there is elsewhere. */
  resolve(text: string): ImageId {
    if (isDigest(text)) {
      if (this.has(text)) return text as ImageId;
      throw noImage(text);
    }
    const prefix = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(text)?.[1];
    // 64 hex digits and `sha256:…` cannot be names.
    const reference = prefix !== undefined && (prefix.length === 64 || text.startsWith("sha256:")) ? undefined : withDefaultTag(reading(text));
    if (reference !== undefined) {
      const named = this.ledger.sql<[string], { image: ImageId }>("SELECT image FROM reference WHERE name = ?").get(stored(reference));
      if (named !== undefined) return named.image;
    }
    if (prefix !== undefined) {
      const from = `sha256:${prefix}`;
      const found = this.ledger.sql<[string, string], { id: ImageId }>("SELECT id FROM image WHERE id >= ? AND id < ? LIMIT 2").all(from, afterPrefix(from));
      if (found.length > 1) throw new NotFound(`No such image: ${reference === undefined ? text : familiarName(reference)} (several image IDs begin with ${prefix})`);
      if (found[0] !== undefined) return found[0].id;
    }
    throw noImage(reference === undefined ? text : familiarName(reference));
  }

  tag(id: ImageId, ref: string): ImageId | null {
    const reference = withDefaultTag(reading(ref));
    const name = stored(reference), now = this.clock.now();
    // Otherwise `sha256:abc` would be both a name and the beginning of an ID.
    if (familiarRepository(reference) === "sha256") throw new InvalidArgument("refusing to create an ambiguous tag using digest algorithm as name");
    return this.ledger.transaction(() => {
      if (!this.has(id)) throw noImage(id);
      const before = this.ledger.sql<[string], { image: ImageId }>("SELECT image FROM reference WHERE name = ?").get(name);
      this.ledger.sql<[string, string, string | null, number]>("INSERT INTO reference (name, image, digest, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET image = excluded.image, created_at = excluded.created_at")
        .run(name, id, orNull(reference.digest), now);
      if (reference.digest === undefined) this.ledger.sql<[number, string]>("UPDATE image SET last_tagged_at = ? WHERE id = ?").run(now, id);
      return before?.image ?? null;
    });
  }

  untag(ref: string): boolean {
    return this.ledger.sql<[string]>("DELETE FROM reference WHERE name = ?").run(stored(withDefaultTag(reading(ref)))).changes > 0;
  }

  remove(id: ImageId): void {
    try {
      this.ledger.transaction(() => {
        this.ledger.sql<[string, string]>("UPDATE layer SET last_used_at = max(last_used_at, (SELECT last_used_at FROM image WHERE id = ?)) WHERE chain_id IN (SELECT chain FROM image_layer WHERE image = ?)").run(id, id);
        if (this.ledger.sql<[string]>("DELETE FROM image WHERE id = ?").run(id).changes === 0) throw noImage(id);
      });
    } catch (e) {
      if (violated(e) === "foreign-key") throw new Conflict(`image ${id} is used by a container or is the parent of another image`, { cause: e });
      throw e;
    }
  }

  atomically<T>(work: () => T): T {
    return this.ledger.transaction(work);
  }

  /** Newest first. */
  list(): readonly ImageSummary[] { return this.listed.all(); }
  prepareList(): Promise<void> { return this.listed.prepare(); }

  /** Layers' use is that of their images, until those go. A power cut may lose it: it only ranks what is collected first. */
  touch(id: ImageId): void {
    const now = this.clock.now();
    this.ledger.transaction(() => {
      const line = "WITH RECURSIVE line (id) AS (SELECT ? UNION SELECT image.parent FROM image JOIN line USING (id) WHERE image.parent IS NOT NULL)";
      const { changes } = this.ledger.sql<[string, number]>(`${line} UPDATE image SET last_used_at = ? WHERE id IN (SELECT id FROM line)`).run(id, now);
      if (changes === 0) throw noImage(id);
    }, { durable: false });
  }

  addSource(diffId: string, source: PackedSource): void {
    this.ledger.transaction(() => this.ledger.sql<[string, string, string, number, string]>("INSERT INTO packed_source (diff_id, digest, repository, size, media_type) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
      .run(diffId, source.digest, source.repository, source.size, source.mediaType), { durable: false });
  }

  sources(diffId: string): PackedSource[] {
    return this.ledger.sql<[string, string], PackedSource>(SOURCES).all(diffId, diffId);
  }

  addManifest(id: ImageId, digest: Digest): void {
    this.ledger.transaction(() => this.ledger.sql<[string, string]>("INSERT INTO image_manifest (image, digest) VALUES (?, ?) ON CONFLICT DO NOTHING").run(id, digest));
  }

  manifests(id: ImageId): Digest[] {
    return this.ledger.sql<[string], { digest: Digest }>("SELECT digest FROM image_manifest WHERE image = ?").all(id).map((row) => row.digest);
  }

  has(id: string): boolean {
    return this.ledger.sql<[string]>("SELECT 1 FROM image WHERE id = ?").get(id) !== undefined;
  }
}

function reading(text: string): Reference {
  try {
    return parseReference(text);
  } catch (e) {
    if (e instanceof InvalidReference) throw new InvalidArgument(e.message, { cause: e });
    throw e;
  }
}

/** Full name; with a digest the tag says nothing more. */
function stored(reference: Reference): string {
  return reference.digest === undefined ? formatReference(reference) : `${repositoryOf(reference)}@${reference.digest}`;
}

function parseConfig(bytes: Uint8Array): ImageConfig {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (e) {
    throw new InvalidArgument("the image's configuration is not JSON", { cause: e });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new InvalidArgument("the image's configuration is not an object");
  const config = withLayers(value as ImageConfig);
  const diffIds: unknown = config.rootfs.diff_ids;
  if (!Array.isArray(diffIds) || !diffIds.every((d: unknown) => typeof d === "string" && isDigest(d))) throw new InvalidArgument("the image's configuration has a malformed rootfs.diff_ids");
  return config;
}

/** An image without layers may have been written with null for none, and nothing of what it is for. */
function withLayers(config: Partial<ImageConfig> & Pick<ImageConfig, "architecture" | "os">): ImageConfig {
  return { ...withPlatform(config), rootfs: { type: "layers", diff_ids: (config.rootfs?.diff_ids as readonly DiffId[] | null | undefined) ?? [] } };
}

const noImage = (name: string): NotFound => new NotFound(`No such image: ${name}`);
