import { setImmediate as turn } from "node:timers/promises";
import type { DiskMark, DiskState, GcPlan, Holder, ImageSummary, ItemKind, LayerShares, PlanItem, Policy, Shortfall, Trigger, Usage } from "../core/index.js";
import { describe, isCrossed, missing } from "./marks.js";
import { type Candidate, type Facts, type Held, largest, select } from "./policy.js";
import { Shares } from "./shares.js";

export interface PlanRequest {
  readonly id: string;
  readonly trigger: Trigger;
  readonly policies: readonly Policy[];
  readonly disk: DiskState;
  /** Bytes about to be written: marks are to hold with them. */
  readonly room?: number;
  /** The disk is full, whatever the marks say. */
  readonly full?: boolean;
}
export interface PlanTools {
  readonly shares: LayerShares;
  /** What a container or volume takes on disk; layers are known. */
  measure(kind: ItemKind, key: string): Promise<Usage>;
}

/** How many candidates are looked at before others get a turn. */
const TURN = 100;

/** What policies would take away, in order. Changes nothing. */
export async function makePlan(request: PlanRequest, facts: Facts, tools: PlanTools): Promise<GcPlan> {
  const planner = new Planner(request, facts, tools);
  for (const policy of request.policies) await planner.add(policy);
  return {
    id: request.id, createdAt: facts.now, trigger: request.trigger, policies: request.policies.map(({ name }) => name), items: planner.items,
    bytes: planner.items.reduce((sum, { bytes }) => sum + bytes, 0), shortfalls: planner.shortfalls,
  };
}

class Planner {
  readonly items: PlanItem[] = [];
  readonly shortfalls: Shortfall[] = [];
  private readonly shares: Shares;
  private readonly taken = new Set<string>();
  private readonly images: ReadonlyMap<string, ImageSummary>;
  private readonly children = new Map<string, number>();
  private freed: Usage = { bytes: 0, inodes: 0 };
  private looked = 0;

  constructor(private readonly request: PlanRequest, private readonly facts: Facts, private readonly tools: PlanTools) {
    this.shares = new Shares(tools.shares);
    this.images = new Map(facts.images.map((image) => [image.id, image]));
    for (const { parent } of facts.images) if (parent !== null) this.children.set(parent, (this.children.get(parent) ?? 0) + 1);
  }

  async add(policy: Policy): Promise<void> {
    const { when } = policy, until = this.targetOf(policy);
    if (when !== undefined && this.request.full !== true && !isCrossed(when, this.now(), this.request.room)) return;
    const { candidates, held } = await select(policy, this.facts);
    const left = candidates.filter((c) => !this.taken.has(keyOf(c)));
    await this.takeAll(policy, left.filter((c) => !c.optional));
    const wanted = this.wanted(policy);
    if (wanted === undefined) return;
    await this.takeSome(policy, left.filter((c) => c.optional), wanted);
    const short = wanted();
    if (until !== undefined && (short.bytes > 0 || short.inodes > 0)) this.shortfalls.push({ policy: policy.name, target: describe(until), missingBytes: short.bytes, holders: this.holders(held) });
  }

  /** The file system as it will be. */
  private now(): DiskState {
    const { disk } = this.request;
    return { ...disk, used: disk.used - this.freed.bytes, free: disk.free + this.freed.bytes, inodesFree: disk.inodesFree + this.freed.inodes };
  }

  /** Where the disk is full, what is needed must fit, whatever the mark. */
  private targetOf({ until }: Policy): DiskMark | undefined {
    return until !== undefined && this.request.full === true ? { free: { bytes: this.request.room ?? 0 } } : until;
  }

  /** How much a policy still wants; undefined when it has no such target. */
  private wanted(policy: Policy): (() => Usage) | undefined {
    const { maxBytes, kind } = policy, until = this.targetOf(policy);
    if (until !== undefined) return () => missing(until, this.now(), this.request.full === true ? 0 : this.request.room);
    if (kind !== "build-cache" || maxBytes === undefined) return undefined;
    const records = this.facts.records.map(({ key }) => key).filter((key) => !this.taken.has(`build-record ${key}`));
    const mounts = this.facts.mounts.filter(({ volume }) => !this.taken.has(`build-mount ${volume}`));
    const held = this.shares.recordBytes(records) + mounts.reduce((sum, { usage }) => sum + usage.bytes, 0), before = this.freed.bytes;
    return () => ({ bytes: Math.max(0, held - (this.freed.bytes - before) - maxBytes), inodes: 0 });
  }

