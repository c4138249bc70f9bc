import { parentPort, workerData } from "node:worker_threads";
import { toWire } from "../../archive/workers/wire-error.js";
import { NetworkError } from "../network-error.js";
import { Proxies } from "../proxy.js";
import { CertificateStore } from "../tls.js";
import { Transport, type HttpResponse } from "../transport.js";
import { BLOCK, CREDITS, LINGER, type BulkOptions, type FromThread, type ToThread } from "./protocol.js";

/** The thread's side of bulk downloads: asks, and hands bodies on in large blocks. */
if (!parentPort) throw new Error("runs as a worker thread only");
const port = parentPort;
const options = workerData as BulkOptions;
const transport = new Transport(new CertificateStore(options.certificateDirectories), options.userAgent, new Proxies(options.proxies), options.patience);
const calls = new Map<number, Call>();
const send = (message: FromThread, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

class Call {
  readonly #over = new AbortController();
  #credits = CREDITS;
  #wake: (() => void) | undefined;
  #block = Buffer.alloc(0);
  #filled = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly id: number) {}

  async run({ url, headers, unverified }: ToThread & { type: "send" }): Promise<void> {
    try {
      const response = await transport.send({ method: "GET", url: new URL(url), headers, unverified, signal: this.#over.signal });
      send({ call: this.id, type: "head", status: response.status, headers: response.headers, url: response.url.href });
      await this.#pass(response);
      if (!this.#over.signal.aborted) send({ call: this.id, type: "end" });
    } catch (e) {
      if (!this.#over.signal.aborted) this.#fail(e);
    } finally {
      clearTimeout(this.#timer);
      calls.delete(this.id);
    }
  }
  credit(): void {
    this.#credits++;
    this.#wake?.();
  }
  abort(): void {
    this.#over.abort();
    this.#wake?.();
  }

  async #pass({ body }: HttpResponse): Promise<void> {
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        for (let at = 0; at < chunk.length && !this.#over.signal.aborted;) {
          if (this.#filled === this.#block.length) await this.#room();
          const n = chunk.copy(this.#block, this.#filled, at);
          at += n;
          this.#filled += n;
          if (this.#filled === this.#block.length) this.#flush();
        }
        this.#timer ??= setTimeout(() => this.#flush(), LINGER);
        if (this.#over.signal.aborted) return;
      }
    } finally {
      // What came before a drop counts.
      this.#flush();
    }
  }
  async #room(): Promise<void> {
    while (this.#credits === 0 && !this.#over.signal.aborted) {
      await new Promise<void>((resolve) => { this.#wake = resolve; });
      this.#wake = undefined;
    }
    this.#credits--;
    this.#block = Buffer.from(new ArrayBuffer(BLOCK));
    this.#filled = 0;
  }
  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#filled === 0 || this.#over.signal.aborted) return;
    const buffer = this.#block.buffer as ArrayBuffer;
    send({ call: this.id, type: "block", buffer, length: this.#filled }, [buffer]);
    this.#block = Buffer.alloc(0);
    this.#filled = 0;
  }

  #fail(e: unknown): void {
    if (!(e instanceof NetworkError)) return send({ call: this.id, type: "failed", error: toWire(e), network: false });
    const first: unknown = e.cause instanceof AggregateError && e.cause.errors.length > 0 ? e.cause.errors[0] : e.cause;
    const address = typeof first === "object" && first !== null && "address" in first && typeof first.address === "string" ? { address: first.address } : {};
    send({ call: this.id, type: "failed", error: toWire(first), network: true, ...address });
  }
}

port.on("message", (message: ToThread) => {
  switch (message.type) {
    case "send": {
      const call = new Call(message.call);
      calls.set(message.call, call);
      return void call.run(message);
    }
    case "credit": return calls.get(message.call)?.credit();
    case "abort": return calls.get(message.call)?.abort();
  }
});
