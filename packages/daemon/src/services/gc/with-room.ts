import type { WorkRoom } from "../../core/index.js";

/** Does work for which room was made, as far as it is known how much it takes (undefined: it is not). What finds the disk full has some made for the next attempt. */
export async function withRoom<T>(room: WorkRoom | undefined, bytes: (() => number | Promise<number>) | undefined, work: () => Promise<T>): Promise<T> {
  const release = bytes === undefined ? undefined : await room?.reserve(bytes);
  try {
    return await work();
  } catch (e) {
    room?.failed(e);
    throw e;
  } finally {
    release?.();
  }
}
