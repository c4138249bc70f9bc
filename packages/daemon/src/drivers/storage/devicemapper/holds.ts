import { mkdirSync, rmdirSync, rmSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { DataLoss, errnoOf, NotFound, Unavailable } from "../../../core/errors.js";
import type { MountPlan } from "../../../core/storage.js";
import { dmCreate, dmInfo, dmKeep, dmNames, dmNode, dmRemove } from "../../../kernel/device-mapper.js";
import { mountPlan, unmountAll } from "../../../kernel/mount.js";
import { mountsBelow } from "../../../kernel/mount-table.js";
import { namesIn } from "../trees.js";
import type { DeviceSet } from "./device-set.js";
import { fileSystemMount } from "./file-systems.js";
import type { DeviceRecord } from "./layout.js";
import type { DmOptions, FileSystemName } from "./options.js";
import { Turns } from "./turns.js";

interface Hold {
  /** Somebody has, or may have, a mount of it. */
  planned: boolean;
  /** How many have it open here. */
  opens: number;
}

/** Which devices are active, and why: a device is there as long as somebody holds it. */
export class Holds {
  private readonly held = new Map<string, Hold>();
  private readonly turns = new Turns();

  constructor(private readonly set: DeviceSet, readonly fileSystem: FileSystemName, private readonly options: () => DmOptions) {}

  /** Ids of the devices that are held. */
  get ids(): readonly string[] { return [...this.held.keys()]; }
  /** One after the other for one device. */
  turn<T>(id: string, work: () => Promise<T>): Promise<T> { return this.turns.take(id, work); }
  name(id: string): string { return this.set.layout.deviceName(id); }
  node(id: string): string { return dmNode(this.name(id)); }

  /** What a former daemon left: devices with mounts are held on, others are let go of. */
  async takeOver(): Promise<void> {
    const { layout } = this.set;
    for (const id of await namesIn(layout.opened)) await this.close(id);
    const mounted = new Set(mountsBelow(layout.mounts).map(({ target }) => target));
    for (const device of dmNames()) {
      const id = layout.idOf(device);
      if (id === undefined) continue;
      if (mounted.has(layout.mountPoint(id)) && layout.device(id)?.deleted === false) this.held.set(id, { planned: true, opens: 0 });
      else await dmRemove(device, { deferred: this.options().deferredRemoval });
    }
  }

  plan(id: string): Promise<void> {
    return this.turn(id, async () => {
      await this.activate(id, this.alive(id));
      this.hold(id).planned = true;
    });
  }
  unplan(id: string): Promise<void> {
    return this.turn(id, async () => {
      const hold = this.held.get(id);
      if (hold === undefined) return;
      hold.planned = false;
      await this.settle(id);
    });
  }

  /** Runs with the device mounted at a place of the driver's own. */
  async open<T>(id: string, readOnly: boolean, use: (mountPoint: string) => Promise<T>): Promise<T> {
    const point = this.set.layout.openPoint(id);
    await this.turn(id, async () => {
      await this.activate(id, this.alive(id));
      if (this.hold(id).opens++ > 0) return;
      try {
        mkdirSync(point, { recursive: true, mode: 0o700 });
        await this.mount(id, readOnly);
      } catch (error) {
        this.hold(id).opens--;
        await this.close(id);
        await this.settle(id);
        throw error;
      }
    });
    try { return await use(point); } finally {
      await this.turn(id, async () => {
        const hold = this.held.get(id);
        if (hold === undefined || --hold.opens > 0) return;
        await this.close(id);
        await this.settle(id);
      });
    }
  }
  /** While it is open: everything is written, and from now on it is mounted read-only. */
  async seal(id: string): Promise<void> {
    await this.turn(id, async () => {
      await unmountAll(this.set.layout.openPoint(id));
      await this.mount(id, true);
    });
  }
  inodes(mountPoint: string): Promise<number> { return statfs(mountPoint).then(({ files, ffree }) => files - ffree); }

  /** Within its turn: unmounts it everywhere and forgets who held it. True when the device is gone. */
  async drop(id: string): Promise<boolean> {
    this.held.delete(id);
    await unmountAll(this.set.layout.mountPoint(id));
    await this.close(id);
    return dmRemove(this.name(id), { deferred: this.options().deferredRemoval });
  }

  /** Within its turn: makes the device, or takes it as it is. */
  async activate(id: string, record: DeviceRecord): Promise<void> {
    const name = this.name(id);
    const info = dmInfo(name);
    if (info !== undefined && (!info.deferredRemove || await dmKeep(name))) return;
    try { await dmCreate(name, this.set.pool.thin(record.device_id, record.size)); } catch (error) {
      if (errnoOf(error) === "ENODATA") throw new DataLoss(`the thin pool ${this.set.pool.name} does not hold device ${record.device_id} of ${id}`, { cause: error });
      throw new Unavailable(`the device of ${id} cannot be had from the thin pool ${this.set.pool.name} (${String(errnoOf(error))})`, { cause: error });
    }
  }

  /** Lets go of every device that nobody has in use. */
  async release(): Promise<void> {
    for (const device of dmNames()) {
      const id = this.set.layout.idOf(device);
      if (id !== undefined && dmInfo(device)?.openCount === 0) await dmRemove(device, { deferred: false });
    }
  }

  private alive(id: string): DeviceRecord {
    const record = this.set.layout.device(id);
    if (record === undefined || record.deleted) throw new NotFound(`No such snapshot: ${id}`);
    return record;
  }
  private hold(id: string): Hold {
    const hold = this.held.get(id) ?? { planned: false, opens: 0 };
    this.held.set(id, hold);
    return hold;
  }
  private async settle(id: string): Promise<void> {
    const hold = this.held.get(id);
    if (hold === undefined || hold.planned || hold.opens > 0) return;
    this.held.delete(id);
    await dmRemove(this.name(id), { deferred: this.options().deferredRemoval });
  }
  private async mount(id: string, readOnly: boolean): Promise<void> {
    const plan = (ro: boolean): MountPlan => ({ target: this.set.layout.openPoint(id), mounts: [fileSystemMount(this.fileSystem, this.node(id), ro, this.options())] });
    try { await mountPlan(plan(readOnly)); } catch (error) {
      // Somebody has mounted it for writing by hand: all mounts of one device are for that, or none.
      if (!readOnly || errnoOf(error) !== "EBUSY") throw error;
      await mountPlan(plan(false));
    }
  }
  private async close(id: string): Promise<void> {
    const point = this.set.layout.openPoint(id);
    await unmountAll(point);
    // What was noted just when it was removed under its user lies beneath.
    rmSync(join(point, "id"), { force: true });
    try { rmdirSync(point); } catch (error) { if (errnoOf(error) !== "ENOENT") throw error; }
  }
}
