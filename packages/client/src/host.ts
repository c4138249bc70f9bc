/** Where a daemon listens. */
export type Endpoint =
  | { readonly kind: "unix"; readonly path: string; readonly host: string }
  | { readonly kind: "tcp"; readonly hostname: string; readonly port: number; readonly basePath: string; readonly secure: boolean; readonly host: string };

export const DEFAULT_HOST = "unix:///run/strata/strata.sock";

/** `STRATA_HOST`, else `DOCKER_HOST`, else Strata's own socket. */
export function defaultHost(env: NodeJS.ProcessEnv = process.env): string {
  return env["STRATA_HOST"] || env["DOCKER_HOST"] || DEFAULT_HOST;
}

/**
 * Reads `unix:///path`, `tcp://host:port[/base]`, `http://…`, `https://…` or a bare absolute path.
 * `tcp` means TLS when `tls` is set; the port defaults to 2376 with TLS and 2375 without. Throws TypeError.
 */
export function parseHost(host: string, tls = false): Endpoint {
  if (host.startsWith("/")) return { kind: "unix", path: host, host: `unix://${host}` };
  const scheme = /^([a-z]+):\/\/(.*)$/s.exec(host);
  if (!scheme) throw new TypeError(`unable to parse host ${JSON.stringify(host)}: expected unix:///PATH or tcp://HOST[:PORT]`);
  const [, protocol, rest] = scheme as unknown as [string, string, string];
  if (protocol === "unix") {
    if (!rest.startsWith("/")) throw new TypeError(`unable to parse host ${JSON.stringify(host)}: the socket's path must be absolute`);
    return { kind: "unix", path: rest, host };
  }
  if (protocol !== "tcp" && protocol !== "http" && protocol !== "https") {
    throw new TypeError(`unable to parse host ${JSON.stringify(host)}: unknown protocol ${protocol}`);
  }
  const secure = protocol === "https" || (protocol === "tcp" && tls);
  let url: URL;
  try {
    url = new URL(`${secure ? "https" : "http"}://${rest}`);
  } catch (cause) {
    throw new TypeError(`unable to parse host ${JSON.stringify(host)}`, { cause });
  }
  // URL drops a port that is its scheme's default: only an explicit one may be 80 or 443 here.
  const explicit = /:(\d+)(?:\/|$)/.exec(rest.replace(/^\[[^\]]*\]/, ""))?.[1];
  const fallback = protocol === "https" ? 443 : protocol === "http" ? 80 : secure ? 2376 : 2375;
  return {
    kind: "tcp", hostname: url.hostname.replace(/^\[|\]$/g, ""), port: explicit ? Number(explicit) : fallback,
    basePath: url.pathname.replace(/\/+$/, ""), secure, host,
  };
}