  /** All of them; images before those that they were made from. */
  private async takeAll(policy: Policy, candidates: readonly Candidate[]): Promise<void> {
    let left = candidates;
    for (;;) {
      const blocked: Candidate[] = [];
      for (const c of left) {
        if (this.isBlocked(c)) blocked.push(c);
        else await this.take(policy, c);
      }
      if (blocked.length === 0 || blocked.length === left.length) return;
      left = blocked;
    }
  }

  /**
   * As many as are wanted, in their order. What frees nothing while another shares it waits until no other choice is
   * left, and is in the plan only if something that it shared is free by it in the end.
   */
  private async takeSome(policy: Policy, candidates: readonly Candidate[], wanted: () => Usage): Promise<void> {
    const enough = (): boolean => { const { bytes, inodes } = wanted(); return bytes <= 0 && inodes <= 0; };
    let left = candidates;
    for (let progress = true; progress && !enough();) {
      progress = false;
      const waiting: Candidate[] = [];
      for (const c of left) {
        if (enough() || this.isBlocked(c) || !(await this.frees(c))) { waiting.push(c); continue; }
        await this.take(policy, c);
        progress = true;
      }
      left = waiting;
    }
    let useless: PlanItem[] = [];
    for (const c of left) {
      if (enough()) return;
      if (this.isBlocked(c)) continue;
      const at = this.items.length, before = this.freed.bytes;
      await this.take(policy, c);
      const own = this.items.splice(at);
      if (this.freed.bytes === before) useless.push(...own);
      else {
        this.items.push(...useless.filter((item) => this.shares.overlap(item, c)), ...own);
        useless = useless.filter((item) => !this.shares.overlap(item, c));
      }
    }
  }

  private isBlocked(c: Candidate): boolean { return c.kind === "image" && (this.children.get(c.key) ?? 0) > 0; }
  private async frees(c: Candidate): Promise<boolean> {
    const usage = await this.usageOf(c, (kind, key) => this.shares.peek(kind, key));
    return usage.bytes > 0;
  }

  private async take(policy: Policy, c: Candidate): Promise<void> {
    const usage = await this.usageOf(c, (kind, key) => this.shares.drop(kind, key));
    this.freed = { bytes: this.freed.bytes + usage.bytes, inodes: this.freed.inodes + usage.inodes };
    const { optional: _, ...item } = c;
    this.items.push({ ...item, bytes: usage.bytes, policy: policy.name, final: policy.when !== undefined });
    this.taken.add(keyOf(c));
    if (c.kind === "image") await this.takeParents(policy, c);
  }

  /** Steps on the way to an image go with it when nothing else needs them. */
  private async takeParents(policy: Policy, { key, name }: Candidate): Promise<void> {
    const parent = this.images.get(key)?.parent ?? null;
    if (parent === null) return;
    this.children.set(parent, (this.children.get(parent) ?? 1) - 1);
    const image = this.images.get(parent);
    if (image === undefined || image.tags.length + image.digests.length > 0 || image.containers > 0 || (this.children.get(parent) ?? 0) > 0 || this.taken.has(`image ${parent}`)) return;
    await this.take(policy, { kind: "image", key: parent, name: parent.slice(7, 19), reason: `only ${name} was made from it`, optional: false, basis: { lastUsedAt: image.lastUsedAt, names: [] } });
  }

  private async usageOf(c: Candidate, layers: (kind: ItemKind, key: string) => Usage): Promise<Usage> {
    if (++this.looked % TURN === 0) await turn();
    if (c.kind === "image" || c.kind === "build-record") return layers(c.kind, c.key);
    if (c.kind === "build-mount") return this.facts.mounts.find(({ volume }) => volume === c.key)!.usage;
    if (c.kind === "log") return { bytes: this.facts.logs.find(({ container, file }) => `${container}/${file}` === c.key)?.bytes ?? 0, inodes: 1 };
    return c.kind === "network" ? { bytes: 0, inodes: 0 } : this.tools.measure(c.kind, c.key);
  }

  /** What holds the space: images that stay, and all that is none. */
  private holders(held: readonly Held[]): Holder[] {
    const bytes = this.tools.shares.total(), { used } = this.request.disk;
    const images = largest(held, ({ key }) => (this.images.has(key) ? this.shares.peek("image", key).bytes : 0));
    return [...images, ...(used > bytes ? [{ name: "everything else on the file system", bytes: used - bytes, why: "volumes, logs, the ledger, and what is not Strata's" }] : [])];
  }
}

const keyOf = ({ kind, key }: { kind: string; key: string }): string => `${kind} ${key}`;
