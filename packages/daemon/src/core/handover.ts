const free = new WeakSet<Uint8Array>();

/**
 * Says that nobody else uses a buffer's memory, of which it is the beginning: whoever it is given to may move it to another
 * thread, which leaves the buffer empty.
 */
export function handOver<T extends Uint8Array>(buffer: T): T {
  free.add(buffer);
  return buffer;
}
/** Its memory may be taken. */
export function isHandedOver(buffer: Uint8Array): boolean { return free.has(buffer); }
