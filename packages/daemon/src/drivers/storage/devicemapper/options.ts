import { InvalidArgument } from "../../../core/errors.js";
import { parseSize } from "../../../core/sizes.js";
import type { StorageOptions } from "../../../core/storage.js";
import { isBlockDevice } from "../../../kernel/block-device.js";

/** `dm.*` of `--storage-opt`, checked. Undefined: not given, so that what there is decides. Sizes are bytes. */
export interface DmOptions {
  readonly baseSize: number | undefined;
  readonly loopDataSize: number | undefined;
  readonly loopMetadataSize: number | undefined;
  readonly fs: FileSystemName | undefined;
  /** Arguments for mkfs. */
  readonly mkfsArguments: readonly string[];
  readonly mountOptions: readonly string[];
  /** Sectors of 512 bytes. */
  readonly blockSectors: number | undefined;
  /** Discards a device before it is deleted. */
  readonly discard: boolean;
  /** Below this part of the pool, in percent, nothing new is made. */
  readonly minFreePercent: number;
  readonly deferredRemoval: boolean;
  readonly deferredDeletion: boolean;
  /** How often XFS tries to write its metadata again when there is no space. */
  readonly xfsRetries: number;
  readonly place: PoolPlace;
}
export type FileSystemName = "xfs" | "ext4";

/** What the pool is made of. */
export type PoolPlace =
  | { readonly kind: "loop" }
  | { readonly kind: "devices"; readonly data: string; readonly metadata: string }
  | { readonly kind: "pool"; readonly name: string }
  | { readonly kind: "lvm"; readonly setup: LvmSetup };

/** A thin pool for LVM to make on a whole device; numbers are percent. */
export interface LvmSetup {
  readonly device: string;
  readonly poolPercent: number;
  readonly metadataPercent: number;
  readonly extendThreshold: number;
  readonly extendPercent: number;
  /** Also where the device holds something. */
  readonly force: boolean;
}

export const DEVICEMAPPER_OPTIONS = [
  "dm.basesize", "dm.loopdatasize", "dm.loopmetadatasize", "dm.fs", "dm.mkfsarg", "dm.mountopt", "dm.datadev", "dm.metadatadev", "dm.thinpooldev", "dm.blocksize", "dm.blkdiscard",
  "dm.override_udev_sync_check", "dm.min_free_space", "dm.use_deferred_removal", "dm.use_deferred_deletion", "dm.xfs_nospace_max_retries", "dm.directlvm_device", "dm.directlvm_device_force",
  "dm.thinp_percent", "dm.thinp_metapercent", "dm.thinp_autoextend_threshold", "dm.thinp_autoextend_percent",
] as const;
type OptionName = (typeof DEVICEMAPPER_OPTIONS)[number];

export const DEFAULTS = { baseSize: 10 * 2 ** 30, loopDataSize: 100 * 2 ** 30, loopMetadataSize: 2 * 2 ** 30, blockSectors: 128 } as const;
/** What the kernel's thin-pool takes, in sectors. */
const SMALLEST_BLOCK = 128, LARGEST_BLOCK = 2 ** 21;

