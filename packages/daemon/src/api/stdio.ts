import { Readable, type Writable } from "node:stream";
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { AttachClient } from "../services/types.js";
import { drained } from "./streams.js";

/** Above this many unsent bytes a client counts as slow. */
const SLOW = 1 << 20;
/** How often a client that has nothing more to send is looked after, in milliseconds. */
const GONE_CHECK = 1000;
/** How long an ended session waits for its client to close, in milliseconds. */
const LINGER = 10_000;

/**
 * Writes output as clients read it: raw for a terminal, else each piece behind 8 bytes (stream, 0, 0, 0, length).
 * What is written within one turn of the event loop leaves in one system call.
 */
export class OutputWriter {
  readonly #out: Writable;
  readonly #raw: boolean;
  #corked = false;

  constructor(out: Writable, raw: boolean) {
    this.#out = out;
    this.#raw = raw;
  }

  /** False when the client is slow; wait for `drained` then. */
  write(stream: "stdout" | "stderr", data: Buffer): boolean {
    const out = this.#out;
    if (out.destroyed || out.writableEnded) return true;
    if (!this.#corked) {
      this.#corked = true;
      out.cork();
      process.nextTick(() => {
        this.#corked = false;
        out.uncork();
      });
    }
    if (!this.#raw) {
      const header = Buffer.alloc(8);
      header[0] = stream === "stdout" ? 1 : 2;
      header.writeUInt32BE(data.length, 4);
      out.write(header);
    }
    out.write(data);
    return out.writableLength < SLOW;
  }

  drained(): Promise<void> {
    return drained(this.#out);
  }
}

/**
 * What a client sends, as a stream of its own: whoever reads it may end or destroy it without closing the connection,
 * whose output goes on.
 */
class ClientInput extends Readable {
  readonly #source: Readable;

  constructor(source: Readable, head: Buffer) {
    super({ highWaterMark: 64 * 1024 });
    this.#source = source;
    if (head.length > 0) this.push(head);
    source.on("data", (data: Buffer) => {
      if (!this.destroyed && !this.push(data)) source.pause();
    });
    source.once("end", () => { if (!this.destroyed) this.push(null); });
    source.once("close", () => { if (!this.destroyed && !source.readableEnded) this.push(null); });
    source.pause();
  }
  override _read(): void {
    this.#source.resume();
  }
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#source.resume();
    done(error);
  }
}

export interface SessionOptions {
  /** No frames: the process has a terminal. */
  readonly raw: boolean;
  readonly stdin: boolean;
  /** Where input comes from when it is not the socket itself; null when the client can send none. */
  readonly source?: Readable | null;
  /** Input that arrived already. */
  readonly head: Buffer;
  /** Status line and headers, sent at `begin`, or before the first output. */
  readonly preamble: string;
}

/** Ends a connection once what was written is out, whether or not the client closes its side. */
export function hangUp(socket: Socket): void {
  socket.end();
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER).unref();
  socket.once("close", () => clearTimeout(timer));
}

/**
 * Tells a client that has gone from one that only has nothing more to send; to a reader both are the end. On a Unix
 * socket a write of no bytes succeeds for the second and fails for the first, which closes the socket.
 */
function watchForGone(socket: Socket): void {
  const nothing = Buffer.alloc(0);
  const look = (): void => { if (!socket.destroyed && !socket.writableEnded && socket.writableLength === 0) socket.write(nothing); };
  socket.once("end", () => {
    look();
    const timer = setInterval(look, GONE_CHECK).unref();
    socket.once("close", () => clearInterval(timer));
  });
}

/** The client's end of a session over a raw socket. */
export class SocketClient implements AttachClient {
  readonly input: Readable | null;
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #output: OutputWriter;
  readonly #preamble: string;
  #begun = false;

  constructor(socket: Socket, options: SessionOptions) {
    this.#socket = socket;
    this.#preamble = options.preamble;
    this.#output = new OutputWriter(socket, options.raw);
    socket.on("error", () => socket.destroy());
    watchForGone(socket);
    this.closed = socket.destroyed ? Promise.resolve() : new Promise((resolve) => socket.once("close", () => resolve()));
    const source = options.source === undefined ? socket : options.source;
    this.input = options.stdin && source !== null ? new ClientInput(source, options.head) : null;
    if (this.input === null) socket.on("data", () => undefined).resume();
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** Sends the preamble; from now on the connection is the stream. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    if (!this.#socket.destroyed) this.#socket.write(this.#preamble);
  }
  write(stream: "stdout" | "stderr", data: Buffer): boolean {
    this.begin();
    return this.#output.write(stream, data);
  }
  drained(): Promise<void> {
    return this.#output.drained();
  }
  end(): void {
    this.begin();
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return;
    this.input?.destroy();
    hangUp(socket);
  }
}

/** The same over a WebSocket: binary messages without frames. */
export class WebSocketClient implements AttachClient {
  readonly input: Readable | null;
  readonly closed: Promise<void>;
  readonly #ws: WebSocket;

  constructor(ws: WebSocket, stdin: boolean) {
    this.#ws = ws;
    this.closed = new Promise((resolve) => ws.once("close", () => resolve()));
    ws.on("error", () => ws.terminate());
    this.input = null;
    if (!stdin) return;
    const input = new Readable({ read: () => ws.resume() });
    ws.on("message", (data: Buffer) => { if (!input.destroyed && !input.push(data)) ws.pause(); });
    ws.once("close", () => { if (!input.destroyed) input.push(null); });
    this.input = input;
  }
  write(_stream: "stdout" | "stderr", data: Buffer): boolean {
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.send(data, { binary: true });
    return this.#ws.bufferedAmount < SLOW;
  }
  async drained(): Promise<void> {
    while (this.#ws.bufferedAmount >= SLOW && this.#ws.readyState === this.#ws.OPEN) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  end(): void {
    this.#ws.close(1000);
  }
}
