import type { Readable } from "node:stream";
import type { Api } from "../api.js";
import { StrataApiError } from "../errors.js";
import { encodeFilters, type Filters } from "../query.js";
import { splitReference } from "../reference.js";
import type {
  AuthConfig, CallSignal, ContainerConfig, HistoryEntry, ImageDeleteItem, ImageInspect, ImagesPruneReport, ImageSummary, ProgressLine, SearchResult,
} from "../types.js";

/** Called with each line of a progress stream. */
export type OnProgress = (line: ProgressLine) => void;

export interface PullOptions extends CallSignal {
  /** `os[/arch[/variant]]`. */
  readonly platform?: string;
  readonly auth?: AuthConfig;
  /** Every tag of the repository. */
  readonly all?: boolean;
  readonly onProgress?: OnProgress;
}

export interface PushOptions extends CallSignal {
  readonly auth?: AuthConfig;
  /** Every local tag of the repository. */
  readonly all?: boolean;
  readonly platform?: string;
  readonly onProgress?: OnProgress;
}

export interface ImportOptions extends CallSignal {
  /** `name[:tag]` of the new image. */
  readonly reference?: string;
  readonly message?: string;
  /** Dockerfile instructions, such as `CMD ["sh"]`. */
  readonly changes?: readonly string[];
  readonly platform?: string;
  readonly onProgress?: OnProgress;
}

export interface CommitOptions extends CallSignal {
  readonly reference?: string;
  readonly author?: string;
  readonly message?: string;
  readonly changes?: readonly string[];
  /** Hold the container still meanwhile; by default true. */
  readonly pause?: boolean;
  readonly config?: ContainerConfig;
}

