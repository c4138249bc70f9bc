import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable, type Writable } from "node:stream";
import type { Progress } from "../services/types.js";
import { InvalidArgument, messageOf } from "../core/index.js";
import type { Context } from "./context.js";

/** Resolves when the stream takes more, or is gone. */
export function drained(stream: Writable): Promise<void> {
  if (!stream.writableNeedDrain || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done).off("close", done).off("error", done);
      resolve();
    };
    stream.on("drain", done).on("close", done).on("error", done);
  });
}

/** How large an upload is, where its client says so. */
export function sizeOf({ headers }: IncomingMessage): { size?: number } {
  const size = Number(headers["content-length"]);
  return Number.isSafeInteger(size) && size > 0 ? { size } : {};
}

/**
 * The body of a request as a stream of its own. Whoever reads it may destroy it: the rest is then thrown away, so that
 * the client can finish sending and read the answer. A client that leaves before the end makes it fail.
 */
export function uploadOf(request: IncomingMessage): Readable {
  const upload = new Readable({
    highWaterMark: 1 << 20,
    read: () => request.resume(),
    destroy: (error, done) => {
      request.resume();
      done(error);
    },
  });
  request.on("data", (chunk: Buffer) => { if (!upload.destroyed && !upload.push(chunk)) request.pause(); });
  request.on("error", (cause) => upload.destroy(new InvalidArgument("the client left in the middle of its upload", { cause })));
  request.once("end", () => { if (!upload.destroyed) upload.push(null); });
  request.pause();
  return upload;
}

/** Sends a stream as the body. An error before its first byte still becomes a status; after it the response breaks off. */
export async function sendStream(context: Context, type: string, body: Readable): Promise<void> {
  const { response, signal } = context;
  response.setHeader("Content-Type", type);
  for await (const chunk of body) {
    if (!response.write(chunk)) await drained(response);
    if (signal.aborted) return;
  }
  response.end();
}

/** Sends headers now and each value as a line of JSON when it comes. */
export async function sendLines(context: Context, values: AsyncIterable<unknown>): Promise<void> {
  const { response, signal } = context;
  response.writeHead(200, { "Content-Type": "application/json" });
  response.flushHeaders();
  for await (const value of values) {
    if (!response.write(`${JSON.stringify(value)}\n`)) await drained(response);
    if (signal.aborted) return;
  }
  response.end();
}

/** `1.2MB`: four significant digits, powers of a thousand. */
export function humanSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let n = bytes, unit = 0;
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1000;
    unit++;
  }
  return `${Number(n.toPrecision(4))}${units[unit]}`;
}

/** The bar older terminals print as it comes. */
function bar(current: number, total: number): string {
  if (total <= 0 || current > total) return humanSize(current).padStart(8);
  const half = Math.min(50, Math.floor((current / total) * 50));
  return `[${"=".repeat(half)}>${" ".repeat(50 - half)}] ${humanSize(current).padStart(8)}/${humanSize(total)}`;
}

/** A progress line in Docker's shape. */
export function progressLine(line: Progress): Record<string, unknown> {
  const counted = line.current !== undefined;
  return {
    ...(line.stream === undefined ? {} : { stream: line.stream }),
    ...(line.status === undefined ? {} : { status: line.status }),
    ...(counted ? { progressDetail: { current: line.current, ...(line.total ? { total: line.total } : {}) }, progress: bar(line.current, line.total ?? 0) }
      : line.id !== undefined && line.aux === undefined ? { progressDetail: {} } : {}),
    ...(line.id === undefined ? {} : { id: line.id }),
    ...(line.aux === undefined ? {} : { aux: line.aux }),
  };
}

/**
 * A stream of progress lines. The response begins with the first one: a failure before it is a status, after it a line.
 * While the client is slow, counts of one id replace each other, so that memory stays bounded.
 */
export class ProgressStream {
  readonly #response: ServerResponse;
  readonly #waiting = new Map<string, Progress>();
  #blocked = false;
  #serial = 0;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  readonly sink = (line: Progress): void => {
    if (this.#response.destroyed) return;
    if (!this.#blocked) return this.#write(progressLine(line));
    this.#waiting.set(line.current === undefined ? `#${this.#serial++}` : `${line.id}/${line.status}`, line);
  };

  /** Whether lines go out as they come. */
  readonly ready = (): boolean => !this.#blocked;
  /** Resolves when they do again, or nobody listens any more. */
  readonly drained = (): Promise<void> => drained(this.#response);

  end(): void {
    this.#flush();
    if (!this.#response.headersSent) this.#begin();
    this.#response.end();
  }
  /** Tells what went wrong as the last line, with the exit status of a command that failed: clients exit with it. */
  fail(error: unknown): void {
    this.#flush();
    const { status } = error as { readonly status?: unknown };
    this.#write({ errorDetail: { ...(typeof status === "number" ? { code: status } : {}), message: messageOf(error) }, error: messageOf(error) });
    this.#response.end();
  }

  #begin(): void {
    this.#response.writeHead(200, { "Content-Type": "application/json" });
  }
  #write(value: object): void {
    if (!this.#response.headersSent) this.#begin();
    if (this.#response.write(`${JSON.stringify(value)}\r\n`) || this.#blocked) return;
    this.#blocked = true;
    void drained(this.#response).then(() => {
      this.#blocked = false;
      this.#flush();
    });
  }
  #flush(): void {
    const lines = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const line of lines) this.#write(progressLine(line));
  }
}
