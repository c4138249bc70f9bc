import type { Readable } from "node:stream";
import { Authorizer } from "./auth.js";
import type { Credentials } from "./auth.js";
import type { Clock } from "../core/index.js";
import type { Endpoint } from "./endpoints.js";
import { NetworkError, nameOf } from "./network-error.js";
import { RegistryFault, faultOf } from "./registry-fault.js";
import { retrying } from "./retry.js";
import type { RetryPolicy } from "./retry.js";
import { discard } from "./transport.js";
import type { HttpRequest, HttpResponse, Transport } from "./transport.js";

export interface Exchange {
  readonly method: HttpRequest["method"];
  /** Path below the base (`/v2/…`), or an absolute URL that the registry gave. */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** A function is called for every attempt. */
  readonly body?: Buffer | (() => Readable);
  readonly scopes: readonly string[];
  /** Statuses that are answers; any other is thrown as RegistryFault. */
  readonly accept: readonly number[];
  /** What a 404 without an error document means: `BLOB_UNKNOWN`. */
  readonly unknownCode?: string;
  readonly signal?: AbortSignal;
  /** No second attempt after a failure (streams that cannot be had again). */
  readonly once?: boolean;
  /** The caller itself tries again after a failure; refused credentials are still renewed. */
  readonly unretried?: boolean;
  /** The answer has a large body. */
  readonly bulk?: boolean;
}

/** One endpoint with one user's credentials: finds the scheme, answers challenges, tries again. */
export class Connection {
  readonly #authorizer: Authorizer;
  #base: Promise<string> | undefined;

  constructor(
    readonly endpoint: Endpoint,
    private readonly transport: Transport,
    credentials: Credentials,
    private readonly retry: RetryPolicy,
    clock: Clock,
  ) {
    this.#authorizer = new Authorizer(transport, credentials, clock, endpoint.unverified);
  }

  /** Base URL that answers `/v2/` (distribution-spec "Determining Support"). */
  base(signal?: AbortSignal): Promise<string> {
    if (this.#base === undefined) {
      const base = this.#ping(signal);
      this.#base = base;
      base.catch(() => { if (this.#base === base) this.#base = undefined; });
    }
    return this.#base;
  }

  async #ping(signal?: AbortSignal): Promise<string> {
    let last: unknown;
    for (const base of this.endpoint.bases) {
      try {
        return await retrying(this.retry, signal, async () => {
          const response = await this.transport.send({ method: "GET", url: new URL(`${base}/v2/`), signal, unverified: this.endpoint.unverified });
          if (response.status === 401) this.#authorizer.challenged(response.headers["www-authenticate"], [], false);
          if (response.status === 429 || response.status >= 500) throw await faultOf(response);
          await discard(response);
          // Redirects of the ping (http to https) hold for the rest.
          return response.url.pathname.endsWith("/v2/") ? response.url.href.slice(0, -"/v2/".length) : base;
        });
      } catch (e) {
        // Only a server that does not speak TLS, or none at all, makes plain HTTP worth a try.
        if (!(e instanceof NetworkError) || signal?.aborted) throw e;
        last = e;
      }
    }
    throw last;
  }

  /** Sends, with credentials where the registry asks for them. The body of the answer is the caller's to read. */
  async send(exchange: Exchange): Promise<HttpResponse> {
    const policy = exchange.once || exchange.unretried ? { ...this.retry, attempts: 1 } : this.retry;
    return await retrying(policy, exchange.signal, () => this.#attempt(exchange));
  }

  async #attempt(exchange: Exchange): Promise<HttpResponse> {
    const base = await this.base(exchange.signal);
    const url = typeof exchange.target === "string" ? new URL(base + exchange.target) : exchange.target;
    // Upload locations may lie elsewhere: credentials are for the registry only.
    const own = url.origin === new URL(base).origin;
    for (let round = 0; ; round++) {
      const authorization = own ? await this.#authorizer.header(exchange.scopes, exchange.signal) : undefined;
      const response = await this.#transmit(exchange, url, authorization);
      if (exchange.accept.includes(response.status)) return response;
      const fault = await faultOf(response, exchange.unknownCode);
      if (response.status !== 401 || !own) throw fault;
      if (round > 0) throw this.#authorizer.anonymous ? new RegistryFault("DENIED", 403, fault.message) : fault;
      this.#authorizer.challenged(response.headers["www-authenticate"], exchange.scopes, true);
      // Nothing new to show, or a body that cannot be sent again: the answer stands.
      const better = await this.#authorizer.header(exchange.scopes, exchange.signal);
      // Forbidden, not unauthorized: at the latter the docker command asks its terminal for a login, also where nobody sits.
      if (better === undefined && /^basic/i.test(response.headers["www-authenticate"] ?? "")) throw new RegistryFault(fault.registryCode, 403, `${nameOf(exchange.method)} "${url.href}": no basic auth credentials`);
      if (exchange.once || better === authorization) throw fault;
    }
  }

  async #transmit(exchange: Exchange, url: URL, authorization: string | undefined): Promise<HttpResponse> {
    const body = typeof exchange.body === "function" ? exchange.body() : exchange.body;
    try {
      return await this.transport.send({
        method: exchange.method, url, body, signal: exchange.signal, unverified: this.endpoint.unverified, bulk: exchange.bulk,
        headers: { ...exchange.headers, ...(authorization === undefined ? {} : { Authorization: authorization }) },
      });
    } catch (e) {
      if (body !== undefined && !Buffer.isBuffer(body)) body.destroy();
      throw e;
    }
  }

  async identityToken(signal?: AbortSignal): Promise<string> {
    return await this.#authorizer.identityToken(signal);
  }
}
