import { rm } from "node:fs/promises";
import { familiarName, formatReference, type ImageId, parseReference, type Platform, type Reference, withDefaultTag } from "@strata/oci";
import { build } from "../builder/build.js";
import type { BuildContext } from "../builder/context.js";
import type { BuildHost, BuildNeeds } from "../builder/needs.js";
import { parseDockerfile } from "../builder/parse.js";
import { short } from "../builder/stage.js";
import {
  type BuildCacheView, type BuildContainers, type BuildRecordView, type EventBus, type GarbageCollector, InvalidArgument, type Lease, type Logger, messageOf, newId, NotFound, type PruneJournal, type RootFiles, type VolumeStore,
} from "../core/index.js";
import type { CacheVolumes } from "./build-mounts.js";
import { runStep, secretsFolder } from "./build-run.js";
import { type CacheFrom, CacheSharing, type CacheTo, readCacheFrom, readCacheTo, type ShareParts } from "./build-share.js";
import { BuildSources, LARGEST_FILE, type SourceParts } from "./build-sources.js";
import type { BuildListener, BuildRequest, BuildService } from "./build-types.js";
import { booleanFilter, labelsMatch, rejectUnknown, untilOf } from "./filter-match.js";
import { emitImageEvent, labelsOf } from "./images-names.js";
import { resolveUser } from "./spec/users.js";
import type { ContainerService, Filters, ImageService, ProgressSink } from "./types.js";

export interface BuildsParts extends BuildNeeds, SourceParts, ShareParts {
  readonly names: BuildContainers;
  readonly caches: CacheVolumes;
  readonly imageService: Pick<ImageService, "pull">;
  readonly containers: Pick<ContainerService, "create" | "attach" | "wait" | "start" | "remove">;
  readonly volumes: VolumeStore;
  readonly files: RootFiles;
  readonly collector: Pick<GarbageCollector, "notify" | "collect">;
  readonly events: EventBus;
  readonly logger: Logger;
  readonly execRoot: string;
  readonly journal?: PruneJournal;
  /** A build is over, and its cache may have grown; or it failed. */
  readonly grown?: (failure?: unknown) => void;
}

/** What of a request was read before anything is done. */
interface Asked {
  readonly tags: readonly Reference[];
  readonly from: readonly CacheFrom[];
  readonly to: readonly CacheTo[];
}

/** Images from Dockerfiles. */
export class Builds implements BuildService {
  private readonly sources: BuildSources;
  private readonly sharing: CacheSharing;
  private readonly views = new WeakMap<BuildRecordView, BuildCacheView>();

  constructor(private readonly parts: BuildsParts) {
    this.sources = new BuildSources(parts);
    this.sharing = new CacheSharing(parts);
  }

