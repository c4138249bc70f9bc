/** Pipes that are fed from files, and looked after without waiting. Of the FFI file's kind: errors carry Node's fields. */
import { constants } from "node:os";
import koffi from "koffi";
import { failWith } from "./libc.js";

const lib = koffi.load("libc.so.6");
const c = {
  splice: lib.func("long splice(int from, int64_t *fromOffset, int to, int64_t *toOffset, size_t n, unsigned int flags)"),
  poll: lib.func("int poll(uint8_t *fds, unsigned long n, int timeout)"),
};

/**
 * Moves up to `max` bytes of a file, from where it stands, into a pipe without waiting: how many; 0 at the end of the file, `full` when the pipe
 * takes no more now, `closed` when nobody reads it any more. splice(2): the bytes do not pass through this process.
 */
export function pour(file: number, pipe: number, max: number): number | "full" | "closed" {
  const SPLICE_F_NONBLOCK = 2;
  const n = Number(c.splice(file, null, pipe, null, max, SPLICE_F_NONBLOCK));
  if (n >= 0) return n;
  const errno = koffi.errno();
  if (errno === constants.errno.EAGAIN) return "full";
  return errno === constants.errno.EPIPE ? "closed" : failWith(errno, "splice");
}

const POLLIN = 1, POLLOUT = 4;

/** Whether a pipe has bytes, or has come to its end. With `room`, another pipe: waits until that is so, or that one takes bytes (or has lost its reader). */
export function canRead(pipe: number, room?: number): boolean {
  const fds = Buffer.alloc(16);
  fds.writeInt32LE(pipe, 0);
  fds.writeInt16LE(POLLIN, 4);
  fds.writeInt32LE(room ?? -1, 8);
  fds.writeInt16LE(POLLOUT, 12);
  if (Number(c.poll(fds, 2, room === undefined ? 0 : -1)) >= 0) return fds.readInt16LE(6) !== 0;
  const errno = koffi.errno();
  return errno === constants.errno.EINTR ? false : failWith(errno, "poll");
}
