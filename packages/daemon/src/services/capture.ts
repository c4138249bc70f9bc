import type { AttachClient } from "./types.js";

/** A client that keeps the beginning of what it is sent. */
export class Capture implements AttachClient {
  readonly input = null;
  readonly closed: Promise<void>;
  /** Stops listening. */
  leave!: () => void;
  readonly #kept: Buffer[] = [];
  #room: number;
  #cut = false;

  /** `limit` in bytes. */
  constructor(limit: number) {
    this.#room = limit;
    this.closed = new Promise((resolve) => { this.leave = resolve; });
  }

  /** Both streams, as they came; ends in `...` when there was more. */
  get text(): string {
    return Buffer.concat(this.#kept).toString("utf8") + (this.#cut ? "..." : "");
  }

  write(_stream: "stdout" | "stderr", data: Buffer): boolean {
    const part = data.subarray(0, this.#room);
    this.#room -= part.length;
    if (part.length < data.length) this.#cut = true;
    if (part.length > 0) this.#kept.push(Buffer.from(part));
    return true;
  }

  async drained(): Promise<void> {}
  end(): void {}
}
