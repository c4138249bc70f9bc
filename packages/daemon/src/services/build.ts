import { createHash, randomUUID } from "node:crypto";
import { join } from "node:path";
import { Readable } from "node:stream";
import { familiarName, formatReference, type ImageConfig, type ImageId, parseReference, type Platform, type Reference, withDefaultTag } from "@strata/oci";
import { build } from "../builder/build.js";
import { BuildContext } from "../builder/context.js";
import type { BuildHost, BuildNeeds, Download } from "../builder/needs.js";
import { parseDockerfile } from "../builder/parse.js";
import {
  type BuildContainers, type BuildRecordView, type EventBus, type GarbageCollector, InvalidArgument, type Lease, type Logger, messageOf, newId, NotFound, NotImplemented, type PruneJournal, type RootFiles, type TreePorter, Unavailable, type VolumeStore,
} from "../core/index.js";
import { booleanFilter, labelsMatch, rejectUnknown, untilOf } from "./filter-match.js";
import { emitImageEvent, labelsOf } from "./images-names.js";
import { runStep } from "./build-run.js";
import type { BuildRequest, BuildService } from "./build-types.js";
import { resolveUser } from "./spec/users.js";
import type { ContainerService, Filters, ImageService, ProgressSink } from "./types.js";

export interface BuildsParts extends BuildNeeds {
  readonly names: BuildContainers;
  readonly imageService: Pick<ImageService, "pull">;
  readonly containers: Pick<ContainerService, "create" | "attach" | "wait" | "start" | "remove">;
  readonly volumes: VolumeStore;
  readonly files: RootFiles;
  readonly porter: TreePorter;
  readonly collector: Pick<GarbageCollector, "notify" | "collect">;
  readonly events: EventBus;
  readonly logger: Logger;
  readonly journal?: PruneJournal;
  /** A build is over, and its cache may have grown; or it failed. */
  readonly grown?: (failure?: unknown) => void;
}

/** Bytes of a Dockerfile at most. */
const LARGEST_FILE = 4 << 20;

/** Images from Dockerfiles. */
export class Builds implements BuildService {
  constructor(private readonly parts: BuildsParts) {}

  /** Start-up: containers of builds that a crash cut off go. */
  async recover(): Promise<void> {
    for (const name of this.parts.names.announced()) {
      try {
        await this.parts.containers.remove(name, { force: true, volumes: true, link: false });
      } catch (err) {
        if (!(err instanceof NotFound)) {
          // The next start tries again; this one must not fail for it.
          this.parts.logger.warn({ err, container: name }, `a build's container could not be removed: ${messageOf(err)}`);
          continue;
        }
      }
      this.parts.names.forget(name);
    }
  }

  async build(request: BuildRequest, { progress, signal }: { progress: ProgressSink; signal: AbortSignal }): Promise<ImageId> {
    const tags = request.tags.map(tagOf);
    if (request.squash) throw new NotImplemented("squash: layers are not merged; multi-stage builds leave out what is not needed");
    const context = await this.context(request, signal);
    try {
      return await this.parts.leases.with("build", (lease) => this.solve(request, context, tags, lease, progress, signal));
    } catch (e) {
      this.parts.grown?.(e);
      throw e;
    } finally {
      await context.remove();
      this.parts.collector.notify("deletion");
      this.parts.grown?.();
    }
  }

