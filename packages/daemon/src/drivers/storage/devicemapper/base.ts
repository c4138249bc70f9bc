import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DataLoss, InvalidArgument, messageOf, Unavailable } from "../../../core/errors.js";
import type { Logger } from "../../../core/logger.js";
import { dmRemove } from "../../../kernel/device-mapper.js";
import type { DeviceSet } from "./device-set.js";
import { growFileSystem, makeFileSystem, readUuid } from "./file-systems.js";
import type { Holds } from "./holds.js";
import { BASE, type DeviceRecord } from "./layout.js";
import { DEFAULTS, type DmOptions } from "./options.js";

/** The device with the empty file system that every first layer is a snapshot of. */
export class BaseDevice {
  constructor(private readonly set: DeviceSet, private readonly holds: Holds, private readonly options: () => DmOptions, private readonly logger: Logger) {}

  get record(): DeviceRecord {
    const record = this.set.layout.device(BASE);
    if (record === undefined) throw new DataLoss("the base device's record is gone");
    return record;
  }

  /** Makes it, makes it again where a crash or damage spoilt it (what was made from it does not need it), and grows it. */
  async prepare(): Promise<void> {
    if (!await this.sound()) await this.make();
    await this.grow(this.options().baseSize);
  }

  refuseSmaller(size: number | undefined): void {
    const now = this.set.layout.device(BASE);
    if (size !== undefined && now?.initialized === true && size < now.size) throw new InvalidArgument(`dm.basesize: the base device has ${now.size} bytes and cannot be made smaller (${size})`);
  }

  /** What is made from now on has at least this size. */
  async grow(size: number | undefined): Promise<void> {
    this.refuseSmaller(size);
    const { size: now, growing } = this.record, wanted = Math.max(size ?? 0, now);
    if (wanted > now || growing) await this.growDevice(BASE, wanted);
  }

  /** Grows an inactive device and the file system on it. */
  async growDevice(id: string, size: number): Promise<void> {
    const record = this.set.layout.device(id)!;
    // A file system smaller than its device is sound.
    await this.set.update(id, { ...record, size, growing: true });
    await this.holds.open(id, false, (mountPoint) => growFileSystem(this.holds.fileSystem, this.holds.node(id), mountPoint));
    await this.set.update(id, { ...record, size, growing: false });
  }

  private async sound(): Promise<boolean> {
    const record = this.set.layout.device(BASE);
    if (record?.initialized !== true) return false;
    const wanted = this.set.layout.set()?.BaseDeviceUUID;
    return this.holds.turn(BASE, async () => {
      try { await this.holds.activate(BASE, record); } catch (error) {
        if (!(error instanceof DataLoss)) throw error;
        throw new Unavailable(`${messageOf(error)}: is it the pool that this data root was used with?`, { cause: error });
      }
      const found = readUuid(this.holds.fileSystem, this.holds.node(BASE));
      await dmRemove(this.holds.name(BASE), { deferred: true });
      if (wanted !== undefined && found === wanted) return true;
      this.logger.error({ wanted, found }, "the base device is damaged: it is made anew. Layers and containers have their own copies");
      return false;
    });
  }

  private async make(): Promise<void> {
    const { layout } = this.set, { fileSystem } = this.holds;
    await this.holds.turn(BASE, () => dmRemove(this.holds.name(BASE), { deferred: false }));
    if (layout.device(BASE) !== undefined) await this.set.destroy(BASE);
    const record = await this.set.makeBase(this.options().baseSize ?? DEFAULTS.baseSize);
    await this.holds.turn(BASE, async () => {
      await this.holds.activate(BASE, record);
      await makeFileSystem(fileSystem, this.holds.node(BASE), this.options().mkfsArguments);
    });
    const uuid = readUuid(fileSystem, this.holds.node(BASE));
    if (uuid === undefined) throw new Unavailable(`mkfs.${fileSystem} made no file system that can be recognized`);
    const inodes = await this.holds.open(BASE, false, async (mountPoint) => {
      mkdirSync(join(mountPoint, "rootfs"), { mode: 0o755 });
      return this.holds.inodes(mountPoint);
    });
    await this.set.writeSet({ BaseDeviceUUID: uuid, BaseDeviceFilesystem: fileSystem });
    await this.set.update(BASE, { ...record, initialized: true, inodes });
  }
}
