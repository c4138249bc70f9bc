import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf } from "../core/errors.js";
import { SOCK_DGRAM, connectPackets, sendPacket } from "./libc.js";

/** Longest wait between two tries while the receiver is behind, in milliseconds. */
const LONGEST = 50;

/** Sends datagrams to a Unix socket, each as one. Throws, with the errno, when nobody listens there. */
export class UnixDatagrams {
  #fd: number;

  constructor(private readonly path: string) {
    this.#fd = connectPackets(path, SOCK_DGRAM);
  }

  /** Resolves when it is taken; a listener that was replaced is found again. */
  async send(data: Uint8Array): Promise<void> {
    for (let wait = 1, again = true; ; wait = Math.min(wait * 2, LONGEST)) {
      try {
        if (sendPacket(this.#fd, data)) return;
        await sleep(wait);
      } catch (error) {
        const gone = ["ECONNREFUSED", "ENOTCONN", "ECONNRESET"].includes(errnoOf(error) ?? "");
        if (!gone || !again) throw error;
        again = false;
        closeSync(this.#fd);
        this.#fd = -1;
        this.#fd = connectPackets(this.path, SOCK_DGRAM);
      }
    }
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}