  private async solve(request: BuildRequest, context: BuildContext, tags: readonly Reference[], lease: Lease, progress: ProgressSink, signal: AbortSignal): Promise<ImageId> {
    const { parts } = this;
    const text = await context.text(request.dockerfile, LARGEST_FILE) ?? (request.dockerfile === "Dockerfile" ? await context.text("dockerfile", LARGEST_FILE) : undefined);
    if (text === undefined) throw new InvalidArgument(`Cannot locate specified Dockerfile: ${request.dockerfile}`);
    const file = parseDockerfile(text);
    await context.hideIgnored([request.dockerfile]);
    const say: ProgressSink = (line) => { if (!request.quiet) progress(line); };
    const alive = setInterval(() => {
      // What was built is refused at its next step where the lease is lost (the machine slept, say).
      try { parts.leases.renew(lease); } catch (err) { parts.logger.warn({ err }, "a build lost its lease"); }
    }, 600_000).unref();
    try {
      const { image } = await build(parts, this.host(request, say, signal), {
        file, context, args: request.args, labels: request.labels, noCache: request.noCache, lease, signal, ...this.cacheFrom(request.cacheFrom),
        ...(request.target === undefined ? {} : { target: request.target }), ...(request.platform === undefined ? {} : { platform: request.platform }), ...(request.network === undefined ? {} : { network: request.network }),
        output: (stream) => say({ stream }), aux: (ID) => progress({ aux: { ID } }),
      });
      parts.images.atomically(() => { for (const tag of tags) parts.images.tag(image, formatReference(tag)); });
      parts.images.touch(image);
      for (const tag of tags) {
        say({ stream: `Successfully tagged ${familiarName(tag)}\n` });
        emitImageEvent(parts.events, "tag", image, familiarName(tag), labelsOf(parts.images, image));
      }
      if (request.quiet) progress({ stream: `${image}\n` });
      return image;
    } finally { clearInterval(alive); }
  }

  private cacheFrom(names: readonly string[]): { cacheFrom?: ImageConfig[] } {
    if (names.length === 0) return {};
    return { cacheFrom: names.flatMap((name) => this.local(name) ?? []).map((id) => this.parts.images.get(id).config) };
  }

