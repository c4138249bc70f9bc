import * as http from "node:http";
import * as https from "node:https";
import { BlockList, isIP } from "node:net";
import type { Socket } from "node:net";
import * as tls from "node:tls";
import { InvalidArgument } from "../core/index.js";

/** Proxies as the environment names them (HTTP_PROXY, HTTPS_PROXY, NO_PROXY; lower case goes first). */
export interface ProxyOptions {
  readonly http?: string;
  readonly https?: string;
  /** Comma-separated: `*`, hosts (with their subdomains), `host:port`, addresses and CIDR ranges. */
  readonly none?: string;
}

/** What `settings` leave out comes from the environment. */
export function proxiesOf(environment: Readonly<Record<string, string | undefined>>, settings: ProxyOptions = {}): ProxyOptions {
  const read = (name: string): string | undefined => environment[name.toLowerCase()] ?? environment[name];
  return { http: settings.http || read("HTTP_PROXY"), https: settings.https || read("HTTPS_PROXY"), none: settings.none || read("NO_PROXY") };
}

/** As `docker info` shows it: without its password. */
export function shownProxy(proxy: string | undefined): string {
  return (proxy ?? "").replace(/\/\/[^@/]*@/, "//xxxxx:xxxxx@");
}

/** Which proxy a request goes through. Loopback never goes through one. */
export class Proxies {
  readonly #http: URL | undefined;
  readonly #https: URL | undefined;
  readonly #names: string[] = [];
  readonly #ranges = new BlockList();

  constructor(options: ProxyOptions) {
    this.#http = parse(options.http);
    this.#https = parse(options.https);
    for (const entry of (options.none ?? "").split(",").map((e) => e.trim().toLowerCase())) {
      const [address = "", bits] = entry.split("/");
      const family = isIP(address) === 6 ? "ipv6" : "ipv4";
      if (isIP(address) === 0) this.#names.push(entry);
      else if (bits === undefined) this.#ranges.addAddress(address, family);
      else this.#ranges.addSubnet(address, Number(bits), family);
    }
  }

  for(url: URL): URL | undefined {
    const proxy = url.protocol === "https:" ? this.#https : this.#http;
    const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
    if (proxy === undefined || host === "localhost" || host === "::1" || host.startsWith("127.")) return undefined;
    const family = isIP(host);
    if (family !== 0 && this.#ranges.check(host, family === 6 ? "ipv6" : "ipv4")) return undefined;
    const port = url.port || (url.protocol === "https:" ? "443" : "80");
    const out = this.#names.some((name) => {
      if (name === "*") return true;
      const [domain = "", only] = name.split(":");
      if (domain === "" || (only !== undefined && only !== port)) return false;
      return domain.startsWith(".") ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
    });
    return out ? undefined : proxy;
  }
}

function parse(text: string | undefined): URL | undefined {
  if (text === undefined || text === "") return undefined;
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(full) || new URL(full).protocol !== "http:") throw new InvalidArgument(`unsupported proxy "${text.replace(/\/\/.*@/, "//")}": only http:// is`);
  return new URL(full);
}

/** `Proxy-Authorization` for credentials in the proxy's URL. */
export function proxyHeaders(proxy: URL): Record<string, string> {
  if (proxy.username === "") return {};
  return { "Proxy-Authorization": `Basic ${Buffer.from(`${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`).toString("base64")}` };
}

/** TLS through a tunnel that an HTTP proxy opens (CONNECT, RFC 9110). Connections are kept per host as without a proxy. */
export class TunnelAgent extends https.Agent {
  constructor(private readonly proxy: URL, options: https.AgentOptions) { super(options); }

  override createConnection(options: https.RequestOptions, done?: (error: Error | null, socket: Socket) => void): undefined {
    const authority = `${options.host?.includes(":") ? `[${options.host}]` : options.host}:${options.port}`;
    const fail = (e: Error): void => done?.(e, undefined as never);
    const request = http.request({
      host: this.proxy.hostname, port: this.proxy.port || 80, method: "CONNECT", path: authority, headers: { Host: authority, ...proxyHeaders(this.proxy) }, agent: false,
    });
    request.once("connect", (response, socket) => {
      if (response.statusCode === 200) {
        const secure = tls.connect({ ...(options as tls.ConnectionOptions), socket }, () => done?.(null, secure));
        secure.once("error", fail);
        return;
      }
      socket.destroy();
      fail(new Error(`proxyconnect tcp: ${this.proxy.host} answered ${response.statusCode} ${response.statusMessage}`));
    });
    request.once("error", fail);
    request.end();
    return undefined;
  }
}