/** InvalidArgument naming the option that makes no sense, or does not go with another. */
export function parseDmOptions(options: StorageOptions): DmOptions {
  const text = (name: OptionName): string | undefined => options.get(name);
  const size = (name: OptionName): number | undefined => { const value = text(name); return value === undefined ? undefined : parseSize(name, value); };
  const whole = (name: OptionName, fallback: number, most: number): number => {
    const value = text(name);
    if (value === undefined) return fallback;
    if (!/^\d+$/.test(value) || Number(value) > most) throw new InvalidArgument(`invalid value for ${name}: "${value}" is not a whole number from 0 to ${most}`);
    return Number(value);
  };
  const yes = (name: OptionName, fallback: boolean): boolean => {
    const value = text(name)?.toLowerCase();
    if (value === undefined) return fallback;
    if (!["true", "false", "1", "0", "t", "f"].includes(value)) throw new InvalidArgument(`invalid value for ${name}: "${value}" is neither true nor false`);
    return ["true", "1", "t"].includes(value);
  };
  const fs = text("dm.fs");
  if (fs !== undefined && fs !== "xfs" && fs !== "ext4") throw new InvalidArgument(`invalid value for dm.fs: "${fs}" is neither xfs nor ext4`);
  const blockSize = size("dm.blocksize");
  if (blockSize !== undefined && (blockSize % (SMALLEST_BLOCK * 512) !== 0 || blockSize > LARGEST_BLOCK * 512)) throw new InvalidArgument(`invalid value for dm.blocksize: "${text("dm.blocksize")!}" is not a multiple of 64K up to 1G`);
  const baseSize = size("dm.basesize");
  // Less than this holds no file system of either kind.
  if (baseSize !== undefined && baseSize < 16 * 2 ** 20) throw new InvalidArgument(`invalid value for dm.basesize: "${text("dm.basesize")!}" is less than 16M`);
  yes("dm.override_udev_sync_check", false);

  const place = placeOf(text, whole, yes);
  const deferredRemoval = yes("dm.use_deferred_removal", true);
  const deferredDeletion = yes("dm.use_deferred_deletion", deferredRemoval);
  if (deferredDeletion && !deferredRemoval) throw new InvalidArgument("dm.use_deferred_deletion=true needs dm.use_deferred_removal=true");
  const free = text("dm.min_free_space");
  if (free !== undefined && !/^\d{1,2}%$/.test(free)) throw new InvalidArgument(`invalid value for dm.min_free_space: "${free}" is not a percentage from 0% to 99%`);
  return {
    baseSize, loopDataSize: size("dm.loopdatasize"), loopMetadataSize: size("dm.loopmetadatasize"), fs,
    mkfsArguments: words(text("dm.mkfsarg"), /\s+/), mountOptions: words(text("dm.mountopt"), ","), blockSectors: blockSize === undefined ? undefined : blockSize / 512,
    discard: yes("dm.blkdiscard", place.kind === "loop"), minFreePercent: free === undefined ? 10 : parseInt(free, 10),
    deferredRemoval, deferredDeletion, xfsRetries: whole("dm.xfs_nospace_max_retries", 0, 2 ** 31 - 1), place,
  };
}

const words = (text: string | undefined, separator: string | RegExp): string[] => (text ?? "").split(separator).filter((word) => word !== "");

function placeOf(text: (name: OptionName) => string | undefined, whole: (name: OptionName, fallback: number, most: number) => number, yes: (name: OptionName, fallback: boolean) => boolean): PoolPlace {
  const data = text("dm.datadev"), metadata = text("dm.metadatadev"), pool = text("dm.thinpooldev"), disk = text("dm.directlvm_device");
  const device = (name: OptionName, path: string): string => {
    if (!isBlockDevice(path)) throw new InvalidArgument(`invalid value for ${name}: ${path} is no block device`);
    return path;
  };
  const loops = (["dm.loopdatasize", "dm.loopmetadatasize"] as const).find((name) => text(name) !== undefined);
  const ways = [["dm.thinpooldev", pool], ["dm.directlvm_device", disk], ["dm.datadev", data]].filter(([, value]) => value !== undefined).map(([name]) => name!);
  if (ways.length > 1) throw new InvalidArgument(`${ways.join(" and ")} do not go together`);
  if (ways.length === 1 && loops !== undefined) throw new InvalidArgument(`${loops} does not go with ${ways[0]!}`);
  if ((data === undefined) !== (metadata === undefined)) throw new InvalidArgument("dm.datadev and dm.metadatadev are given together or not at all");
  if (data !== undefined) return { kind: "devices", data: device("dm.datadev", data), metadata: device("dm.metadatadev", metadata!) };
  if (pool !== undefined) {
    const name = pool.replace(/^\/dev\/mapper\//, "");
    if (name === "" || name.includes("/")) throw new InvalidArgument(`invalid value for dm.thinpooldev: "${pool}" is not the name of a device below /dev/mapper`);
    return { kind: "pool", name };
  }
  if (disk === undefined) {
    const lone = (["dm.thinp_percent", "dm.thinp_metapercent", "dm.thinp_autoextend_threshold", "dm.thinp_autoextend_percent", "dm.directlvm_device_force"] as const).find((name) => text(name) !== undefined);
    if (lone !== undefined) throw new InvalidArgument(`${lone} goes with dm.directlvm_device only`);
    return { kind: "loop" };
  }
  const setup = {
    device: device("dm.directlvm_device", disk), poolPercent: whole("dm.thinp_percent", 95, 100), metadataPercent: whole("dm.thinp_metapercent", 1, 100),
    extendThreshold: whole("dm.thinp_autoextend_threshold", 80, 100), extendPercent: whole("dm.thinp_autoextend_percent", 20, 100), force: yes("dm.directlvm_device_force", false),
  };
  if (setup.poolPercent < 1 || setup.metadataPercent < 1 || setup.poolPercent + setup.metadataPercent > 100) throw new InvalidArgument("dm.thinp_percent and dm.thinp_metapercent are at least 1 each and at most 100 together");
  return { kind: "lvm", setup };
}