export class Images {
  readonly #api: Api;
  constructor(api: Api) { this.#api = api; }

  list({ all, filters, sharedSize, signal }: CallSignal & { readonly all?: boolean; readonly filters?: Filters; readonly sharedSize?: boolean } = {}): Promise<ImageSummary[]> {
    return this.#api.call("get", "/images/json", { query: { all, filters: encodeFilters(filters), "shared-size": sharedSize }, signal });
  }

  inspect(name: string, { signal }: CallSignal = {}): Promise<ImageInspect> {
    return this.#api.call("get", "/images/{name}/json", { path: { name }, signal });
  }

  history(name: string, { platform, signal }: CallSignal & { readonly platform?: string } = {}): Promise<HistoryEntry[]> {
    return this.#api.call("get", "/images/{name}/history", { path: { name }, query: { platform: platformJson(platform) }, signal });
  }

  /** Pulls `name[:tag|@digest]`, `latest` when it says neither. Rejects when the registry or the daemon refuses, also halfway. */
  async pull(reference: string, options: PullOptions = {}): Promise<void> {
    await drain(this.pullStream(reference, options), options.onProgress);
  }

  /** The same, line by line. */
  pullStream(reference: string, { platform, auth, all, signal }: PullOptions = {}): AsyncGenerator<ProgressLine, void, undefined> {
    const { name, tag } = splitReference(reference);
    return this.#api.lines("post", "/images/create", {
      query: { fromImage: name, tag: tag ?? (all ? undefined : "latest"), platform }, headers: authHeader(auth), signal,
    });
  }

  async push(reference: string, options: PushOptions = {}): Promise<void> {
    await drain(this.pushStream(reference, options), options.onProgress);
  }

  pushStream(reference: string, { auth, all, platform, signal }: PushOptions = {}): AsyncGenerator<ProgressLine, void, undefined> {
    const { name, tag } = splitReference(reference);
    return this.#api.lines("post", "/images/{name}/push", {
      // The daemon insists on the header, even without credentials.
      path: { name }, query: { tag: tag ?? (all ? undefined : "latest"), platform: platformJson(platform) }, headers: authHeader(auth ?? {}), signal,
    });
  }

  /** Makes an image of a root file system's tar (plain, gzip, …), sent along or fetched by the daemon from a URL. The answer is the image's ID. */
  async import(source: Readable | string, options: ImportOptions = {}): Promise<string> {
    const { name, tag } = splitReference(options.reference ?? "");
    let id = "";
    const lines = this.#api.lines("post", "/images/create", {
      query: { fromSrc: typeof source === "string" ? source : "-", repo: name || undefined, tag, message: options.message, changes: options.changes && [...options.changes], platform: options.platform },
      body: typeof source === "string" ? undefined : source, signal: options.signal,
    });
    await drain(lines, (line) => {
      if (line.status?.startsWith("sha256:")) id = line.status;
      options.onProgress?.(line);
    });
    if (id === "") throw new StrataApiError(500, "the daemon did not say which image it made");
    return id;
  }

  /** Takes images from an archive that `save` or an OCI tool wrote. */
  async load(archive: Readable, options: CallSignal & { readonly platform?: string; readonly quiet?: boolean; readonly onProgress?: OnProgress } = {}): Promise<void> {
    await drain(this.loadStream(archive, options), options.onProgress);
  }

  loadStream(archive: Readable, { platform, quiet, signal }: CallSignal & { readonly platform?: string; readonly quiet?: boolean } = {}): AsyncGenerator<ProgressLine, void, undefined> {
    return this.#api.lines("post", "/images/load", { query: { quiet, platform: platformJson(platform) }, body: archive, signal });
  }

  /** A docker-archive with the OCI layout inside. */
  save(names: string | readonly string[], { platform, signal }: CallSignal & { readonly platform?: string } = {}): Promise<Readable> {
    return this.#api.open("get", "/images/get", { query: { names: typeof names === "string" ? [names] : [...names], platform: platformJson(platform) }, signal });
  }

  /** Looks for images by a word at Docker Hub; `registry.example/word` asks that registry. */
  search(term: string, { limit, filters, auth, signal }: CallSignal & { readonly limit?: number; readonly filters?: Filters; readonly auth?: AuthConfig } = {}): Promise<SearchResult[]> {
    return this.#api.call("get", "/images/search", { query: { term, limit, filters: encodeFilters(filters) }, headers: authHeader(auth), signal });
  }

  async tag(source: string, target: string, { signal }: CallSignal = {}): Promise<void> {
    const { name, tag } = splitReference(target);
    await this.#api.send("post", "/images/{name}/tag", { path: { name: source }, query: { repo: name, tag }, signal });
  }

  remove(name: string, { force, noprune, signal }: CallSignal & { readonly force?: boolean; readonly noprune?: boolean } = {}): Promise<ImageDeleteItem[]> {
    return this.#api.call("delete", "/images/{name}", { path: { name }, query: { force, noprune }, signal });
  }

  /** Removes images without a tag; with the filter `dangling: ["false"]` every image that no container uses. */
  prune({ filters, signal }: CallSignal & { readonly filters?: Filters } = {}): Promise<ImagesPruneReport> {
    return this.#api.call("post", "/images/prune", { query: { filters: encodeFilters(filters) }, signal });
  }

  /** Makes an image of what a container changed. The answer is its ID. */
  async commit(container: string, options: CommitOptions = {}): Promise<string> {
    const { name, tag } = splitReference(options.reference ?? "");
    const { Id } = await this.#api.call("post", "/commit", {
      query: {
        container, repo: name || undefined, tag, author: options.author, comment: options.message, pause: options.pause,
        changes: options.changes && [...options.changes],
      },
      json: options.config, signal: options.signal,
    });
    return Id;
  }
}

async function drain(lines: AsyncIterable<ProgressLine>, onProgress: OnProgress | undefined): Promise<void> {
  for await (const line of lines) onProgress?.(line);
}

function authHeader(auth: AuthConfig | undefined): Record<string, string> | undefined {
  return auth && { "X-Registry-Auth": Buffer.from(JSON.stringify(auth)).toString("base64url") };
}

/** `os/arch/variant` as the JSON that some operations want. */
function platformJson(platform: string | undefined): string | undefined {
  if (platform === undefined) return undefined;
  const [os, architecture, variant] = platform.split("/");
  return JSON.stringify({ os, architecture, variant });
}