  /** Start-up: containers of builds that a crash cut off go, and what they were to see alone. */
  async recover(): Promise<void> {
    await rm(secretsFolder(this.parts.execRoot), { recursive: true, force: true });
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

  async build(request: BuildRequest, listener: BuildListener): Promise<ImageId> {
    const asked: Asked = { tags: request.tags.map(tagOf), from: readCacheFrom(request.cacheFrom), to: readCacheTo(request.cacheTo) };
    const context = await this.sources.context(request, listener.signal);
    try {
      return await this.parts.leases.with("build", (lease) => this.solve(request, asked, context, lease, listener));
    } catch (e) {
      this.parts.grown?.(e);
      throw e;
    } finally {
      await context.remove();
      this.parts.collector.notify("deletion");
      this.parts.grown?.();
    }
  }

  private async solve(request: BuildRequest, { tags, from, to }: Asked, context: BuildContext, lease: Lease, listener: BuildListener): Promise<ImageId> {
    const { parts } = this, { progress, signal } = listener;
    const text = await context.text(request.dockerfile, LARGEST_FILE) ?? (request.dockerfile === "Dockerfile" ? await context.text("dockerfile", LARGEST_FILE) : undefined);
    if (text === undefined) throw new InvalidArgument(`Cannot locate specified Dockerfile: ${request.dockerfile}`);
    const file = parseDockerfile(text);
    await context.hideIgnored([request.dockerfile]);
    const say: ProgressSink = (line) => { if (!request.quiet) progress(line); };
    const alive = setInterval(() => {
      // What was built is refused at its next step where the lease is lost (the machine slept, say).
      try { parts.leases.renew(lease); } catch (err) { parts.logger.warn({ err }, "a build lost its lease"); }
    }, 600_000).unref();
    const platform = request.platform === undefined ? {} : { platform: request.platform };
    const sharing = { auth: request.auth, ...platform, lease, progress: say, signal };
    try {
      const { image, stages } = await build(parts, this.host(request, say, signal), {
        file, context, args: request.args, labels: request.labels, noCache: request.noCache, squash: request.squash, lease, signal, ...platform,
        ...(from.length === 0 ? {} : { cacheFrom: await this.sharing.sources(from, sharing) }),
        ...(request.target === undefined ? {} : { target: request.target }), ...(request.network === undefined ? {} : { network: request.network }),
        output: { write: (stream) => { say({ stream }); return listener.ready(); }, drained: () => listener.drained() },
      });
      const left = await this.sharing.leave(to, stages, sharing);
      if (left.length > 0) progress({ aux: { CacheImages: left } });
      progress({ aux: { ID: image } });
      say({ stream: `Successfully built ${short(image)}\n` });
      this.name(image, tags, say);
      if (request.quiet) progress({ stream: `${image}\n` });
      return image;
    } finally { clearInterval(alive); }
  }

  private name(image: ImageId, tags: readonly Reference[], say: ProgressSink): void {
    const { images, events } = this.parts;
    images.atomically(() => { for (const tag of tags) images.tag(image, formatReference(tag)); });
    images.touch(image);
    for (const tag of tags) {
      say({ stream: `Successfully tagged ${familiarName(tag)}\n` });
      emitImageEvent(events, "tag", image, familiarName(tag), labelsOf(images, image));
    }
  }

  private host(request: BuildRequest, say: ProgressSink, signal: AbortSignal): BuildHost {
    const { parts, sources } = this, epoch = request.args.get("SOURCE_DATE_EPOCH");
    return {
      secrets: request.secrets, agents: request.agents,
      base: async (reference, platform) => {
        const image = await this.base(reference, platform, request, say, signal);
        parts.images.touch(image);
        return image;
      },
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
        const [user = "", group = user, ...more] = text.split(":");
        if (more.length > 0) throw new InvalidArgument(`invalid chown string format: ${text}`);
        const [passwd, groups] = await Promise.all([parts.files.read(root, "/etc/passwd"), parts.files.read(root, "/etc/group")]);
        const { uid, gid } = resolveUser(`${user}:${group}`, [], passwd?.toString() ?? null, groups?.toString() ?? null);
        return { uid, gid };
      },
      download: (url, cancel) => sources.download(url, cancel),
      tar: (root, path) => parts.porter.read({ root, writable: false, mounts: [] }, path),
      git: (url, keep, cancel, work) => sources.git(url, keep, request.agents.get("default"), cancel, work),
    };
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

  /** Least recently used first. */
  async records(): Promise<BuildCacheView[]> {
    const steps = this.parts.cache.list().map((record) => this.viewOf(record)), mounts = await this.parts.caches.views();
    return mounts.length === 0 ? steps : [...steps, ...mounts].sort((a, b) => a.lastUsedAt - b.lastUsedAt);
  }
  private viewOf(record: BuildRecordView): BuildCacheView {
    let view = this.views.get(record);
    if (view === undefined) this.views.set(record, view = { ...record, type: "regular", inUse: record.shared });
    return view;
  }

  async prune({ filters, all, keep }: { filters: Filters; all: boolean; keep?: number }): Promise<{ removed: string[]; bytes: number }> {
    const wanted = filterOf(filters, this.parts.clock.now()), every = await this.records();
    let total = every.reduce((sum, { size }) => sum + size, 0);
    const going: BuildCacheView[] = [];
    for (const record of every) {
      if (record.type === "regular" ? record.shared && !all : record.inUse) continue;
      if (!wanted(record)) continue;
      if (keep !== undefined && total <= keep) break;
      going.push(record);
      total -= record.size;
    }
    const steps = going.filter(({ type }) => type === "regular");
    const gone = new Set(steps.map(({ key }) => key));
    const tops = this.parts.cache.list().flatMap(({ key, top }) => (gone.has(key) && top !== null ? [top] : []));
    this.parts.cache.remove([...gone]);
    const mounts: BuildCacheView[] = [];
    for (const mount of going) if (mount.type === "exec.cachemount" && await this.parts.caches.remove(mount.key)) mounts.push(mount);
    const { freed } = await this.parts.collector.collect({ from: tops.map((key) => ({ kind: "layer", key })) });
    const bytes = freed.bytes + mounts.reduce((sum, { size }) => sum + size, 0);
    this.parts.journal?.pruned("builder", [...steps, ...mounts].map(({ key, description, size, type }) => ({ kind: type === "regular" ? "build-record" : "build-mount", key, name: description, bytes: size })));
    this.parts.events.emit({ type: "builder", action: "prune", id: "", attributes: { reclaimed: String(bytes) } });
    return { removed: [...steps, ...mounts].map(({ key }) => key), bytes };
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
function filterOf(filters: Filters, now: number): (record: BuildCacheView) => boolean {
  rejectUnknown(filters, FILTERS);
  const before = ["until", "unused-for"].map((key) => untilOf(new Map([["until", filters.get(key) ?? []]]), now));
  const any = (key: string, fits: (value: string) => boolean): boolean => filters.get(key)?.some(fits) ?? true;
  const flags = new Map(["shared", "inuse", "private"].map((key) => [key, booleanFilter(filters, key)]));
  const is = (key: string, value: boolean): boolean => (flags.get(key) ?? value) === value;
  return ({ key, parent, description, shared, inUse, type, lastUsedAt }) => before.every((time) => lastUsedAt <= time) && labelsMatch(filters, {})
    && any("id", (id) => key.startsWith(id)) && any("parent", (id) => parent?.includes(id) === true) && any("type", (one) => one === type)
    && any("description", (text) => description.includes(text)) && is("shared", shared) && is("inuse", inUse) && is("private", !shared);
}
