import { setImmediate as turn } from "node:timers/promises";
import { familiarOf } from "@strata/oci";
import type { BuildRecordView, CacheMount, Container, Holder, ImageSummary, Network, PlanItem, Policy, RotatedLog, Usage, Volume } from "../core/index.js";
import { formsOf, NamePattern } from "./name-pattern.js";

/** Everything that policies look at. What changes later is looked at again when a plan is run. */
export interface Facts {
  readonly now: number;
  readonly images: readonly ImageSummary[];
  readonly containers: readonly Container[];
  readonly volumes: readonly (Volume & { readonly refs: readonly string[]; readonly lastUsedAt: number })[];
  readonly networks: readonly (Network & { readonly connected: boolean; readonly lastUsedAt: number })[];
  readonly records: readonly BuildRecordView[];
  /** Directories that RUN keeps, with what each takes. */
  readonly mounts: readonly (CacheMount & { readonly usage: Usage })[];
  readonly logs: readonly RotatedLog[];
  /** Full names of images that are pinned. */
  readonly pins: ReadonlySet<string>;
  /** IDs of images that work under way stands on. */
  readonly busy: ReadonlySet<string>;
}

export interface Candidate extends Omit<PlanItem, "bytes" | "policy" | "final"> {
  /** It goes only as far as room is wanted: for a ceiling, or a mark of the disk. */
  readonly optional: boolean;
}
/** What a policy is about but does not take. */
export interface Held { readonly key: string; readonly name: string; readonly why: string }
export interface Selection { readonly candidates: readonly Candidate[]; readonly held: readonly Held[] }

/** What a policy may take, least recently used first, whatever room that makes. */
export async function select(policy: Policy, facts: Facts): Promise<Selection> {
  const { candidates, held } = await SELECTORS[policy.kind](policy, facts);
  return { candidates: candidates.sort((a, b) => a.basis.lastUsedAt - b.basis.lastUsedAt || (a.key < b.key ? -1 : 1)), held };
}

interface Found { candidates: Candidate[]; held: Held[] }
const SELECTORS: Readonly<Record<Policy["kind"], (policy: Policy, facts: Facts) => Found | Promise<Found>>> = {
  images: selectImages, containers: selectContainers, volumes: selectVolumes, networks: selectNetworks, "build-cache": selectRecords, logs: selectLogs,
};

const MINUTE = 60_000;
/** `3d`, `5h`, `12m`: for reasons. */
export function spell(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / MINUTE));
  return minutes >= 2880 ? `${Math.floor(minutes / 1440)}d` : minutes >= 120 ? `${Math.floor(minutes / 60)}h` : minutes > 0 ? `${minutes}m` : `${Math.max(0, Math.floor(ms / 1000))}s`;
}
const short = (id: string): string => id.replace(/^sha256:/, "").slice(0, 12);
const latest = (createdBefore: NonNullable<Policy["createdBefore"]>, now: number): number => ("at" in createdBefore ? createdBefore.at : now - createdBefore.age);

function hasLabel(text: string, labels: Readonly<Record<string, string>>): boolean {
  const at = text.indexOf("=");
  return at < 0 ? text in labels : labels[text.slice(0, at)] === text.slice(at + 1);
}
/** The exception that holds for these labels. */
function exception(policy: Policy, labels: Readonly<Record<string, string>>): string | undefined {
  const found = policy.except.find(({ kind, text }) => kind === "label" && hasLabel(text, labels));
  return found && `excepted by label=${found.text}`;
}

/** So many images are looked at before others get a turn. */
const TURN = 500;

async function selectImages(policy: Policy, facts: Facts): Promise<Found> {
  const found: Found = { candidates: [], held: [] };
  const parents = new Set(facts.images.map((image) => image.parent));
  const match = policy.match === undefined ? undefined : new NamePattern(policy.match);
  const excepted = policy.except.filter(({ kind }) => kind === "reference").map(({ text }) => ({ text, pattern: new NamePattern(text) }));
  const newest = policy.keepLast === undefined ? undefined : newestOf(facts.images, policy.keepLast, match);
  const users = new Map(facts.containers.map((c) => [c.imageId, c.name]));
  for (const [i, image] of facts.images.entries()) {
    if (i % TURN === TURN - 1) await turn();
    const names = [...image.tags, ...image.digests], name = image.tags[0] === undefined ? short(image.id) : familiarOf(image.tags[0]);
    if (match !== undefined && !names.some((n) => match.fits(n))) continue;
    if (policy.danglingOnly === true && (image.tags.length > 0 || parents.has(image.id))) continue;
    const why = heldImage(policy, facts, image, { names, match, excepted, newest, user: users.get(image.id) });
    if (why !== undefined) {
      found.held.push({ key: image.id, name, why });
      continue;
    }
    const idle = facts.now - image.lastUsedAt;
    found.candidates.push({ kind: "image", key: image.id, name, reason: policy.danglingOnly === true ? "no tag names it, no container uses it" : `not used for ${spell(idle)}`, optional: policy.when !== undefined, basis: { lastUsedAt: image.lastUsedAt, names } });
  }
  return found;
}

