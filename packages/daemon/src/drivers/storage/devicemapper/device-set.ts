import { readdirSync, rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { join } from "node:path";
import { DataLoss, errnoOf, Unavailable } from "../../../core/errors.js";
import { dmInfo, whileSuspended } from "../../../kernel/device-mapper.js";
import { blocksSinceMade } from "../../../kernel/thin-metadata.js";
import { namesIn } from "../trees.js";
import { BASE, type DeviceRecord, type Layout, type SetRecord } from "./layout.js";
import type { ThinPool } from "./pool.js";
import { Turns } from "./turns.js";

/** The pool numbers its devices with 24 bits. */
const NUMBERS = 2 ** 24;

/**
 * The thin devices of a pool and what is written of them, in step. Each making or deleting is a transaction:
 * `transaction-metadata` names the device, then pool and record are changed, then the pool's transaction number is
 * advanced. Where the number was not, the device is half made or half gone, and goes.
 */
export class DeviceSet {
  private readonly turns = new Turns();
  private nextNumber: number;

  constructor(readonly layout: Layout, readonly pool: ThinPool) {
    this.nextNumber = 1;
  }

  /** Ends what a crash left under way. */
  async recover(): Promise<void> {
    for (const name of readdirSync(this.layout.records)) if (this.layout.isTemporary(name)) rmSync(join(this.layout.records, name));
    const status = await this.pool.exactStatus();
    if (status.held !== undefined && this.pool.own) await this.pool.message("release_metadata_snap");
    const open = this.layout.transaction();
    let highest = Math.max(open?.device_id ?? 0, (this.layout.set()?.next_device_id ?? 1) - 1);
    for (const name of await namesIn(this.layout.records)) {
      if (name === BASE || this.layout.isSnapshot(name)) highest = Math.max(highest, this.readable(name)?.device_id ?? 0);
    }
    this.nextNumber = highest + 1;
    if (open === undefined || open.open_transaction_id !== status.transactionId + 1) return;
    await this.deleteFromPool(open.device_id);
    if (this.readable(open.device_hash)?.device_id === open.device_id) this.layout.forgetDevice(open.device_hash);
    await this.pool.message(`set_transaction_id ${status.transactionId} ${open.open_transaction_id}`);
  }

  /** A new, empty device. */
  makeBase(size: number): Promise<DeviceRecord> { return this.make(BASE, size, 0, (number) => this.pool.message(`create_thin ${number}`)); }

  /** A device that is as `origin` is now; both are left as they are, mounted or not. */
  snapshot(id: string, origin: string, from: DeviceRecord, size: number): Promise<DeviceRecord> {
    const name = this.layout.deviceName(origin);
    return this.make(id, size, from.inodes, async (number) => {
      const take = (): Promise<void> => this.pool.message(`create_snap ${number} ${from.device_id}`);
      await (dmInfo(name) === undefined ? take() : whileSuspended(name, take));
    });
  }

  private make(id: string, size: number, inodes: number, inPool: (number: number) => Promise<void>): Promise<DeviceRecord> {
    return this.turns.take("set", async () => {
      const transaction = this.pool.status().transactionId + 1;
      const number = await this.takeNumber(id, transaction, inPool);
      const record: DeviceRecord = { device_id: number, size, transaction_id: transaction, initialized: false, deleted: false, committed: false, growing: false, inodes, inodes_below: inodes };
      try { await this.layout.writeDevice(id, record); } catch (error) {
        await this.deleteFromPool(number);
        throw error;
      }
      await this.pool.message(`set_transaction_id ${transaction - 1} ${transaction}`);
      return record;
    });
  }

  private async takeNumber(id: string, transaction: number, inPool: (number: number) => Promise<void>): Promise<number> {
    for (let attempt = 0; attempt < 1000; attempt++) {
      const number = this.nextNumber;
      this.nextNumber = number + 1 === NUMBERS ? 1 : number + 1;
      await this.layout.writeTransaction({ open_transaction_id: transaction, device_hash: id, device_id: number });
      try { await inPool(number); return number; } catch (error) {
        const code = errnoOf(error);
        if (code === "ENODATA") throw new DataLoss(`the thin pool ${this.pool.name} does not hold the device that ${id} is to be made from`, { cause: error });
        // Somebody else's device.
        if (code !== "EEXIST") throw new Unavailable(`the thin pool ${this.pool.name} makes no device (${String(code)}, it is ${this.pool.status().state})`, { cause: error });
      }
    }
    throw new Unavailable(`the thin pool ${this.pool.name} has no number left for a device`);
  }

  /** Deletes an inactive device; EBUSY when it is active. Absent is success. */
  destroy(id: string): Promise<void> {
    return this.turns.take("set", async () => {
      const record = this.readable(id);
      if (record !== undefined) {
        const transaction = this.pool.status().transactionId + 1;
        await this.layout.writeTransaction({ open_transaction_id: transaction, device_hash: id, device_id: record.device_id });
        await this.deleteFromPool(record.device_id);
        this.layout.forgetDevice(id);
        await this.pool.message(`set_transaction_id ${transaction - 1} ${transaction}`);
      } else this.layout.forgetDevice(id);
    });
  }

  update(id: string, record: DeviceRecord): Promise<void> { return this.turns.take("set", () => this.layout.writeDevice(id, record)); }
  writeSet(set: Omit<SetRecord, "next_device_id">): Promise<void> { return this.turns.take("set", () => this.layout.writeSet({ next_device_id: this.nextNumber, ...set })); }

  /** Bytes that a device has taken in the pool since it was made, its origin's not counted. */
  exclusiveBytes({ device_id: device }: DeviceRecord): Promise<number> {
    return this.turns.take("metadata", async () => {
      for (let attempt = 0; ; attempt++) {
        try { await this.pool.message("reserve_metadata_snap"); break; } catch (error) {
          if (attempt === 25) throw new Unavailable(`the metadata snapshot of the thin pool ${this.pool.name} is in use by somebody else`, { cause: error });
          await delay(200);
        }
      }
      try { return await blocksSinceMade(this.pool.metadataPath, this.pool.status().held!, device) * this.pool.blockSize; }
      finally { await this.pool.message("release_metadata_snap"); }
    });
  }

  /** A record that a power cut or a failing disk has damaged counts as none. */
  private readable(id: string): DeviceRecord | undefined {
    try { return this.layout.device(id); } catch (error) {
      if (error instanceof DataLoss) return undefined;
      throw error;
    }
  }

  private async deleteFromPool(number: number): Promise<void> {
    try { await this.pool.message(`delete ${number}`); } catch (error) {
      if (errnoOf(error) !== "ENODATA") throw error;
    }
  }
}
