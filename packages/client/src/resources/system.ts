import type { Api } from "../api.js";
import { encodeFilters, type Filters } from "../query.js";
import type { AuthConfig, AuthResponse, CallSignal, DiskUsage, EventMessage, SystemInfo, SystemVersion } from "../types.js";

/** What a daemon says of itself in the headers of a ping. */
export interface Ping {
  readonly apiVersion: string;
  readonly osType: string;
  readonly server: string;
  readonly builderVersion: string;
  readonly experimental: boolean;
}

export interface EventsOptions extends CallSignal {
  /** Unix seconds, RFC 3339, or a duration back from now (`10m`). */
  readonly since?: string;
  /** The stream ends at this time. */
  readonly until?: string;
  readonly filters?: Filters;
}

export class System {
  readonly #api: Api;
  constructor(api: Api) { this.#api = api; }

  async ping({ signal }: CallSignal = {}): Promise<Ping> {
    const { headers } = await this.#api.ping(signal);
    const header = (name: string): string => { const value = headers[name]; return typeof value === "string" ? value : ""; };
    return {
      apiVersion: header("api-version"), osType: header("ostype"), server: header("server"), builderVersion: header("builder-version"),
      experimental: header("docker-experimental") === "true",
    };
  }

  /** The API version that this client and the daemon have agreed on. */
  apiVersion({ signal }: CallSignal = {}): Promise<string> {
    return this.#api.version(signal);
  }

  version(options: CallSignal = {}): Promise<SystemVersion> {
    return this.#api.call("get", "/version", options);
  }

  info(options: CallSignal = {}): Promise<SystemInfo> {
    return this.#api.call("get", "/info", options);
  }

  /** `types`: only these of container, image, volume, build-cache. */
  df({ types, signal }: CallSignal & { readonly types?: readonly ("container" | "image" | "volume" | "build-cache")[] } = {}): Promise<DiskUsage> {
    return this.#api.call("get", "/system/df", { query: { type: types && [...types] }, signal });
  }

  /** What happens, as it happens; the loop ends at `until`, by the signal, or when it is left. */
  events({ since, until, filters, signal }: EventsOptions = {}): AsyncGenerator<EventMessage, void, undefined> {
    return this.#api.lines("get", "/events", { query: { since, until, filters: encodeFilters(filters) }, signal });
  }

  /** Tries credentials against a registry; rejects with status 401 when it refuses them. */
  auth(credentials: AuthConfig, { signal }: CallSignal = {}): Promise<AuthResponse> {
    return this.#api.call("post", "/auth", { json: credentials, signal });
  }
}
