import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { ioctl, ioctlAsync } from "./libc.js";

const BLKGETSIZE64 = 0x80081272, BLKDISCARD = 0x1277, BLKFLSBUF = 0x1261;

/** Bytes of a block device. */
export function deviceSize(path: string): number {
  const fd = openSync(path, "r");
  try {
    const size = Buffer.alloc(8);
    ioctl(fd, BLKGETSIZE64, size);
    return Number(size.readBigUInt64LE());
  } finally { closeSync(fd); }
}

/** Gives back what the first `bytes` of a device take below. EBUSY when it is mounted. */
export async function discardDevice(path: string, bytes: number): Promise<void> {
  const fd = openSync(path, "r+");
  try {
    const range = Buffer.alloc(16);
    range.writeBigUInt64LE(BigInt(bytes), 8);
    await ioctlAsync(fd, BLKDISCARD, range);
  } finally { closeSync(fd); }
}

/** Forgets what the page cache has of a device that others write to below it. */
export async function dropCached(fd: number): Promise<void> { await ioctlAsync(fd, BLKFLSBUF, Buffer.alloc(8)); }

/** `/dev/sdb` of `8:16`. */
export function deviceNode(numbers: string): string {
  return `/dev/${/^DEVNAME=(.*)$/m.exec(readFileSync(`/sys/dev/block/${numbers}/uevent`, "utf8"))![1]!}`;
}
export function isBlockDevice(path: string): boolean { return statSync(path, { throwIfNoEntry: false })?.isBlockDevice() ?? false; }
