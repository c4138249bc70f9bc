import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChainId } from "@strata/oci";
import {
  AlreadyExists, type Change, type DataRoot, InvalidArgument, type Lease, type Mounted, type Mounter, NotFound, type SnapshotId, type StorageDriver, type TreeUsage, type WritableOptions,
} from "../core/index.js";
import { type Ledger, violated } from "../db/ledger.js";
import { makeMountPoints } from "./init-layer.js";
import { Leaving } from "./leaving.js";
import { Mounts } from "./mounts.js";
import { namesIn } from "./names.js";
import type { Snapshots } from "./snapshots.js";
import type { Figures } from "./usage/figures.js";

interface Row { readonly owner: string; readonly snapshot: SnapshotId; readonly init: SnapshotId; readonly parent: ChainId | null; readonly volatile: number; readonly driver: string; readonly state: string; readonly bytes: number; readonly inodes: number; readonly size: number; readonly stale: number }

/** A writable snapshot with what lies below it, ready for its driver. */
export interface Writable {
  readonly snapshot: SnapshotId;
  readonly driver: StorageDriver;
  readonly parents: readonly SnapshotId[];
}

/**
 * Containers' own layers: `<owner>-init` with the mount points, and `<owner>` on top of it.
 * An owner's name is never used again for another (containers' ids are random).
 */
export class Writables {
  private readonly mounts: Mounts;
  /** Measurements under way of what is not mounted. */
  private readonly measuring = new Map<string, Promise<TreeUsage>>();
  private readonly leaving = new Leaving();

  constructor(
    private readonly ledger: Ledger, private readonly snapshots: Snapshots, private readonly root: DataRoot, private readonly mounter: Mounter, private readonly figures: Figures,
  ) {
    this.mounts = new Mounts(mounter);
  }

