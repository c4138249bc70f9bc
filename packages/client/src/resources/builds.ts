import type { Readable } from "node:stream";
import type { Api } from "../api.js";
import { encodeFilters, type Filters } from "../query.js";
import type { AuthConfig, BuildPruneReport, CallSignal, ProgressLine } from "../types.js";

/** What is not said is up to the daemon. */
export interface BuildOptions extends CallSignal {
  /** Path of the Dockerfile in the context. */
  readonly dockerfile?: string;
  /** `name[:tag]`. */
  readonly tags?: readonly string[];
  /** Null: a name that has no value. */
  readonly args?: Readonly<Record<string, string | null>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly platform?: string;
  readonly network?: string;
  readonly noCache?: boolean;
  readonly cacheFrom?: readonly string[];
  readonly cacheTo?: readonly string[];
  /** Contents by ID, for `RUN --mount=type=secret`. */
  readonly secrets?: Readonly<Record<string, Buffer>>;
  /** Sockets of ssh agents on the daemon's machine by ID, for `RUN --mount=type=ssh`. */
  readonly agents?: Readonly<Record<string, string>>;
  readonly pull?: boolean;
  readonly quiet?: boolean;
  readonly squash?: boolean;
  readonly remove?: boolean;
  readonly forceRemove?: boolean;
  /** `host:address`. */
  readonly hosts?: readonly string[];
  readonly memory?: number;
  readonly memorySwap?: number;
  readonly shmSize?: number;
  readonly cpuShares?: number;
  readonly cpuPeriod?: number;
  readonly cpuQuota?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly cgroupParent?: string;
  readonly ulimits?: readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[];
  readonly securityOptions?: readonly string[];
  /** Credentials by registry. */
  readonly auths?: Readonly<Record<string, AuthConfig>>;
}

export class Builds {
  readonly #api: Api;
  constructor(api: Api) { this.#api = api; }

  /** Builds from a tar (plain or packed), or from a URL that the daemon fetches. A line with `aux.ID` names the image. */
  build(context: Readable | string, options: BuildOptions = {}): AsyncGenerator<ProgressLine, void, undefined> {
    const o = options;
    return this.#api.lines("post", "/build", {
      query: {
        dockerfile: o.dockerfile, t: o.tags && [...o.tags], remote: typeof context === "string" ? context : undefined, buildargs: json(o.args), labels: json(o.labels), target: o.target, platform: o.platform,
        networkmode: o.network, nocache: o.noCache, cachefrom: json(o.cacheFrom), cacheto: json(o.cacheTo), pull: o.pull === true ? "1" : undefined, q: o.quiet, squash: o.squash, rm: o.remove, forcerm: o.forceRemove,
        extrahosts: o.hosts && [...o.hosts], memory: o.memory, memswap: o.memorySwap, shmsize: o.shmSize, cpushares: o.cpuShares, cpuperiod: o.cpuPeriod, cpuquota: o.cpuQuota, cpusetcpus: o.cpusetCpus,
        cpusetmems: o.cpusetMems, cgroupparent: o.cgroupParent, ulimits: json(o.ulimits), securityopt: json(o.securityOptions), version: "1",
      },
      headers: { ...(o.auths && { "X-Registry-Config": Buffer.from(JSON.stringify(o.auths)).toString("base64url") }), ...privateHeader(o) },
      body: typeof context === "string" ? undefined : context, signal: o.signal,
    });
  }

  /** Forgets records of build steps that no image has, and with `all` the others too. */
  prune({ all, filters, signal }: CallSignal & { readonly all?: boolean; readonly filters?: Filters } = {}): Promise<BuildPruneReport> {
    return this.#api.call("post", "/build/prune", { query: { all, filters: encodeFilters(filters) }, signal });
  }
}

function privateHeader({ secrets = {}, agents = {} }: BuildOptions): Record<string, string> {
  if (Object.keys(secrets).length + Object.keys(agents).length === 0) return {};
  const value = { secrets: Object.fromEntries(Object.entries(secrets).map(([id, content]) => [id, content.toString("base64")])), ssh: agents };
  return { "X-Strata-Build-Secrets": Buffer.from(JSON.stringify(value)).toString("base64url") };
}

/** Empty lists and objects are left out. */
function json(value: object | undefined): string | undefined {
  return value === undefined || Object.keys(value).length === 0 ? undefined : JSON.stringify(value);
}
