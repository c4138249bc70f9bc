import { errnoOf } from "../core/errors.js";
import { cloneFile, copyFileRange, ftruncate, lseek, pwrite, read, SEEK_DATA, SEEK_HOLE } from "./libc.js";

const STEP = 1 << 30;

/** Makes an empty file the copy of another: shared extents where the file system can, else its data; holes stay holes. */
export function copyFile(from: number, to: number, size: number): void {
  if (size === 0 || cloneFile(from, to)) return;
  for (let at = 0; at < size; ) {
    const start = lseek(from, at, SEEK_DATA);
    if (start === undefined || start >= size) break;
    const end = Math.min(size, lseek(from, start, SEEK_HOLE) ?? size);
    copyRun(from, to, start, end);
    at = end;
  }
  ftruncate(to, size);
}

function copyRun(from: number, to: number, start: number, end: number): void {
  for (let at = start; at < end; ) {
    let n: number;
    try { n = copyFileRange(from, at, to, at, Math.min(STEP, end - at)); }
    catch (error) {
      const code = errnoOf(error);
      if (code !== "EXDEV" && code !== "EINVAL" && code !== "EOPNOTSUPP" && code !== "ENOSYS") throw error;
      return copyByHand(from, to, at, end);
    }
    if (n === 0) return;
    at += n;
  }
}
function copyByHand(from: number, to: number, start: number, end: number): void {
  const buffer = Buffer.allocUnsafe(1 << 18);
  lseek(from, start, 0);
  for (let at = start; at < end; ) {
    const n = read(from, buffer.subarray(0, Math.min(buffer.length, end - at)));
    if (n === 0) return;
    for (let done = 0; done < n; ) done += pwrite(to, buffer.subarray(done, n), at + done);
    at += n;
  }
}
