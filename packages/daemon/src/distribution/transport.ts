import * as http from "node:http";
import * as https from "node:https";
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type { SecureContext } from "node:tls";
import { pipeline } from "node:stream";
import { StrataError } from "../core/index.js";
import { NetworkError } from "./network-error.js";
import { Proxies, TunnelAgent, proxyHeaders } from "./proxy.js";
import type { CertificateStore } from "./tls.js";

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | Readable;
  readonly signal?: AbortSignal;
  /** TLS without verification: an insecure registry. */
  readonly unverified?: boolean;
  /** A GET whose body is large. */
  readonly bulk?: boolean;
}
export interface HttpResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Must be read or destroyed. */
  readonly body: Readable;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
}

/** Whoever takes over the GETs with large bodies. */
export interface BulkSender {
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

const MAX_REDIRECTS = 10;
/** A connection on which nothing moves for so long is dead. Uploads wait for the registry to store what it got. */
export interface Patience { readonly readMs: number; readonly writeMs: number }
const PATIENCE: Patience = { readMs: 60_000, writeMs: 300_000 };

const POOL = { keepAlive: true, maxFreeSockets: 16 };

/** HTTP with kept connections, TLS per host, proxies and redirects. Errors without an answer are NetworkError. */
export class Transport {
  readonly #http = new http.Agent(POOL);
  readonly #https = new Map<string, https.Agent>();

  constructor(private readonly certificates: CertificateStore, private readonly userAgent: string, private readonly proxies = new Proxies({}), private readonly patience = PATIENCE, private readonly bulk?: BulkSender) {}

  /** Follows redirects of GET and HEAD; credentials stay with the host they were meant for. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    if (request.bulk === true && this.bulk !== undefined) return await this.bulk.send(request);
    let { url } = request;
    let headers = { ...request.headers };
    for (let hop = 0; ; hop++) {
      const response = await this.#once({ ...request, url, headers });
      const { location } = response.headers;
      const follow = (request.method === "GET" || request.method === "HEAD") && [301, 302, 303, 307, 308].includes(response.status) && location !== undefined;
      if (!follow) return response;
      await discard(response);
      if (hop >= MAX_REDIRECTS) throw new NetworkError(request.method, request.url, new Error(`stopped after ${MAX_REDIRECTS} redirects`));
      const next = new URL(location, url);
      if (!/^https?:$/.test(next.protocol)) throw new NetworkError(request.method, request.url, new Error(`unsupported protocol scheme "${next.protocol}"`));
      if (next.origin !== url.origin) {
        headers = { ...headers };
        delete headers["Authorization"];
      }
      url = next;
    }
  }

  async #once(request: HttpRequest): Promise<HttpResponse> {
    const { url, method, signal } = request;
    signal?.throwIfAborted();
    const { body } = request;
    const route = await this.#route(request).catch((e: unknown) => { throw new NetworkError(method, url, e); });
    const options: https.RequestOptions = {
      method, signal, ...route.options,
      headers: {
        "User-Agent": this.userAgent, ...request.headers, ...route.headers,
        ...(Buffer.isBuffer(body) ? { "Content-Length": String(body.length) } : body === undefined && method !== "GET" && method !== "HEAD" ? { "Content-Length": "0" } : {}),
      },
    };
    return await new Promise<HttpResponse>((resolve, reject) => {
      const fail = (e: unknown): void => reject(signal?.aborted ? (signal.reason as Error) : e instanceof StrataError ? e : new NetworkError(method, url, e));
      const outgoing = (url.protocol === "https:" ? https : http).request(url, options, (incoming) => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: incoming, url }));
      outgoing.setTimeout(method === "GET" || method === "HEAD" ? this.patience.readMs : this.patience.writeMs, () => {
        outgoing.destroy(Object.assign(new Error("timeout"), { code: "ETIMEDOUT" }));
      });
      outgoing.on("error", fail);
      if (body === undefined || Buffer.isBuffer(body)) outgoing.end(body);
      // An answer may come before the body is through (a refusal); the error of the cut body is then of no interest.
      else pipeline(body, outgoing, (e) => { if (e) fail(e); });
    });
  }

  /** Whom to connect to, and how. */
  async #route({ url, unverified = false }: HttpRequest): Promise<{ readonly options: https.RequestOptions & { secureContext?: SecureContext }; readonly headers?: Record<string, string> }> {
    const proxy = this.proxies.for(url);
    if (url.protocol === "http:") {
      if (proxy === undefined) return { options: { agent: this.#http } };
      return { options: { agent: this.#http, hostname: proxy.hostname, port: proxy.port || 80, path: url.href }, headers: { Host: url.host, ...proxyHeaders(proxy) } };
    }
    const key = `${unverified} ${proxy?.href ?? ""}`;
    let agent = this.#https.get(key);
    if (agent === undefined) {
      const pool = { ...POOL, rejectUnauthorized: !unverified };
      this.#https.set(key, agent = proxy === undefined ? new https.Agent(pool) : new TunnelAgent(proxy, pool));
    }
    return { options: { agent, secureContext: await this.certificates.context(url.host, unverified) } };
  }

  /** Closes idle connections. */
  close(): void {
    for (const agent of [this.#http, ...this.#https.values()]) agent.destroy();
    this.bulk?.close();
  }
}

/** Reads a body that is of no interest, so that the next request finds the connection free. */
export async function discard({ body }: HttpResponse): Promise<void> {
  await finished(body.resume()).catch(() => {});
}

/** A whole body, refused beyond `limit` bytes. */
export async function readBody(response: HttpResponse, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  try {
    for await (const chunk of response.body) {
      total += (chunk as Buffer).length;
      if (total > limit) throw new Error(`response is larger than ${limit} bytes`);
      chunks.push(chunk as Buffer);
    }
  } catch (e) {
    throw new NetworkError("GET", response.url, e);
  }
  return Buffer.concat(chunks);
}
