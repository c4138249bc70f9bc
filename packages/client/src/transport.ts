import * as http from "node:http";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { addAbortSignal, pipeline, type Readable } from "node:stream";
import type { TlsOptions } from "./connect.js";
import { explainLost, StrataApiError, StrataConnectionError } from "./errors.js";
import type { Endpoint } from "./host.js";
import { encodeQuery, type Query } from "./query.js";

export interface RequestOptions {
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, chunked; `application/x-tar` unless the headers say otherwise. */
  readonly body?: Readable;
  readonly signal?: AbortSignal;
}

/** A connection the daemon has handed over: raw bytes both ways. */
export interface Hijacked {
  readonly socket: Socket;
  /** Bytes that came along with the answer's headers. */
  readonly head: Buffer;
  readonly headers: http.IncomingHttpHeaders;
}

const CONNECT_ERRORS = new Set(["ECONNREFUSED", "ENOENT", "EACCES", "EPERM", "ENOTSOCK", "ENOTFOUND", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "EAI_AGAIN"]);

/** HTTP/1.1 over a unix socket, TCP or TLS, with kept-alive connections. Knows statuses and errors, no resource. */
export class Transport {
  readonly #endpoint: Endpoint;
  readonly #tls: TlsOptions | undefined;
  readonly #agent: http.Agent;
  readonly #http: typeof http;

  constructor(endpoint: Endpoint, tls?: TlsOptions) {
    this.#endpoint = endpoint;
    this.#tls = tls;
    const options = { keepAlive: true, scheduling: "lifo" as const };
    if (endpoint.kind === "tcp" && endpoint.secure) {
      // Loaded only when it is used: TLS costs start-up time.
      const https = createRequire(__filename)("node:https") as typeof import("node:https");
      this.#http = https as unknown as typeof http;
      this.#agent = new https.Agent({ ...options, ...tls });
    } else {
      this.#http = http;
      this.#agent = new http.Agent(options);
    }
  }

  get host(): string {
    return this.#endpoint.host;
  }

  /** Resolves with the answer once its headers are here; rejects with StrataApiError for a status of 400 or more. */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<http.IncomingMessage> {
    const response = await this.#send(method, path, options, false);
    if ((response.statusCode ?? 0) < 400) {
      if (options.signal) addAbortSignal(options.signal, response);
      return response;
    }
    throw await apiError(response);
  }

  /** The answer's JSON, or undefined when it has no body. */
  async json(method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    const response = await this.request(method, path, options);
    const text = await readText(response);
    if (text === "") return undefined;
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new StrataApiError(response.statusCode ?? 500, `the daemon's answer to ${method} ${path} is not JSON`, { cause });
    }
  }

  /** Asks for the connection itself (`Upgrade: tcp`). The signal destroys it. */
  hijack(method: string, path: string, options: RequestOptions = {}): Promise<Hijacked> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      const { request, send } = this.#prepare(method, path, { ...options, signal: undefined }, { Connection: "Upgrade", Upgrade: "tcp" });
      const abort = (): void => { if (signal) request.destroy(reasonOf(signal)); };
      if (signal?.aborted) return reject(reasonOf(signal));
      signal?.addEventListener("abort", abort, { once: true });
      request.on("upgrade", (response, socket: Socket, head) => {
        signal?.removeEventListener("abort", abort);
        if (signal) addAbortSignal(signal, socket);
        socket.setNoDelay?.(true);
        resolve({ socket, head, headers: response.headers });
      });
      request.on("response", (response) => {
        signal?.removeEventListener("abort", abort);
        if ((response.statusCode ?? 0) >= 400) return void apiError(response).then(reject, reject);
        response.destroy();
        reject(new StrataApiError(response.statusCode ?? 500, `the daemon did not hand over the connection for ${method} ${path}`));
      });
      request.on("error", (cause) => {
        signal?.removeEventListener("abort", abort);
        reject(signal?.aborted ? reasonOf(signal) : this.#explain(cause));
      });
      send();
    });
  }

  /** Closes idle connections. */
  close(): void {
    this.#agent.destroy();
  }

  #send(method: string, path: string, options: RequestOptions, isRetry: boolean): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted) return reject(reasonOf(signal));
      const { request, send } = this.#prepare(method, path, options, {});
      let answered = false;
      request.on("response", (response) => {
        answered = true;
        resolve(response);
      });
      request.on("error", (cause: NodeJS.ErrnoException) => {
        if (answered) return;
        if (signal?.aborted) return reject(reasonOf(signal));
        // The daemon may close an idle connection in the moment it is used again.
        if (request.reusedSocket && cause.code === "ECONNRESET" && !options.body && !isRetry) return resolve(this.#send(method, path, options, true));
        reject(this.#explain(cause));
      });
      send();
    });
  }

  #prepare(method: string, path: string, options: RequestOptions, extra: Record<string, string>): { request: http.ClientRequest; send: () => void } {
    const endpoint = this.#endpoint;
    const payload = options.json === undefined ? undefined : Buffer.from(JSON.stringify(options.json));
    const headers: Record<string, string | number> = { "User-Agent": "strata-client", ...extra, ...options.headers };
    if (payload) {
      headers["Content-Type"] ??= "application/json";
      headers["Content-Length"] = payload.length;
    } else if (options.body) {
      headers["Content-Type"] ??= "application/x-tar";
    } else if (method !== "GET" && method !== "HEAD") {
      headers["Content-Length"] = 0;
    }
    const hijacking = extra["Upgrade"] !== undefined;
    const target = endpoint.kind === "unix"
      ? { socketPath: endpoint.path, path: path + encodeQuery(options.query) }
      : { hostname: endpoint.hostname, port: endpoint.port, path: endpoint.basePath + path + encodeQuery(options.query), ...this.#tls };
    if (endpoint.kind === "unix") headers["Host"] = "strata";
    const request = this.#http.request({ ...target, method, headers, agent: hijacking ? false : this.#agent, signal: options.signal });
    const send = (): void => {
      if (payload) request.end(payload);
      else if (options.body) pipeline(options.body, request, () => { /* reported by the request's own error event */ });
      else request.end();
    };
    return { request, send };
  }

  #explain(cause: NodeJS.ErrnoException): Error {
    return cause.code !== undefined && CONNECT_ERRORS.has(cause.code) ? new StrataConnectionError(this.host, cause.code, { cause }) : explainLost(cause);
  }
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));
}

/** The whole body as text. */
export async function readText(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of stream) chunks.push(chunk as Buffer);
  } catch (error) {
    throw explainLost(error);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function apiError(response: http.IncomingMessage): Promise<StrataApiError> {
  const status = response.statusCode ?? 500;
  const text = (await readText(response)).trim();
  try {
    const body = JSON.parse(text) as { message?: unknown } | null;
    if (typeof body?.message === "string") return new StrataApiError(status, body.message);
  } catch {
    // Not JSON (a proxy, or a very old daemon): the text is the message.
  }
  return new StrataApiError(status, text || `request returned ${response.statusMessage || status}`);
}
