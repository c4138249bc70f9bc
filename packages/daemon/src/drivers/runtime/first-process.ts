import { closeSync, constants, existsSync, openSync, unlinkSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { errnoOf } from "../../core/index.js";

/**
 * Starts a created container without a process of the runtime. Its first process waits at `exec.fifo` in the runtime's
 * state: runc's (known by state.json) until somebody reads the byte that it writes, crun's (known by `status`) until
 * somebody writes one. That and removing the FIFO is all that their own `start` does. False for other runtimes.
 */
export async function releaseFirstProcess(state: string, exit: Promise<unknown> | undefined): Promise<boolean> {
  const fifo = join(state, "exec.fifo");
  try {
    if (existsSync(join(state, "state.json"))) await readByte(openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK), exit);
    else if (existsSync(join(state, "status"))) writeByte(openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK));
    else return false;
  } catch (e) {
    const code = errnoOf(e);
    if (code === "ENOENT" || code === "ENXIO") return false;
    throw e;
  }
  try {
    unlinkSync(fifo);
  } catch (e) {
    if (errnoOf(e) !== "ENOENT") throw e;
  }
  return true;
}

/** Resolves with the byte, or when the process is gone. */
async function readByte(fd: number, exit: Promise<unknown> | undefined): Promise<void> {
  const socket = new Socket({ fd, readable: true, writable: false });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("data", () => resolve());
      socket.once("error", reject);
      exit?.then(() => resolve(), () => resolve());
    });
  } finally {
    socket.destroy();
  }
}

function writeByte(fd: number): void {
  try {
    writeSync(fd, "x");
  } finally {
    closeSync(fd);
  }
}
