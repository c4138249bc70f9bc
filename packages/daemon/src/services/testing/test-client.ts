import { PassThrough } from "node:stream";
import type { AttachClient } from "../types.js";

/** A client that keeps what it is sent, and sends what the test says. */
export class TestClient implements AttachClient {
  readonly input: PassThrough | null;
  stdout = "";
  stderr = "";
  ended = false;
  slow: Promise<void> | null = null;
  leave!: () => void;
  readonly closed = new Promise<void>((resolve) => { this.leave = resolve; });

  constructor(stdin = false) {
    this.input = stdin ? new PassThrough() : null;
  }
  write(stream: "stdout" | "stderr", data: Buffer): boolean {
    this[stream] += data.toString("latin1");
    return this.slow === null;
  }
  drained(): Promise<void> { return this.slow ?? Promise.resolve(); }
  end(): void { this.ended = true; }
}