  async create(owner: string, parent: ChainId | null, driverName: string, lease: Lease, options: WritableOptions): Promise<void> {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(owner)) throw new InvalidArgument(`${JSON.stringify(owner)} cannot own a layer`);
    const driver = this.snapshots.driver(driverName);
    const snapshot = owner as SnapshotId, init = `${owner}-init` as SnapshotId;
    const below = this.snapshots.stack(parent, driverName);
    this.announce(owner, parent, driverName, lease, options);
    try {
      await driver.create(init, below);
      if (options.bare !== true) await this.fill(driver, init, below);
      await driver.create(snapshot, [init, ...below], options.size === undefined ? {} : { size: options.size });
      this.writeMountId(driverName, owner, snapshot, init, parent);
      this.ledger.transaction(() => {
        this.snapshots.commitWritable(init);
        this.snapshots.commitWritable(snapshot);
      }, { durable: false });
      this.figures.changed("snapshot", snapshot);
    } catch (e) {
      await this.discard(owner, driverName, false);
      throw e;
    }
  }

  get(owner: string): Writable {
    const row = this.row(owner);
    if (row?.state !== "committed") throw new NotFound(`${owner} has no layer of its own`);
    return { snapshot: row.snapshot, driver: this.snapshots.driver(row.driver), parents: [row.init, ...this.snapshots.stack(row.parent, row.driver)] };
  }

  async mount(owner: string): Promise<Mounted> {
    const { snapshot, driver, parents } = this.get(owner);
    const mode = this.row(owner)?.volatile === 1 ? "volatile" : "rw";
    this.measuring.delete(owner);
    this.figures.changed("snapshot", snapshot);
    const mounted = await this.mounts.hold(owner, { plan: () => driver.mounts(snapshot, parents, mode), unmounted: () => driver.unmounted(snapshot) });
    return {
      path: mounted.path,
      release: async () => {
        await mounted.release();
        if (this.row(owner) !== undefined) this.figures.changed("snapshot", snapshot);
      },
    };
  }

  changes(owner: string): AsyncIterable<Change> {
    const { snapshot, driver, parents } = this.get(owner);
    return driver.changes(snapshot, parents);
  }

  held(owner: string): boolean { return this.mounts.held(owner); }

  /** What the ledger has where nothing can have changed since; else measured, and then in the ledger. */
  usage(owner: string): Promise<TreeUsage> {
    const known = this.measuring.get(owner), row = this.row(owner);
    if (known !== undefined) return known;
    if (row?.stale === 0) return Promise.resolve({ bytes: row.bytes, inodes: row.inodes, size: row.size });
    const measuring = this.measure(owner);
    if (!this.mounts.held(owner)) {
      this.measuring.set(owner, measuring);
      measuring.catch(() => undefined).finally(() => { if (this.measuring.get(owner) === measuring) this.measuring.delete(owner); });
    }
    return measuring;
  }
  settledSizes(): ReadonlyMap<string, number> {
    return this.ledger.cached("settled sizes", () => new Map(this.ledger.sql<[], [string, number]>("SELECT owner, tree_size FROM writable JOIN snapshot ON id = snapshot WHERE stale = 0").raw().all()), ["writable", "snapshot"]);
  }
  private async measure(owner: string): Promise<TreeUsage> {
    const { snapshot, driver, parents } = this.get(owner);
    const mark = this.figures.mark("snapshot", snapshot), held = this.mounts.held(owner);
    const usage = await driver.usage(snapshot, parents);
    const settled = !held && !this.mounts.held(owner) && this.figures.settled(mark);
    this.snapshots.measured(snapshot, usage, settled);
    return usage;
  }

  async release(owner: string): Promise<void> {
    const row = this.row(owner);
    this.measuring.delete(owner);
    if (row === undefined) return;
    await this.mounts.end(owner, await this.target(row));
    await this.discard(owner, row.driver, true);
    this.figures.forget("snapshot", row.snapshot);
  }
  private discard(owner: string, driver: string, made: boolean): Promise<void> {
    return this.leaving.during(owner, async () => {
      await this.snapshots.discard([owner, `${owner}-init`] as SnapshotId[], made);
      this.removeMountId(driver, owner);
    });
  }

  /** Removes `mount-id` files of layers that are gone. */
  async sweepMountIds(): Promise<void> {
    for (const { driver, owner } of await this.strayMountIds()) this.removeStrayMountId(driver, owner);
  }
  /** `mount-id` files of no layer; none of those that are on their way out. */
  async strayMountIds(): Promise<{ driver: string; owner: string }[]> {
    const found: { driver: string; owner: string }[] = [];
    for (const driver of await namesIn(this.root.images)) {
      for (const owner of await namesIn(this.root.layerdbMounts(driver))) {
        if (this.row(owner) === undefined && !this.leaving.has(owner) && !this.snapshots.isLeaving(owner as SnapshotId)) found.push({ driver, owner });
      }
    }
    return found.filter(({ driver, owner }) => existsSync(this.root.layerdbMount(driver, owner)));
  }
  /** As a sweep does. */
  removeStrayMountId(driver: string, owner: string): void {
    if (this.row(owner) === undefined) this.removeMountId(driver, owner);
  }

  /** Whether somebody has the owner's layer mounted, or it is on its way up or down, or still being made. */
  inUse(owner: string): boolean { return this.mounts.held(owner) || this.row(owner)?.state === "preparing"; }

  private row(owner: string): Row | undefined {
    return this.ledger.sql<[string], Row>("SELECT owner, snapshot, init, parent, volatile, driver, state, bytes, inodes, tree_size AS size, stale FROM writable JOIN snapshot ON snapshot.id = writable.snapshot WHERE owner = ?").get(owner);
  }

  /** Undefined where nothing is mounted, or a layer below is lost: a broken container must be removable. */
  private async target(row: Row): Promise<string | undefined> {
    try {
      const driver = this.snapshots.driver(row.driver);
      const plan = await driver.mounts(row.snapshot, [row.init, ...this.snapshots.stack(row.parent, row.driver)], "rw");
      return plan.mounts.length === 0 ? undefined : plan.target;
    } catch {
      return undefined;
    }
  }

  private announce(owner: string, parent: ChainId | null, driver: string, lease: Lease, options: WritableOptions): void {
    const snapshot = owner as SnapshotId, init = `${owner}-init` as SnapshotId;
    try {
      this.ledger.transaction(() => {
        this.snapshots.prepare(init, driver, "init", lease);
        this.snapshots.prepare(snapshot, driver, "writable", lease);
        this.ledger.sql<[string, string, string, string | null, number]>("INSERT INTO writable (owner, snapshot, init, parent, volatile) VALUES (?, ?, ?, ?, ?)").run(owner, snapshot, init, parent, options.volatile === true ? 1 : 0);
      }, { durable: false });
    } catch (e) {
      if (violated(e) === "unique") throw new AlreadyExists(`${owner} has a layer of its own already`, { cause: e });
      if (violated(e) === "foreign-key") throw new NotFound(`layer ${parent} does not exist`, { cause: e });
      throw e;
    }
  }

  /** A volatile mount: taking down any other would sync the whole file system, and nothing here needs it. */
  private async fill(driver: StorageDriver, init: SnapshotId, below: readonly SnapshotId[]): Promise<void> {
    const plan = await driver.mounts(init, below, "volatile");
    try { await this.mounter.visit(plan, makeMountPoints); } finally { await driver.unmounted(init); }
  }

  /** cAdvisor finds a container's layer by these. */
  private writeMountId(driver: string, owner: string, snapshot: SnapshotId, init: SnapshotId, parent: ChainId | null): void {
    const directory = this.root.layerdbMount(driver, owner);
    try {
      mkdirSync(directory, { mode: 0o700 });
    } catch {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    }
    writeFileSync(join(directory, "mount-id"), snapshot);
    writeFileSync(join(directory, "init-id"), init);
    if (parent !== null) writeFileSync(join(directory, "parent"), parent);
  }
  private removeMountId(driver: string, owner: string): void {
    rmSync(this.root.layerdbMount(driver, owner), { recursive: true, force: true });
  }
}
