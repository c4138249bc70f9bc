import { join } from "node:path";
import { Readable } from "node:stream";
import { Worker } from "node:worker_threads";
import { fromWire } from "../../archive/workers/wire-error.js";
import { OnDemandThread, handOver } from "../../core/index.js";
import { NetworkError } from "../network-error.js";
import type { BulkSender, HttpRequest, HttpResponse } from "../transport.js";
import { type BulkOptions, type FromThread, type ToThread } from "./protocol.js";

/** The thread ends when nothing was downloaded for so long; its connections go with it. */
const IDLE_MS = 30_000;

interface Call {
  readonly id: number;
  /** The head of the answer, or a failure. */
  readonly answer: (message: FromThread) => void;
}

/**
 * GETs with large bodies, made by a thread: sockets, TLS and the garbage of gigabytes in small buffers would take the main thread's time
 * from those who wait for an answer. Behaves as Transport does.
 */
export class BulkTransport implements BulkSender {
  readonly #thread: OnDemandThread<Call, FromThread>;

  constructor(options: BulkOptions) {
    this.#thread = new OnDemandThread({
      name: "the thread for downloads", idleMs: IDLE_MS, start: () => new Worker(join(__dirname, "thread.js"), { workerData: options }),
      callOf: ({ call }) => call, receive: ({ answer }, message) => answer(message),
      lost: ({ id, answer }, { message }) => answer({ call: id, type: "failed", error: { message, code: "ECONNABORTED" }, network: true }),
    });
  }

  async send({ url, headers = {}, unverified = false, signal }: HttpRequest): Promise<HttpResponse> {
    signal?.throwIfAborted();
    return await new Promise<HttpResponse>((resolve, reject) => void this.#thread.begin((call, send) => {
      const post = (message: ToThread): void => send(message);
      let body: Body | undefined;
      const abort = (): void => over(signal!.reason as Error);
      const over = (error: Error | null): void => {
        if (!this.#thread.over(call)) return;
        signal?.removeEventListener("abort", abort);
        if (error !== null || body === undefined) post({ call, type: "abort" });
        if (body === undefined) reject(error!);
        else if (error === null) body.push(null);
        else body.destroy(error);
      };
      signal?.addEventListener("abort", abort, { once: true });
      post({ call, type: "send", url: url.href, headers, unverified });
      return {
        id: call,
        answer: (message) => {
          switch (message.type) {
            case "head":
              body = new Body(() => post({ call, type: "credit" }), () => over(new Error("not wanted any more")));
              return resolve({ status: message.status, headers: message.headers, url: new URL(message.url), body });
            case "block": return body?.give(handOver(Buffer.from(message.buffer, 0, message.length)));
            case "end": return over(null);
            case "failed": {
              const cause = Object.assign(fromWire(message.error), message.address === undefined ? {} : { address: message.address });
              return over(message.network && body === undefined ? new NetworkError("GET", url, cause) : cause);
            }
          }
        },
      };
    }));
  }

  close(): void { void this.#thread.end(); }
}

/** A body whose blocks are asked for as it is read. */
class Body extends Readable {
  #owed = 0;

  constructor(private readonly credit: () => void, private readonly abandoned: () => void) {
    // Objects: blocks stay what they are, instead of being joined.
    super({ objectMode: true, highWaterMark: 2 });
    // As an http.IncomingMessage: a failure that nobody reads is no failure of the process.
    this.on("error", () => undefined);
  }

  give(block: Buffer): void {
    if (this.push(block)) this.credit();
    else this.#owed++;
  }
  override _read(): void {
    for (; this.#owed > 0; this.#owed--) this.credit();
  }
  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.abandoned();
    callback(error);
  }
}
