import { closeSync, constants, openSync } from "node:fs";
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SHUT_RD, SHUT_WR, SOCK_SEQPACKET, connectPackets, sendPacket, shutdown } from "../../kernel/libc.js";

/** conmon reads packets into 32 KiB less one. */
const PACKET = 16 << 10;
/** Longest path a Unix socket address takes. */
const ADDRESS = 107;

/**
 * Writes to a process' stdin through conmon's attach socket (SOCK_SEQPACKET). Connected at the first write, so that a
 * process nobody writes to costs nothing; our reading side is shut at once, as output comes another way.
 */
export class AttachSocket {
  #fd = -1;
  #closed = false;
  #destroyed = false;
  #queue: Promise<void> = Promise.resolve();

  constructor(private readonly path: string) {}

  /** Resolves when conmon has taken all of it; rejects when the process is gone or stdin was closed. */
  write(data: Uint8Array): Promise<void> {
    const sent = this.#queue.then(() => this.#send(data));
    this.#queue = sent.catch(() => undefined);
    return sent;
  }

  /** Ends stdin after what was written. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = this.#queue.then(() => {
      try {
        shutdown(this.#connect(), SHUT_WR);
      } catch {
        // The process is gone and its stdin with it.
      }
    });
  }

  /** Frees the descriptor; for when the process is gone. */
  destroy(): void {
    this.#destroyed = true;
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  async #send(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; at += PACKET) {
      const packet = data.subarray(at, at + PACKET);
      for (let wait = 1; !sendPacket(this.#connect(), packet); wait = Math.min(wait * 2, 50)) await sleep(wait);
    }
  }

  #connect(): number {
    if (this.#destroyed) throw new Error("the process has ended");
    if (this.#fd < 0) {
      this.#fd = connect(this.path);
      shutdown(this.#fd, SHUT_RD);
    }
    return this.#fd;
  }
}

/** A socket address has room for 107 bytes; longer paths go through the directory's descriptor. */
function connect(path: string): number {
  if (Buffer.byteLength(path) <= ADDRESS) return connectPackets(path, SOCK_SEQPACKET);
  const dir = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return connectPackets(`/proc/self/fd/${dir}/${basename(path)}`, SOCK_SEQPACKET);
  } finally {
    closeSync(dir);
  }
}
