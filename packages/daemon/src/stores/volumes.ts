import { existsSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { WorkerPool } from "../archive/workers/pool.js";
import { type Clock, type Collectable, Conflict, type DataRoot, errnoOf, InvalidArgument, type Logger, messageOf, type Mount, type Mounted, type Mounter, newId, noUsage, NotFound, type Told, type Usage, type Volume, type VolumeLimits, type VolumePlugins, type VolumeSpec, type VolumeStore } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import { Mounts } from "./mounts.js";
import { Leaving } from "./leaving.js";
import { namesIn } from "./names.js";
import { PluginVolumes } from "./plugin-volumes.js";
import { flag, parseFrozen } from "./rows.js";
import type { Trash } from "./trash.js";
import type { Figures } from "./usage/figures.js";
import type { Measurable } from "./usage/meter.js";
import { checkVolumeOptions, sizeOf, volumeMount } from "./volume-options.js";
import { makeDirectories } from "../core/make-directories.js";

interface Row { name: string; driver: string; anonymous: number; labels: string; options: string; created_at: number; size: number; stale: number; measured_at: number | null }

/**
 * Volumes: of the `local` driver (`volumes/<name>/_data`, with whatever their options say mounted on it while in use), and
 * of plugins, which keep the files themselves.
 */
export class LedgerVolumes implements VolumeStore, Collectable {
  readonly kind = "volume";
  private readonly mounts: Mounts;
  private readonly foreign: PluginVolumes;
  /** How often each is attached. */
  private readonly attached = new Map<string, number>();
  readonly measurable: Measurable = {
    kind: "volume", stale: () => this.ledger.sql<[], { name: string }>("SELECT name FROM volume WHERE stale = 1 AND driver = 'local'").all().map(({ name }) => name),
    held: (name) => this.attached.has(name), measure: (name) => this.measure(name),
  };
  /** Their directories are not made yet, or on their way out. */
  private readonly coming = new Leaving();
  private readonly leaving = new Leaving();

  constructor(
    private readonly ledger: Ledger, private readonly root: DataRoot, private readonly trash: Trash, private readonly workers: WorkerPool, mounter: Mounter,
    private readonly limits: VolumeLimits, plugins: VolumePlugins, private readonly figures: Figures, private readonly clock: Clock, private readonly logger: Logger,
  ) {
    this.mounts = new Mounts(mounter);
    this.foreign = new PluginVolumes(ledger, plugins, clock, logger);
  }

  async create(spec: VolumeSpec): Promise<Volume> {
    const there = this.ledger.sql<[string], { driver: string }>("SELECT driver FROM volume WHERE name = ?").get(spec.name ?? "")?.driver;
    const driver = spec.driver || there || "local";
    const anonymous = spec.name === undefined || spec.name === "";
    const name = anonymous ? newId<string>() : spec.name;
    if (driver === "local") {
      checkName(name);
      // What is there stays as it is, but for its size.
      if (there === undefined || spec.options?.["size"] !== undefined) checkVolumeOptions(name, spec.options ?? {});
    } else {
      await this.foreign.check(name, driver);
    }
    return this.coming.during(name, () => this.make(name, driver, anonymous, spec));
  }
  private async make(name: string, driver: string, anonymous: boolean, spec: VolumeSpec): Promise<Volume> {
    const { changes: made } = this.ledger.transaction(() => {
      const result = this.ledger.sql<[string, string, number, string, string, number, number]>("INSERT INTO volume (name, driver, anonymous, labels, options, created_at, last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
        .run(name, driver, flag(anonymous), JSON.stringify(spec.labels ?? {}), JSON.stringify(spec.options ?? {}), this.clock.now(), this.clock.now());
      if (driver === "local" && result.changes > 0) this.ledger.sql<[string]>("INSERT INTO volume_coming (volume) VALUES (?)").run(name);
      return result;
    }, { durable: false });
    const volume = this.get(name);
    if (volume.driver !== driver) throw new Conflict(`a volume named ${name} already exists with the ${volume.driver} driver`);
    const size = spec.options?.size;
    if (made === 0 && size !== undefined && size !== volume.options.size) return this.update(name, { size });
    try {
      if (driver === "local") await this.directory(volume);
      else if (made > 0) await this.foreign.create(volume);
    } catch (e) {
      if (made > 0) await this.drop(volume);
      throw e;
    }
    if (made > 0) this.ledger.transaction(() => this.ledger.sql<[string]>("DELETE FROM volume_coming WHERE volume = ?").run(name), { durable: false });
    await this.ledger.flush();
    if (made > 0) this.figures.changed("volume", name);
    return volume;
  }

  async update(name: string, options: Readonly<Record<string, string>>): Promise<Volume> {
    const volume = this.get(name);
    const other = Object.keys(options).find((key) => key !== "size");
    if (other !== undefined) throw new InvalidArgument(`Options: ${JSON.stringify(other)} of a volume cannot be changed, only its size`);
    const size = sizeOf(options);
    if (size === undefined) return volume;
    if (volume.driver !== "local") throw new InvalidArgument(`size: the volume ${name} is its plugin's (${volume.driver})`);
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
    for (const { name, driver, mountpoint, options } of this.list()) {
      const size = driver === "local" ? sizeOf(options) : undefined;
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
    // Nothing of their figures is in it; where a plugin's are, only that knows.
    const all = this.ledger.cached("volumes", () => this.ledger.sql<[], Row & { refs: string }>(`SELECT volume.*, (SELECT json_group_array(owner) FROM volume_use WHERE volume = name) AS refs FROM volume ORDER BY name`).all()
      .map((row) => ({ ...this.fromRow(row), refs: JSON.parse(row.refs) as string[] })), ["volume rows", "volume options", "volume_use", "container rows"]);
    return all.map((volume) => (volume.driver === "local" ? volume : { ...volume, mountpoint: this.foreign.place(volume.name) }));
  }

  /** Mounts with the first attach of any owner; a mount that outlived the daemon is taken over. */
  async attach(name: string, owner: string, mount = owner): Promise<Mounted> {
    this.use(name, owner);
    return this.followed(name, await this.mounted(name, mount));
  }
  private async mounted(name: string, mount: string): Promise<Mounted> {
    const volume = this.get(name);
    if (volume.driver !== "local") return this.foreign.attach(volume, mount);
    await this.directory(volume);
    const mounting = await volumeMount(volume.options);
    if (mounting === undefined) return { path: volume.mountpoint, release: async () => undefined };
    try {
      return await this.mounts.hold(name, { plan: async () => ({ target: volume.mountpoint, mounts: [mounting] }), unmounted: async () => undefined });
    } catch (e) {
      throw mountFailure(volume, mounting.options, e);
    }
  }
  /** From here on, and until it is released, what is in it may change. */
  private followed(name: string, mounted: Mounted): Mounted {
    this.attached.set(name, (this.attached.get(name) ?? 0) + 1);
    this.figures.changed("volume", name);
    let held = true;
    return {
      path: mounted.path,
      release: async () => {
        await mounted.release();
        if (!held) return;
        held = false;
        const others = this.attached.get(name)! - 1;
        if (others > 0) this.attached.set(name, others);
        else this.attached.delete(name);
        this.touch(name);
        this.figures.changed("volume", name);
      },
    };
  }

  async resume(name: string, owner: string): Promise<Mounted> {
    this.claim(name, owner);
    const volume = this.get(name);
    return this.followed(name, volume.driver === "local" ? await this.mounted(name, owner) : await this.foreign.resume(volume, owner));
  }

  unmountLeft(which: (mount: string) => boolean): Promise<void> { return this.foreign.unmountLeft(which); }
  discover(): Promise<void> { return this.foreign.discover(); }
  async told(name: string): Promise<Told | undefined> {
    const volume = this.get(name);
    return volume.driver === "local" ? undefined : this.foreign.told(volume);
  }

  use(name: string, owner: string): void {
    this.ledger.transaction(() => {
      this.claim(name, owner);
      this.touch(name);
    }, { durable: false });
  }
  private claim(name: string, owner: string): void {
    this.ledger.transaction(() => {
      this.get(name);
      this.ledger.sql<[string, string]>("INSERT INTO volume_use (volume, owner) VALUES (?, ?) ON CONFLICT DO NOTHING").run(name, owner);
    }, { durable: false });
  }
  /** It is used now. A power cut may lose it: it only ranks what goes first. */
  private touch(name: string): void {
    this.ledger.transaction(() => this.ledger.sql<[number, string]>("UPDATE volume SET last_used_at = ? WHERE name = ?").run(this.clock.now(), name), { durable: false });
  }

  /** Absent is success. */
  detach(name: string, owner: string): void {
    this.ledger.transaction(() => this.ledger.sql<[string, string]>("DELETE FROM volume_use WHERE volume = ? AND owner = ?").run(name, owner), { durable: false });
  }

  async remove(name: string, { force = false }: { readonly force?: boolean } = {}): Promise<void> {
    const volume = this.get(name);
    this.unused(name);
    if (volume.driver !== "local") await this.foreign.remove(volume, force);
    await this.leaving.during(name, async () => {
      this.ledger.transaction(() => {
        this.unused(name);
        this.ledger.sql<[string]>("DELETE FROM volume WHERE name = ?").run(name);
      });
      if (volume.driver === "local") await this.discard(dirname(volume.mountpoint));
    });
    this.figures.forget("volume", name);
  }

  /** Conflict while a container has it. */
  private unused(name: string): void {
    const owners = this.ledger.sql<[string], { owner: string }>("SELECT owner FROM volume_use WHERE volume = ?").all(name);
    if (owners.length > 0) throw new Conflict(`remove ${name}: volume is in use - [${owners.map((o) => o.owner).join(", ")}]`);
  }

  /**
   * Sum of the files' lengths, as Docker counts a volume; -1 where a plugin keeps them. From the ledger where nothing has
   * changed: somebody else may write into the directory, which its time tells of.
   */
  async usage(name: string): Promise<number> {
    const row = this.ledger.sql<[string], Row>("SELECT * FROM volume WHERE name = ?").get(name);
    if (row === undefined) throw missing(name);
    const { driver, mountpoint, options } = this.fromRow(row);
    if (driver !== "local") return -1;
    // What is mounted on it is the volume, and takes nothing here.
    if (options.type !== undefined) return (await this.workers.run("usage", { path: mountpoint })).size;
    if (row.stale === 0 && row.measured_at !== null && writtenAt(mountpoint) <= row.measured_at) return row.size;
    await this.measure(name);
    return this.ledger.sql<[string], { size: number }>("SELECT size FROM volume WHERE name = ?").get(name)?.size ?? 0;
  }

  async settledSizes(): Promise<ReadonlyMap<string, number>> {
    const sizes = new Map<string, number>();
    let begin = performance.now();
    const measured = this.ledger.cached("measured volumes", () => this.ledger.sql<[], { name: string; size: number; measuredAt: number }>(SETTLED).all(), ["volume"]);
    for (const { name, size, measuredAt } of measured) {
      if (writtenAt(`${this.root.volumes}/${name}/_data`) <= measuredAt) sizes.set(name, size);
      if (performance.now() - begin < TURN_MS) continue;
      await nextTurn();
      begin = performance.now();
    }
    return sizes;
  }

  private async measure(name: string): Promise<void> {
    const { mountpoint } = this.get(name);
    const mark = this.figures.mark("volume", name), held = this.attached.has(name), begun = this.clock.now();
    const { bytes, inodes, size } = await this.workers.run("usage", { path: dirname(mountpoint) });
    const settled = !held && !this.attached.has(name) && this.figures.settled(mark);
    this.ledger.transaction(() => this.ledger.sql<[number, number, number, number, number, string]>("UPDATE volume SET bytes = ?, inodes = ?, size = ?, measured_at = ?, stale = ? WHERE name = ?")
      .run(bytes, inodes, size, begun, flag(!settled), name), { durable: false });
  }

  /** Volumes are removed by name only. */
  forget(): void {}

  async sweep(): Promise<Usage> {
    for (const name of await namesIn(this.root.volumes)) {
      if (!this.isVolume(name)) await this.removeStray(name);
    }
    return noUsage;
  }
  private isVolume(name: string): boolean {
    return this.ledger.sql<[string]>("SELECT 1 FROM volume WHERE name = ?").get(name) !== undefined;
  }

  /** Directories that are no volume's; none of what is on its way out. */
  async strays(): Promise<string[]> {
    const strays = (await namesIn(this.root.volumes)).filter((name) => !this.isVolume(name) && !this.leaving.has(name));
    return strays.filter((name) => existsSync(join(this.root.volumes, name)));
  }
  /** As a sweep does. */
  async removeStray(name: string): Promise<void> {
    this.logger.info({ volume: name }, "removing a volume directory that belongs to no volume");
    await this.discard(join(this.root.volumes, name));
  }
  /** Volumes of ours whose directories are gone. */
  bereft(): string[] {
    const names = this.ledger.sql<[], { name: string }>("SELECT name FROM volume WHERE driver = 'local'").all().map(({ name }) => name);
    return names.filter((name) => !this.coming.has(name) && !existsSync(join(this.root.volumes, name, "_data")) && this.isVolume(name));
  }

  private async directory(volume: Volume): Promise<void> {
    await makeDirectories(dirname(volume.mountpoint), 0o701);
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
    await this.leaving.during(volume.name, async () => {
      this.ledger.transaction(() => this.ledger.sql<[string]>("DELETE FROM volume WHERE name = ?").run(volume.name), { durable: false });
      if (volume.driver === "local") await this.discard(dirname(volume.mountpoint));
    });
  }

  private fromRow(row: Row): Volume {
    return {
      name: row.name, driver: row.driver, anonymous: row.anonymous === 1, labels: parseFrozen<Record<string, string>>(row.labels), options: parseFrozen<Record<string, string>>(row.options),
      createdAt: row.created_at, mountpoint: row.driver === "local" ? join(this.root.volumes, row.name, "_data") : this.foreign.place(row.name),
    };
  }
}

/** Of those that nothing is mounted on. */
const SETTLED = "SELECT name, size, measured_at AS measuredAt FROM volume WHERE driver = 'local' AND stale = 0 AND measured_at IS NOT NULL AND json_extract(options, '$.type') IS NULL";
/** How long many are looked at before others get their turn. */
const TURN_MS = 5;

/** When a directory's entries were last written; 0 where it cannot be seen. In place: asking Node's pool for each takes ten times as long. */
function writtenAt(directory: string): number {
  try { return statSync(directory).ctimeMs; } catch { return 0; }
}

function checkName(name: string): void {
  if (name.length === 1) throw new InvalidArgument(`create ${name}: volume name is too short, names should be at least two alphanumeric characters`);
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
    throw new InvalidArgument(`create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`);
  }
  if (name.length > 255) throw new InvalidArgument(`create ${name}: volume name is too long, this server has a limit of 255 characters`);
}

/** As mount(8) would say it, in Docker's words. */
function mountFailure({ mountpoint, options }: Volume, passed: Mount["options"], cause: unknown): Error {
  const data = passed.map((word) => (typeof word === "string" ? word : word.join("="))).join(",");
  const reason = messageOf(cause).replace(/^[A-Z0-9]+: /, "").replace(/, mount '.*'$/, "");
  return new Error(`error while mounting volume '${mountpoint}': failed to mount local volume: mount ${options.device}:${mountpoint}${data === "" ? "" : `, data: ${data}`}: ${reason}`, { cause });
}

const missing = (name: string): NotFound => new NotFound(`get ${name}: no such volume`);