interface ImageWords {
  readonly names: readonly string[];
  readonly match: NamePattern | undefined;
  readonly excepted: readonly { readonly text: string; readonly pattern: NamePattern }[];
  readonly newest: ReadonlyMap<string, string> | undefined;
  readonly user: string | undefined;
}
/** Why an image that a policy is about stays. */
function heldImage(policy: Policy, { now, pins, busy }: Facts, image: ImageSummary, { names, match, excepted, newest, user }: ImageWords): string | undefined {
  const pinned = names.find((name) => pins.has(name));
  if (user !== undefined) return `used by container ${user}`;
  if (busy.has(image.id)) return "work under way needs it";
  if (pinned !== undefined) return `pinned as ${familiarOf(pinned)}`;
  const other = match === undefined ? undefined : names.find((name) => !match.fits(name));
  if (other !== undefined) return `also named ${familiarOf(other)}`;
  const reference = excepted.find(({ pattern }) => names.some((name) => pattern.fits(name)));
  if (reference !== undefined) return `excepted by reference=${reference.text}`;
  const label = exception(policy, image.labels);
  if (label !== undefined) return label;
  const idle = now - image.lastUsedAt;
  if (policy.unusedFor !== undefined && idle <= policy.unusedFor) return `used ${spell(idle)} ago`;
  if (policy.createdBefore !== undefined && image.createdAt >= latest(policy.createdBefore, now)) return "created too late";
  if (now - Math.max(image.storedAt, image.lastUsedAt) < policy.minAge) return `came or was used ${spell(idle)} ago`;
  return newest?.get(image.id);
}

/** Images that are among the newest of a repository, and why that keeps them. */
function newestOf(images: readonly ImageSummary[], keep: number, match: NamePattern | undefined): ReadonlyMap<string, string> {
  const repositories = new Map<string, ImageSummary[]>();
  for (const image of images) {
    for (const repository of new Set(image.tags.filter((tag) => match === undefined || match.fits(tag)).map((tag) => formsOf(tag)[1]))) {
      const there = repositories.get(repository);
      if (there === undefined) repositories.set(repository, [image]);
      else there.push(image);
    }
  }
  const kept = new Map<string, string>();
  for (const [repository, all] of repositories) {
    all.sort((a, b) => b.createdAt - a.createdAt || b.storedAt - a.storedAt || (a.id < b.id ? -1 : 1));
    for (const image of all.slice(0, keep)) kept.set(image.id, `among the last ${keep} of ${repository}`);
  }
  return kept;
}

function selectContainers(policy: Policy, { containers, now }: Facts): Found {
  const found: Found = { candidates: [], held: [] };
  for (const c of containers) {
    const ended = c.state.status === "exited" || c.state.status === "dead" ? c.state.finishedAt ?? c.createdAt : undefined;
    const why = ended === undefined ? `it is ${c.state.status}` : exception(policy, c.config.Labels ?? {}) ?? (now - ended <= policy.exitedFor! ? `ended ${spell(now - ended)} ago` : undefined);
    if (why !== undefined) found.held.push({ key: c.id, name: c.name, why });
    else found.candidates.push({ kind: "container", key: c.id, name: c.name, reason: `ended ${spell(now - ended!)} ago`, optional: false, basis: { lastUsedAt: ended!, names: [c.name] } });
  }
  return found;
}

function selectVolumes(policy: Policy, { volumes, now }: Facts): Found {
  const found: Found = { candidates: [], held: [] };
  for (const v of volumes) {
    const why = policy.anonymousOnly && !v.anonymous ? "it has a name" : v.refs.length > 0 ? `used by container ${short(v.refs[0]!)}`
      : exception(policy, v.labels) ?? (now - v.lastUsedAt <= policy.unusedFor! ? `used ${spell(now - v.lastUsedAt)} ago` : undefined);
    if (why !== undefined) found.held.push({ key: v.name, name: v.name, why });
    else found.candidates.push({ kind: "volume", key: v.name, name: v.name, reason: `not used for ${spell(now - v.lastUsedAt)}`, optional: false, basis: { lastUsedAt: v.lastUsedAt, names: [] } });
  }
  return found;
}

