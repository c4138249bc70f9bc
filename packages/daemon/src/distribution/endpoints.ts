import { BlockList, isIP } from "node:net";
import { InvalidArgument } from "../core/index.js";

/** A place that may serve a repository. */
export interface Endpoint {
  /** Host and port, or the mirror's base URL: `registry-1.docker.io`, `127.0.0.1:5000`. */
  readonly host: string;
  /** To be tried in this order: `https://host`, `http://host`; no trailing slash, may hold a path. */
  readonly bases: readonly string[];
  readonly mirror: boolean;
  /** Certificates are not checked. */
  readonly unverified: boolean;
}

export interface EndpointOptions {
  /** Registry to the base URLs of its mirrors, tried first: `{ "docker.io": ["https://mirror.example"] }`. */
  readonly mirrors?: Readonly<Record<string, readonly string[]>>;
  /** `host`, `host:port` or CIDR: certificates unchecked, plain HTTP where TLS does not answer. Loopback always is. */
  readonly insecure?: readonly string[];
}

/** Mirrors as settings name them: `https://mirror` is one of docker.io, `quay.io=https://mirror` of another registry. Each registry's in their order. */
export function mirrorsOf(entries: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const mirrors: Record<string, string[]> = {};
  for (const entry of entries) {
    const [, domain = "docker.io", url = entry] = /^([a-z0-9.[\]:-]+)=(.*)$/i.exec(entry) ?? [];
    (mirrors[domain.toLowerCase()] ??= []).push(url);
  }
  return mirrors;
}

/** Which endpoints serve a registry name. Pure: no connection is made. */
export class Endpoints {
  readonly #names = new Set<string>();
  readonly #networks = new BlockList();
  readonly #mirrors = new Map<string, Endpoint[]>();

  /** InvalidArgument names a malformed entry. */
  constructor(options: EndpointOptions) {
    this.#addNetwork("127.0.0.0/8");
    this.#addNetwork("::1/128");
    this.#names.add("localhost");
    for (const entry of options.insecure ?? []) {
      if (/\/\d+$/.test(entry)) this.#addNetwork(entry);
      else if (/^[^/\s]+$/.test(entry)) this.#names.add(entry.toLowerCase());
      else throw new InvalidArgument(`insecure registry ${entry} is not valid: invalid host`);
    }
    for (const [domain, urls] of Object.entries(options.mirrors ?? {})) this.#mirrors.set(domain, urls.map((u) => this.#mirror(u)));
  }

  /** Mirrors first, then the registry itself. */
  of(domain: string): readonly Endpoint[] {
    const host = domain === "docker.io" ? "registry-1.docker.io" : domain;
    const unverified = this.isInsecure(domain);
    const own: Endpoint = { host, bases: unverified ? [`https://${host}`, `http://${host}`] : [`https://${host}`], mirror: false, unverified };
    return [...(this.#mirrors.get(domain) ?? []), own];
  }

  isInsecure(domain: string): boolean {
    const { name, hostname } = split(domain);
    if (this.#names.has(name) || this.#names.has(hostname)) return true;
    const family = isIP(hostname);
    return family !== 0 && this.#networks.check(hostname, family === 6 ? "ipv6" : "ipv4");
  }

  #mirror(text: string): Endpoint {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) throw new InvalidArgument(`invalid mirror: unsupported scheme in "${text}"`);
    if (url.search !== "" || url.hash !== "") throw new InvalidArgument(`invalid mirror: query or fragment at end of the URI "${text}"`);
    if (url.username !== "") throw new InvalidArgument(`invalid mirror: username/password not allowed in URI "${text}"`);
    return { host: url.host, bases: [`${url.origin}${url.pathname.replace(/\/+$/, "")}`], mirror: true, unverified: this.isInsecure(url.host) };
  }

  #addNetwork(cidr: string): void {
    const [address = "", bits] = cidr.split("/");
    const family = isIP(address);
    const prefix = Number(bits);
    if (family === 0 || prefix > (family === 6 ? 128 : 32)) throw new InvalidArgument(`insecure registry ${cidr} is not valid: invalid CIDR`);
    this.#networks.addSubnet(address, prefix, family === 6 ? "ipv6" : "ipv4");
  }
}

function split(domain: string): { name: string; hostname: string } {
  const name = domain.toLowerCase();
  const [, v6, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(name) ?? [];
  return { name, hostname: v6 ?? plain ?? name };
}
