import type { Reference } from "@strata/oci";
import { Unauthenticated, silentLogger, systemClock } from "../core/index.js";
import type { Clock, Logger } from "../core/index.js";
import type { Credentials } from "./auth.js";
import { BulkTransport } from "./bulk/bulk.js";
import { Connection } from "./connection.js";
import { Endpoints } from "./endpoints.js";
import type { EndpointOptions } from "./endpoints.js";
import { Proxies } from "./proxy.js";
import type { ProxyOptions } from "./proxy.js";
import { fetchUrl, type FetchedUrl, type FetchUrlOptions, readUrl } from "./fetch-url.js";
import { RegistryFault } from "./registry-fault.js";
import { Repository } from "./repository.js";
import { defaultRetry } from "./retry.js";
import type { RetryPolicy } from "./retry.js";
import { searchRegistry } from "./search.js";
import type { Found } from "./search.js";
import { CertificateStore } from "./tls.js";
import { Transport, discard } from "./transport.js";
import type { Patience } from "./transport.js";

export interface RegistryClientOptions extends EndpointOptions {
  /** Where `<host:port>/{ca.crt,*.cert,*.key}` are looked for, first hit wins. */
  readonly certificateDirectories?: readonly string[];
  readonly proxies?: ProxyOptions;
  /** Sent as User-Agent. */
  readonly userAgent?: string;
  readonly retry?: RetryPolicy;
  readonly patience?: Patience;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** Client of registries that speak the OCI distribution-spec (and Docker's registry API v2, from which it came). */
export class RegistryClient {
  #endpoints: Endpoints;
  readonly #transport: Transport;
  readonly #retry: RetryPolicy;
  readonly #clock: Clock;
  readonly #logger: Logger;

  /** InvalidArgument for malformed mirrors, insecure registries and proxies. */
  constructor(options: RegistryClientOptions = {}) {
    this.#endpoints = new Endpoints(options);
    const { certificateDirectories = DEFAULT_CERTIFICATES, userAgent = "strata", proxies = {}, patience } = options;
    const bulk = new BulkTransport({ certificateDirectories, userAgent, proxies, patience });
    this.#transport = new Transport(new CertificateStore(certificateDirectories), userAgent, new Proxies(proxies), patience, bulk);
    this.#retry = options.retry ?? defaultRetry;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
  }

  /** Other mirrors and insecure registries, for what begins from now on. InvalidArgument leaves the former ones. */
  configure(options: EndpointOptions): void { this.#endpoints = new Endpoints(options); }

  get retry(): RetryPolicy { return this.#retry; }

  /** One repository for one operation; tokens live as long as the object. Nothing is sent yet. */
  repository(reference: Pick<Reference, "domain" | "path">, credentials: Credentials = {}): Repository {
    const connections = this.#endpoints.of(reference.domain).map((endpoint) =>
      // The user's credentials are for the registry, not for its mirrors.
      new Connection(endpoint, this.#transport, endpoint.mirror ? {} : credentials, endpoint.mirror ? { ...this.#retry, attempts: 2 } : this.#retry, this.#clock));
    this.#logger.debug({ repository: `${reference.domain}/${reference.path}`, endpoints: connections.map((c) => c.endpoint.bases[0]) }, "repository opened");
    return new Repository(reference, connections);
  }

  /** Checks credentials. Returns a token to keep instead of the password, empty when the registry gives none. Unauthenticated when refused. */
  async login(domain: string, credentials: Credentials, signal?: AbortSignal): Promise<{ identityToken: string }> {
    const endpoint = this.#endpoints.of(domain).at(-1)!;
    const connection = new Connection(endpoint, this.#transport, credentials, this.#retry, this.#clock);
    try {
      await connection.base(signal);
      const identityToken = await connection.identityToken(signal);
      const response = await connection.send({ method: "GET", target: "/v2/", scopes: [], accept: [200], signal });
      await discard(response);
      return { identityToken };
    } catch (e) {
      if (!(e instanceof RegistryFault) || (e.status !== 401 && e.status !== 403)) throw e;
      throw new Unauthenticated(`Get "${await connection.base(signal)}/v2/": ${e.message}`, { cause: e });
    }
  }

  /** Images whose names (or more, as the registry likes) have a word; of Docker Hub, its index answers. */
  async search(domain: string, term: string, limit: number, credentials: Credentials, signal: AbortSignal): Promise<Found[]> {
    const own = this.#endpoints.of(domain).at(-1)!;
    const endpoint = domain === "docker.io" ? { ...own, host: "index.docker.io", bases: ["https://index.docker.io"] } : own;
    return await searchRegistry(new Connection(endpoint, this.#transport, credentials, this.#retry, this.#clock), term, limit, signal);
  }

  /** A file of a web server, the way registries are reached: same proxies, same trust. */
  async fetch(text: string, options: Omit<FetchUrlOptions, "unverified">): Promise<FetchedUrl> {
    const url = readUrl(text);
    return await fetchUrl(this.#transport, url, { ...options, unverified: this.#endpoints.isInsecure(url.host) });
  }

  close(): void { this.#transport.close(); }
}

const DEFAULT_CERTIFICATES = ["/etc/strata/certs.d", "/etc/docker/certs.d"];
