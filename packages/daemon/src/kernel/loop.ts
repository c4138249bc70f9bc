import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { errnoOf, Unavailable } from "../core/errors.js";
import { ioctl, ioctlValue } from "./libc.js";
import { findProgram, run } from "./spawn.js";

const GET_FREE = 0x4c82, CONFIGURE = 0x4c0a, SET_CAPACITY = 0x4c07;
const READ_ONLY = 1, AUTOCLEAR = 4;

/** A loop device: a file as a block device. It goes when nobody has it open any more. */
export interface LoopDevice {
  /** `/dev/loop3` */
  readonly path: string;
  /** Lets go of the descriptor that keeps it: whoever else has it open keeps it now. */
  release(): void;
}

/** Puts a free loop device on a file. Unavailable where there are none. Linux 5.8. */
export async function attachLoop(file: string): Promise<LoopDevice> { return attach(await openControl(), file, false); }

/** The same for reading only, at once. */
export function attachReadOnlyLoop(file: string): LoopDevice { return attach(openSync("/dev/loop-control", "r+"), file, true); }

function attach(control: number, file: string, readOnly: boolean): LoopDevice {
  const backing = openSync(file, readOnly ? "r" : "r+");
  try {
    for (;;) {
      const path = `/dev/loop${ioctlValue(control, GET_FREE, 0)}`;
      const fd = openSync(path, readOnly ? "r" : "r+");
      try {
        ioctl(fd, CONFIGURE, configuration(backing, file, readOnly));
        return { path, release: () => closeSync(fd) };
      } catch (error) {
        closeSync(fd);
        // Somebody else was faster.
        if (errnoOf(error) !== "EBUSY") throw error;
      }
    }
  } finally {
    closeSync(backing);
    closeSync(control);
  }
}

async function openControl(): Promise<number> {
  const open = (): number => openSync("/dev/loop-control", "r+");
  try { return open(); } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  const modprobe = findProgram("modprobe");
  if (modprobe !== undefined) await run(modprobe, ["-q", "loop"], { allow: [0, 1] });
  try { return open(); } catch (error) { throw new Unavailable("there are no loop devices here", { cause: error }); }
}

/** struct loop_config. */
function configuration(fd: number, file: string, readOnly: boolean): Buffer {
  const config = Buffer.alloc(304);
  config.writeUInt32LE(fd, 0);
  const INFO = 8;
  config.writeUInt32LE(AUTOCLEAR | (readOnly ? READ_ONLY : 0), INFO + 52);
  config.write(file, INFO + 56, 63, "utf8");
  return config;
}

/** The file has grown: so does the device. */
export function growLoop(path: string): void {
  const fd = openSync(path, "r+");
  try { ioctlValue(fd, SET_CAPACITY, 0); } finally { closeSync(fd); }
}

/** What a loop device (by its numbers, `7:3`) stands on; undefined when it is none, or the file is gone. */
export function loopBacking(device: string): { readonly path: string; readonly file: string } | undefined {
  try {
    const file = readFileSync(`/sys/dev/block/${device}/loop/backing_file`, "utf8").replace(/\n$/, "");
    const name = /^DEVNAME=(.*)$/m.exec(readFileSync(`/sys/dev/block/${device}/uevent`, "utf8"))![1]!;
    statSync(file);
    return { path: `/dev/${name}`, file };
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