  private async context({ context, remote, dockerfile }: BuildRequest, signal: AbortSignal): Promise<BuildContext> {
    const directory = join(this.parts.temporary, `context-${randomUUID()}`);
    if (remote === undefined) return BuildContext.read(context!, directory, this.parts.workers);
    if (!/^https?:\/\//.test(remote) || /\.git(?:#.*)?$/.test(remote)) throw new NotImplemented(`remote: a build context from ${remote} is not supported; a tar or a Dockerfile by http(s) is`);
    const { body } = await fetchStream(remote, signal);
    return BuildContext.fetched(body, dockerfile, directory, this.parts.workers);
  }

  private host(request: BuildRequest, say: ProgressSink, signal: AbortSignal): BuildHost {
    const { parts } = this, epoch = request.args.get("SOURCE_DATE_EPOCH");
    const host: BuildHost = {
      base: (reference, platform) => this.base(reference, platform, request, say, signal),
      run: (wanted) => runStep(parts, wanted, { hostConfig: request.hostConfig, remove: request.remove, forceRemove: request.forceRemove, ...(epoch ? { newest: Number(epoch) } : {}) }),
      tree: async (top, lease, work) => {
        const owner = newId<string>();
        await parts.layers.createWritable(owner, top, lease, { volatile: true, bare: true });
        try {
          const mounted = await parts.layers.mount(owner);
          try { return await work(mounted.path); } finally { await mounted.release(); }
        } finally { await parts.layers.release(owner); }
      },
      owner: async (root, text) => {
        const [user = "", group = user] = text.split(":", 2);
        const [passwd, groups] = await Promise.all([parts.files.read(root, "/etc/passwd"), parts.files.read(root, "/etc/group")]);
        const { uid, gid } = resolveUser(`${user}:${group}`, [], passwd?.toString() ?? null, groups?.toString() ?? null);
        return { uid, gid };
      },
      download: fetchStream,
      tar: (root, path) => parts.porter.read({ root, writable: false, mounts: [] }, path),
      cacheDirectory: async (id) => (await parts.volumes.create({ name: `build-cache-${createHash("sha256").update(id).digest("hex").slice(0, 16)}`, labels: { "com.strata.build-cache": id } })).mountpoint,
      git: (url) => Promise.reject(new NotImplemented(`ADD of a git repository is not supported: ${url}`)),
    };
    return host;
  }

  private async base(name: string, platform: Platform | undefined, { pull, auth }: BuildRequest, say: ProgressSink, signal: AbortSignal): Promise<ImageId> {
    const { images, imageService } = this.parts;
    const known = this.local(name);
    // An ID names no repository to pull from.
    if (known !== undefined && (!pull || /^(sha256:)?[0-9a-f]{12,64}$/.test(name))) return known;
    const reference = formatReference(withDefaultTag(parseReference(name)));
    const credentials = auth.get(parseReference(name).domain);
    await imageService.pull(reference, { ...(platform === undefined ? {} : { platform }), ...(credentials === undefined ? {} : { auth: credentials }), progress: say, signal });
    return images.resolve(name);
  }

  private local(name: string): ImageId | undefined {
    try { return this.parts.images.resolve(name); } catch (e) {
      if (e instanceof NotFound) return undefined;
      throw e;
    }
  }

  records(): BuildRecordView[] { return this.parts.cache.list(); }

  async prune({ filters, all, keep }: { filters: Filters; all: boolean; keep?: number }): Promise<{ removed: string[]; bytes: number }> {
    const wanted = filterOf(filters, this.parts.clock.now()), every = this.parts.cache.list();
    const records = every.filter((record) => (all || !record.shared) && wanted(record));
    let total = every.reduce((sum, { size }) => sum + size, 0);
    const going: BuildRecordView[] = [];
    for (const record of records) {
      if (keep !== undefined && total <= keep) break;
      going.push(record);
      total -= record.size;
    }
    this.parts.cache.remove(going.map(({ key }) => key));
    const { freed } = await this.parts.collector.collect();
    this.parts.journal?.pruned("builder", going.map(({ key, description, size }) => ({ kind: "build-record", key, name: description, bytes: size })));
    this.parts.events.emit({ type: "builder", action: "prune", id: "", attributes: { reclaimed: String(freed.bytes) } });
    return { removed: going.map(({ key }) => key), bytes: freed.bytes };
  }
}

function tagOf(text: string): Reference {
  let reference: Reference;
  try { reference = parseReference(text); } catch (cause) { throw new InvalidArgument(`invalid argument "${text}" for t: invalid reference format`, { cause }); }
  if (reference.digest !== undefined) throw new InvalidArgument("build tag cannot contain a digest");
  return withDefaultTag(reference);
}

const FILTERS = ["until", "unused-for", "id", "parent", "type", "description", "inuse", "shared", "private", "label", "label!"];

/** Every filter that is given narrows what goes. Records have no labels. */
function filterOf(filters: Filters, now: number): (record: BuildRecordView) => boolean {
  rejectUnknown(filters, FILTERS);
  const before = ["until", "unused-for"].map((key) => untilOf(new Map([["until", filters.get(key) ?? []]]), now));
  const any = (key: string, fits: (value: string) => boolean): boolean => filters.get(key)?.some(fits) ?? true;
  const flags = new Map(["shared", "inuse", "private"].map((key) => [key, booleanFilter(filters, key)]));
  const is = (key: string, value: boolean): boolean => (flags.get(key) ?? value) === value;
  return ({ key, parent, description, shared, lastUsedAt }) => before.every((time) => lastUsedAt <= time) && labelsMatch(filters, {})
    && any("id", (id) => key.startsWith(id)) && any("parent", (id) => parent?.includes(id) === true) && any("type", (type) => type === "regular")
    && any("description", (text) => description.includes(text)) && is("shared", shared) && is("inuse", shared) && is("private", !shared);
}

async function fetchStream(url: string, signal: AbortSignal): Promise<Download> {
  let response: Response;
  try { response = await fetch(url, { signal }); } catch (cause) { throw new Unavailable(`cannot fetch ${url}: ${messageOf(cause)}`, { cause }); }
  if (!response.ok || response.body === null) throw new InvalidArgument(`cannot fetch ${url}: ${response.status} ${response.statusText}`);
  const modified = Date.parse(response.headers.get("last-modified") ?? "");
  return { body: Readable.fromWeb(response.body), ...(Number.isNaN(modified) ? {} : { modified }) };
}
