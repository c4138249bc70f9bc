import { familiarName, formatReference, type ImageId, parseReference, type Platform, repositoryOf, withDefaultTag } from "@strata/oci";
import { cacheImage, cacheSource } from "../builder/cache-image.js";
import type { CacheSource, StepState } from "../builder/steps.js";
import { type ImageStore, InvalidArgument, type Lease, type LeaseStore, messageOf, NotFound } from "../core/index.js";
import type { Puller } from "../distribution/pull.js";
import type { Pusher } from "../distribution/push.js";
import type { ProgressSink, RegistryAuth } from "./types.js";

/** Where a build takes steps from, besides this daemon's own records. */
export type CacheFrom = { readonly type: "local"; readonly name: string } | { readonly type: "registry"; readonly ref: string };
/** Where it leaves its own. An `image` cache is left here under its name. */
export type CacheTo = { readonly type: "inline" } | { readonly type: "registry" | "image"; readonly ref: string; readonly all: boolean };

export interface ShareParts {
  readonly images: ImageStore;
  readonly leases: LeaseStore;
  readonly puller: Pick<Puller, "fetch">;
  readonly pusher: Pick<Pusher, "send">;
}
export interface ShareOptions {
  readonly auth: ReadonlyMap<string, RegistryAuth>;
  readonly platform?: Platform;
  readonly lease: Lease;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/** Names of images here, or `type=registry,ref=…`, also where a client took it apart at its commas. */
export function readCacheFrom(words: readonly string[]): CacheFrom[] {
  return joined(words).map((text): CacheFrom => {
    if (!/^(type|ref)=/.test(text)) return { type: "local", name: text };
    const { type, ref } = attributes("cachefrom", text);
    if (type !== "registry") throw new InvalidArgument(`cachefrom: type=${type} is not served; type=registry,ref=NAME and names of images here are`);
    return { type, ref: named("cachefrom", ref) };
  });
}

export function readCacheTo(words: readonly string[]): CacheTo[] {
  return joined(words).map((text): CacheTo => {
    const { type, ref, mode = "min" } = attributes("cacheto", /^(type|ref)=/.test(text) ? text : `type=registry,ref=${text}`);
    if (mode !== "min" && mode !== "max") throw new InvalidArgument(`cacheto: mode is min or max, not ${mode}`);
    // What an image says of itself is enough for those that are built on it.
    if (type === "inline") return { type };
    if (type !== "registry" && type !== "image") throw new InvalidArgument(`cacheto: type=${type} is not served; registry, image and inline are`);
    return { type, ref: named("cacheto", ref), all: mode === "max" };
  });
}

function joined(words: readonly string[]): string[] {
  const whole: string[] = [];
  for (const word of words) {
    if (/^(ref|mode)=/.test(word) && whole.at(-1)?.startsWith("type=") === true) whole.push(`${whole.pop()!},${word}`);
    else if (word !== "") whole.push(word);
  }
  return whole;
}

function attributes(field: string, text: string): { readonly type: string; readonly ref?: string; readonly mode?: string } {
  const found = new Map(text.split(",").map((part): [string, string] => {
    const at = part.indexOf("=");
    if (at < 0) throw new InvalidArgument(`${field}: "${part}" is not of the form key=value`);
    return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
  }));
  return { type: found.get("type") ?? "registry", ...Object.fromEntries([...found].filter(([key]) => key === "ref" || key === "mode")) };
}

/** A name with a tag. */
function named(field: string, ref: string | undefined): string {
  if (ref === undefined || ref === "") throw new InvalidArgument(`${field}: ref is missing`);
  try {
    const reference = withDefaultTag(parseReference(ref));
    if (reference.tag !== undefined) return formatReference(reference);
  } catch (cause) { throw new InvalidArgument(`${field}: ref: invalid reference format: ${ref}`, { cause }); }
  throw new InvalidArgument(`${field}: ref: a tag is needed, not a digest: ${ref}`);
}

/** Name of an image of a cache: that of the target's stage is the cache's own. */
const nameOf = (ref: string, n: number): string => (n === 0 ? ref : `${ref}-${n}`);

/** Takes caches in, and leaves them. */
export class CacheSharing {
  constructor(private readonly parts: ShareParts) {}

  /** What may be taken. A cache that cannot be had is a warning. */
  async sources(from: readonly CacheFrom[], options: ShareOptions): Promise<CacheSource[]> {
    const sources: CacheSource[] = [];
    for (const one of from) {
      if (one.type === "local") {
        const id = this.known(one.name);
        if (id !== undefined) sources.push(cacheSource(this.parts.images.get(id).config));
        continue;
      }
      try {
        const first = await this.fetch(one.ref, options);
        sources.push(first);
        for (let n = 1; n < first.images; n++) sources.push(await this.fetch(nameOf(one.ref, n), options));
      } catch (error) {
        options.signal.throwIfAborted();
        options.progress({ stream: `[WARNING]: no cache from ${familiarName(parseReference(one.ref))}: ${messageOf(error)}\n` });
      }
    }
    return sources;
  }

  /** Layers of an image of a cache stay for as long as the lease lasts; nothing else of it does. */
  private async fetch(ref: string, { auth, platform, lease, progress, signal }: ShareOptions): Promise<ReturnType<typeof cacheSource>> {
    const reference = parseReference(ref);
    return cacheSource(await this.parts.puller.fetch({ reference, platform, credentials: auth.get(reference.domain), progress, signal }, lease));
  }

  /** Leaves the stages' images, the target's first. Names of those that stay here. */
  async leave(to: readonly CacheTo[], stages: readonly StepState[], options: ShareOptions): Promise<string[]> {
    const staying: string[] = [];
    for (const one of to) {
      if (one.type === "inline") continue;
      const left = (one.all ? stages : stages.slice(0, 1)).filter(({ image }) => image !== null);
      for (const [n, state] of left.entries()) {
        const name = nameOf(one.ref, n);
        if (one.type === "registry") await this.send(name, state, left.length, options);
        else {
          this.parts.images.tag(this.parts.images.create(cacheImage(state, left.length), options.lease), name);
          staying.push(name);
        }
      }
    }
    return staying;
  }

  /** No image is made here, so that a crash leaves none. */
  private async send(ref: string, state: StepState, images: number, { auth, lease, progress, signal }: ShareOptions): Promise<void> {
    const reference = parseReference(ref);
    if (state.top !== null) this.parts.leases.hold(lease, "layer", state.top);
    progress({ status: `The push refers to repository [${repositoryOf(reference)}]` });
    await this.parts.pusher.send(cacheImage(state, images), { reference, credentials: auth.get(reference.domain), progress, signal });
  }

  private known(name: string): ImageId | undefined {
    try { return this.parts.images.resolve(name); } catch (e) {
      if (e instanceof NotFound) return undefined;
      throw e;
    }
  }
}
