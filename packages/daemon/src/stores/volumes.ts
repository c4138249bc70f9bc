import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { WorkerPool } from "../archive/workers/pool.js";
import { type Clock, type Collectable, Conflict, type DataRoot, errnoOf, InvalidArgument, type Logger, type Mounted, type Mounter, newId, noUsage, NotFound, type Usage, type Volume, type VolumeLimits, type VolumeSpec, type VolumeStore } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import { Mounts } from "./mounts.js";
import { namesIn } from "./names.js";
import { flag, parseFrozen } from "./rows.js";
import type { Trash } from "./trash.js";
import { checkVolumeOptions, sizeOf, volumeMount } from "./volume-options.js";

interface Row { name: string; driver: string; anonymous: number; labels: string; options: string; created_at: number }

/** Volumes of the `local` driver: `volumes/<name>/_data`, with whatever their options say mounted on it while in use. */
export class LocalVolumes implements VolumeStore, Collectable {
  readonly kind = "volume";
  private readonly mounts: Mounts;

  constructor(
    private readonly ledger: Ledger, private readonly root: DataRoot, private readonly trash: Trash, private readonly workers: WorkerPool, mounter: Mounter,
    private readonly limits: VolumeLimits, private readonly clock: Clock, private readonly logger: Logger,
  ) {
    this.mounts = new Mounts(mounter);
  }