/** Those that are always there. */
const PREDEFINED = new Set(["bridge", "host", "none"]);

function selectNetworks(policy: Policy, { networks, containers, now }: Facts): Found {
  const found: Found = { candidates: [], held: [] };
  const wanted = new Set(containers.flatMap((c) => Object.keys(c.networks)));
  const lent = new Set(networks.map((n) => n.configFrom));
  for (const n of networks) {
    if (PREDEFINED.has(n.name)) continue;
    const idle = now - n.lastUsedAt;
    const why = n.connected || wanted.has(n.name) || wanted.has(n.id) ? "containers are on it" : lent.has(n.name) ? "other networks have its settings"
      : exception(policy, n.labels) ?? (policy.unusedFor !== undefined && idle <= policy.unusedFor ? `used ${spell(idle)} ago`
        : policy.createdBefore !== undefined && n.createdAt >= latest(policy.createdBefore, now) ? "created too late" : undefined);
    if (why !== undefined) found.held.push({ key: n.id, name: n.name, why });
    else found.candidates.push({ kind: "network", key: n.id, name: n.name, reason: `not used for ${spell(idle)}`, optional: false, basis: { lastUsedAt: n.lastUsedAt, names: [n.name] } });
  }
  return found;
}

/** Records of steps, and what RUN keeps from build to build: one after the other by their last use. */
function selectRecords(policy: Policy, { records, mounts, now }: Facts): Found {
  const found: Found = { candidates: [], held: [] };
  const entries: { kind: "build-record" | "build-mount"; key: string; name: string; lastUsedAt: number; inUse: boolean }[] = [
    ...records.map(({ key, description, lastUsedAt }) => ({ kind: "build-record" as const, key, name: description.length > 60 ? `${description.slice(0, 59)}…` : description, lastUsedAt, inUse: false })),
    ...mounts.map(({ volume, id, lastUsedAt, inUse }) => ({ kind: "build-mount" as const, key: volume, name: `cached mount ${id}`, lastUsedAt, inUse })),
  ];
  for (const { kind, key, name, lastUsedAt, inUse } of entries) {
    const idle = now - lastUsedAt;
    const due = policy.unusedFor !== undefined && idle > policy.unusedFor;
    const optional = policy.maxBytes !== undefined || (policy.when !== undefined && policy.unusedFor === undefined && idle >= policy.minAge);
    if (inUse) found.held.push({ key, name, why: "a build uses it" });
    else if (!due && !optional) found.held.push({ key, name, why: `used ${spell(idle)} ago` });
    else found.candidates.push({ kind, key, name, reason: due ? `not used for ${spell(idle)}` : "least recently used", optional: !due || policy.when !== undefined, basis: { lastUsedAt, names: [] } });
  }
  return found;
}

/** `maxBytes` is for each container's old files together; the newest stay. */
function selectLogs(policy: Policy, { logs, now, containers }: Facts): Found {
  const found: Found = { candidates: [], held: [] };
  const named = new Map(containers.map((c) => [c.id as string, c.name]));
  const total = new Map<string, number>();
  for (const log of [...logs].sort((a, b) => b.writtenAt - a.writtenAt)) {
    const sum = (total.get(log.container) ?? 0) + log.bytes;
    const age = now - log.writtenAt, over = policy.maxBytes !== undefined && sum > policy.maxBytes, old = policy.olderThan !== undefined && age > policy.olderThan;
    const name = `${named.get(log.container) ?? short(log.container)}: ${log.file}`, key = `${log.container}/${log.file}`;
    if (over || old) found.candidates.push({ kind: "log", key, name, reason: old ? `written ${spell(age)} ago` : "its container's old logs are over the ceiling", optional: false, basis: { lastUsedAt: log.writtenAt, names: [] } });
    else {
      total.set(log.container, sum);
      found.held.push({ key, name, why: `written ${spell(age)} ago` });
    }
  }
  return found;
}

/** Held ones that hold the most, with what each takes. */
export function largest(held: readonly Held[], bytesOf: (held: Held) => number, limit = 10): Holder[] {
  return held.map((h) => ({ name: h.name, why: h.why, bytes: bytesOf(h) })).filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes).slice(0, limit);
}
