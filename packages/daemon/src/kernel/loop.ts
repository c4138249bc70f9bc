import { readFileSync, statSync } from "node:fs";
import { errnoOf } from "../core/errors.js";
import { AT_FDCWD, close, ioctl, ioctlNumber, O_RDONLY, openat } from "./libc.js";

const LOOP_CONFIGURE = 0x4c0a, LOOP_CTL_GET_FREE = 0x4c82, LOOP_SET_CAPACITY = 0x4c07;
const LO_FLAGS_READ_ONLY = 1, LO_FLAGS_AUTOCLEAR = 4;
const O_RDWR = 2;
/** struct loop_config: descriptor, block size, struct loop_info64 (flags at 52, file name at 56 of its 232 bytes), 64 reserved. */
const CONFIG = 304, FLAGS_AT = 8 + 52, NAME_AT = 8 + 56;
const PATIENCE = 32;

/** A block device that is a file; it is gone when nothing mounts it or has it open any more. */
export interface LoopDevice {
  readonly path: string;
  /** Closes our descriptor. */
  close(): void;
}

/** Attaches a file to a free loop device. Linux 5.8. */
export function attachLoop(file: string, { writable = false }: { readonly writable?: boolean } = {}): LoopDevice {
  const access = writable ? O_RDWR : O_RDONLY;
  const backing = openat(AT_FDCWD, file, access);
  try {
    for (let attempt = 0; ; attempt++) {
      const control = openat(AT_FDCWD, "/dev/loop-control", O_RDWR);
      let number: number;
      try { number = ioctlNumber(control, LOOP_CTL_GET_FREE); } finally { close(control); }
      const path = `/dev/loop${number}`;
      const device = openat(AT_FDCWD, path, access);
      const config = Buffer.alloc(CONFIG);
      config.writeUInt32LE(backing, 0);
      config.writeUInt32LE((writable ? 0 : LO_FLAGS_READ_ONLY) | LO_FLAGS_AUTOCLEAR, FLAGS_AT);
      config.write(file, NAME_AT, 63, "utf8");
      try {
        ioctl(device, LOOP_CONFIGURE, config);
        return { path, close: () => close(device) };
      } catch (error) {
        close(device);
        // Somebody else took the device meanwhile.
        if (errnoOf(error) !== "EBUSY" || attempt === PATIENCE) throw error;
      }
    }
  } finally { close(backing); }
}

/** The file has grown: so does the device. */
export function growLoop(path: string): void {
  const fd = openat(AT_FDCWD, path, O_RDWR);
  try { ioctlNumber(fd, LOOP_SET_CAPACITY); } finally { close(fd); }
}

/** The file that a loop device (by its numbers, `7:3`) stands on; undefined when it is none, or the file is gone. */
export function loopBacking(device: string): string | undefined {
  try {
    const file = readFileSync(`/sys/dev/block/${device}/loop/backing_file`, "utf8").replace(/\n$/, "");
    statSync(file);
    return file;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