  async create(spec: VolumeSpec): Promise<Volume> {
    const driver = spec.driver === undefined || spec.driver === "" ? "local" : spec.driver;
    if (driver !== "local") throw new NotFound(`plugin ${JSON.stringify(driver)} not found`);
    const anonymous = spec.name === undefined || spec.name === "";
    const name = anonymous ? newId<string>() : spec.name;
    checkName(name);
    checkVolumeOptions(spec.options ?? {});
    const { changes: made } = this.ledger.transaction(() => this.ledger.sql<[string, string, number, string, string, number]>("INSERT INTO volume (name, driver, anonymous, labels, options, created_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
      .run(name, driver, flag(anonymous), JSON.stringify(spec.labels ?? {}), JSON.stringify(spec.options ?? {}), this.clock.now()), { durable: false });
    const volume = this.get(name);
    if (volume.driver !== driver) throw new Conflict(`a volume named ${name} already exists with the ${volume.driver} driver`);
    const size = spec.options?.size;
    if (made === 0 && size !== undefined && size !== volume.options.size) return this.update(name, { size });
    try {
      await this.directory(volume);
    } catch (e) {
      if (made > 0) await this.drop(volume);
      throw e;
    }
    await this.ledger.flush();
    return volume;
  }

  async update(name: string, options: Readonly<Record<string, string>>): Promise<Volume> {
    const volume = this.get(name);
    const other = Object.keys(options).find((key) => key !== "size");
    if (other !== undefined) throw new InvalidArgument(`Options: ${JSON.stringify(other)} of a volume cannot be changed, only its size`);
    const size = sizeOf(options);
    if (size === undefined) return volume;
    if (volume.options.type !== undefined) throw new InvalidArgument(`size: the volume ${name} is a mount of its own (${volume.options.type})`);
    await this.directory(volume);
    await this.limits.apply(volume.mountpoint, size);
    this.ledger.transaction(() => {
      this.get(name);
      this.ledger.sql<[string, string]>("UPDATE volume SET options = ? WHERE name = ?").run(JSON.stringify({ ...volume.options, ...options }), name);
    });
    return this.get(name);
  }

  /** After a start: sizes hold again where their directories lost them. What cannot be is logged. */
  async restoreLimits(): Promise<void> {
    for (const { name, mountpoint, options } of this.list()) {
      const size = sizeOf(options);
      if (size === undefined || !existsSync(mountpoint)) continue;
      try {
        await this.limits.apply(mountpoint, size);
      } catch (err) {
        this.logger.error({ err, volume: name }, "a volume is not held to its size");
      }
    }
  }

  get(name: string): Volume {
    const row = this.ledger.sql<[string], Row>("SELECT * FROM volume WHERE name = ?").get(name);
    if (row === undefined) throw missing(name);
    return this.fromRow(row);
  }

  list(): Iterable<Volume & { readonly refs: readonly string[] }> {
    return this.ledger.sql<[], Row & { refs: string }>(`SELECT volume.*, (SELECT json_group_array(owner) FROM volume_use WHERE volume = name) AS refs FROM volume ORDER BY name`).all()
      .map((row) => ({ ...this.fromRow(row), refs: JSON.parse(row.refs) as string[] }));
  }

  /** Mounts with the first attach of any owner; a mount that outlived the daemon is taken over. */
  async attach(name: string, owner: string): Promise<Mounted> {
    this.use(name, owner);
    const volume = this.get(name);
    await this.directory(volume);
    const mount = await volumeMount(volume.options);
    if (mount === undefined) return { path: volume.mountpoint, release: async () => undefined };
    return this.mounts.hold(name, { plan: async () => ({ target: volume.mountpoint, mounts: [mount] }), unmounted: async () => undefined });
  }

  use(name: string, owner: string): void {
    this.ledger.transaction(() => {
      this.get(name);
      this.ledger.sql<[string, string]>("INSERT INTO volume_use (volume, owner) VALUES (?, ?) ON CONFLICT DO NOTHING").run(name, owner);
    }, { durable: false });
  }

  /** Absent is success. */
  detach(name: string, owner: string): void {
    this.ledger.transaction(() => this.ledger.sql<[string, string]>("DELETE FROM volume_use WHERE volume = ? AND owner = ?").run(name, owner), { durable: false });
  }

  async remove(name: string): Promise<void> {
    const volume = this.get(name);
    this.ledger.transaction(() => {
      const owners = this.ledger.sql<[string], { owner: string }>("SELECT owner FROM volume_use WHERE volume = ?").all(name);
      if (owners.length > 0) throw new Conflict(`remove ${name}: volume is in use - [${owners.map((o) => o.owner).join(", ")}]`);
      this.ledger.sql<[string]>("DELETE FROM volume WHERE name = ?").run(name);
    });
    await this.discard(dirname(volume.mountpoint));
  }

  /** Sum of the files' lengths, as Docker counts a volume. */
  async usage(name: string): Promise<number> {
    return (await this.workers.run("usage", { path: this.get(name).mountpoint })).size;
  }

  /** Volumes are removed by name only. */
  forget(): void {}

  async sweep(): Promise<Usage> {
    for (const name of await namesIn(this.root.volumes)) {
      if (this.ledger.sql<[string]>("SELECT 1 FROM volume WHERE name = ?").get(name) !== undefined) continue;
      this.logger.info({ volume: name }, "removing a volume directory that belongs to no volume");
      await this.discard(join(this.root.volumes, name));
    }
    return noUsage;
  }

  private async directory(volume: Volume): Promise<void> {
    await mkdir(dirname(volume.mountpoint), { recursive: true, mode: 0o701 });
    const size = sizeOf(volume.options);
    if (size !== undefined && !existsSync(volume.mountpoint)) return this.limits.apply(volume.mountpoint, size);
    await mkdir(volume.mountpoint, { mode: 0o755 }).catch((e: unknown) => { if (errnoOf(e) !== "EEXIST") throw e; });
  }

  private async discard(directory: string): Promise<void> {
    await this.limits.release(join(directory, "_data"));
    await this.trash.discard(directory);
  }
  /** Takes back a volume whose directory could not be made. */
  private async drop(volume: Volume): Promise<void> {
    this.ledger.transaction(() => this.ledger.sql<[string]>("DELETE FROM volume WHERE name = ?").run(volume.name), { durable: false });
    await this.discard(dirname(volume.mountpoint));
  }

  private fromRow(row: Row): Volume {
    return {
      name: row.name, driver: row.driver, anonymous: row.anonymous === 1, labels: parseFrozen<Record<string, string>>(row.labels), options: parseFrozen<Record<string, string>>(row.options),
      createdAt: row.created_at, mountpoint: join(this.root.volumes, row.name, "_data"),
    };
  }
}

function checkName(name: string): void {
  if (name.length === 1) throw new InvalidArgument("volume name is too short, names should be at least two alphanumeric characters");
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
    throw new InvalidArgument(`create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`);
  }
  if (name.length > 255) throw new InvalidArgument(`create ${name}: volume name is too long, this server has a limit of 255 characters`);
}

const missing = (name: string): NotFound => new NotFound(`get ${name}: no such volume`);
