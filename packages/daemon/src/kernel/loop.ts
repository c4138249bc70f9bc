import { errnoOf } from "../core/errors.js";
import { AT_FDCWD, close, ioctl, ioctlNumber, O_RDONLY, O_RDWR, openat } from "./libc.js";

const LOOP_CONFIGURE = 0x4c0a, LOOP_CTL_GET_FREE = 0x4c82;
const LO_FLAGS_READ_ONLY = 1, LO_FLAGS_AUTOCLEAR = 4;
/** struct loop_config: descriptor, block size, struct loop_info64 (flags at 52 of its 232 bytes), 64 reserved. */
const CONFIG = 304, FLAGS_AT = 8 + 52;
const PATIENCE = 32;

/** A block device that is a file, read-only; it is gone when nothing mounts it or has it open any more. */
export interface LoopDevice {
  readonly path: string;
  /** Closes our descriptor. */
  close(): void;
}

/** Attaches a file to a free loop device. Linux 5.8. */
export function attachLoop(file: string): LoopDevice {
  const backing = openat(AT_FDCWD, file, O_RDONLY);
  try {
    for (let attempt = 0; ; attempt++) {
      const control = openat(AT_FDCWD, "/dev/loop-control", O_RDWR);
      let number: number;
      try { number = ioctlNumber(control, LOOP_CTL_GET_FREE); } finally { close(control); }
      const path = `/dev/loop${number}`;
      const device = openat(AT_FDCWD, path, O_RDONLY);
      const config = Buffer.alloc(CONFIG);
      config.writeUInt32LE(backing, 0);
      config.writeUInt32LE(LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR, FLAGS_AT);
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
