import { type DiskGauge, type DiskState, type EventBus, isNoSpace, type Logger, messageOf, type Policy, type RoomKeeper, type Trigger } from "../../core/index.js";
import { describe, isCrossed } from "../../gc/marks.js";
import type { Collections } from "./service.js";

export interface RoomParts {
  readonly collections: Collections;
  readonly gauge: DiskGauge;
  readonly drain: () => Promise<unknown>;
  readonly events: EventBus;
  readonly logger: Logger;
  /** Of the data root, for events. */
  readonly path: string;
}

/** How often the file system is looked at while policies have marks. */
const LOOK = 10_000;
/** Changes come in bursts. */
const AFTER_CHANGE = 200;
/** Estimates of what goes may be off: so often a run is followed by another. */
const ROUNDS = 3;
/** No request may drive out more than this part of the file system beforehand: it may be smaller than it looks. */
const LARGEST_REQUEST = 0.5;
/** A full disk is given at least so much. */
const LEAST = 64 << 20;
/** What has just filled the disk, or left what it held to the build cache alone. */
const GROWING = new Set(["image delete", "image pull", "image load", "image import", "image tag", "container commit"]);

/** Keeps the file system of the data root on the good side of the policies' marks. */
export class Room implements RoomKeeper {
  private readonly reserved = new Set<() => number>();
  private readonly crossed = new Set<string>();
  private interval: NodeJS.Timeout | undefined;
  private soon: NodeJS.Timeout | undefined;
  private leave: (() => void) | undefined;
  /** What could not be reached, once told. */
  private readonly told = new Map<Trigger, string>();
  private closed = false;

  constructor(private readonly parts: RoomParts) {}

  start(): void {
    const { events, collections } = this.parts;
    this.leave = events.on(({ type, action }) => { if (GROWING.has(`${type} ${action}`)) this.changed(); });
    collections.onChange(() => this.changed());
    this.interval = setInterval(() => { if (this.marked().length > 0) this.look(); }, LOOK).unref();
    this.changed();
  }
  close(): void {
    this.closed = true;
    this.leave?.();
    clearInterval(this.interval);
    clearTimeout(this.soon);
  }

  /** Something has grown, a build's cache say: looks soon. */
  changed(): void {
    if (this.soon !== undefined || this.closed) return;
    this.soon = setTimeout(() => {
      this.soon = undefined;
      this.look();
    }, AFTER_CHANGE).unref();
  }
  private look(): void {
    this.check().catch((err: unknown) => { if (!this.closed) this.parts.logger.error({ err }, `the disk could not be kept below its marks: ${messageOf(err)}`); });
  }

  async reserve(bytes: () => number): Promise<() => void> {
    const { used, free } = await this.parts.gauge.read(), most = (used + free) * LARGEST_REQUEST;
    const wanted = (): number => Math.min(bytes(), most);
    this.reserved.add(wanted);
    try {
      await this.make("watermark");
    } catch (err) {
      this.parts.logger.error({ err }, "no room was made for what is about to be written");
    }
    return () => this.reserved.delete(wanted);
  }
  /** Bytes about to be written. */
  private get outstanding(): number { return [...this.reserved].reduce((sum, wanted) => sum + wanted(), 0); }

  /** What is free now was too little: at least twice as much is to be. */
  async exhausted(bytes: number): Promise<boolean> {
    await this.parts.drain();
    const { used, free } = await this.parts.gauge.read();
    return await this.make("no-space", Math.min(used + free, Math.max(bytes, 2 * free, LEAST))) > 0;
  }

  /** Something that cannot be tried again from here had no room: the next attempt is to have some. */
  failed(cause: unknown): void {
    if (!isNoSpace(cause) || this.closed) return;
    this.exhausted(LEAST).catch((err: unknown) => this.parts.logger.error({ err }, "the disk is full, and no room could be made"));
  }

  /** Tells what was crossed, and makes room. */
  async check(): Promise<void> {
    const { collections } = this.parts;
    this.tell(await this.parts.gauge.read());
    if (this.marked().length > 0) await this.make("watermark");
    const capped = collections.current.policies.filter(({ kind, maxBytes }) => kind === "build-cache" && maxBytes !== undefined);
    if (capped.length > 0) await collections.inTurn(() => this.carryOut("ceiling", capped.map(({ unusedFor: _, ...policy }) => policy)));
  }

  private marked(): readonly Policy[] { return this.parts.collections.current.policies.filter(({ when }) => when !== undefined); }

  /** Bytes that went. */
  private async make(trigger: "watermark" | "no-space", wanted = 0): Promise<number> {
    const { collections, gauge } = this.parts;
    const full = trigger === "no-space";
    const asked = (): readonly Policy[] => (full ? collections.current.policies.filter(({ kind }) => kind !== "volumes") : this.marked());
    const isShort = async (): Promise<boolean> => {
      const disk = await gauge.read();
      return full ? disk.free < wanted : this.marked().some(({ when }) => isCrossed(when!, disk, this.outstanding));
    };
    if (!full && !(await isShort())) return 0;
    return collections.inTurn(async () => {
      // Another's turn may have made the room.
      if (!(await isShort())) return full ? 1 : 0;
      const before = (await gauge.read()).free;
      let freed = await collections.emptyTrash();
      if (freed > 0) await this.parts.drain();
      for (let round = 0; round < ROUNDS && await isShort(); round++) {
        const more = await this.carryOut(trigger, asked(), { room: full ? wanted : this.outstanding, full });
        freed += more;
        if (more === 0) break;
      }
      this.tell(await gauge.read());
      return Math.max(freed, (await gauge.read()).free - before);
    });
  }

  /** Within a turn: one plan and its run. What cannot be reached is told once. */
  private async carryOut(trigger: Trigger, policies: readonly Policy[], more: { readonly room?: number; readonly full?: boolean } = {}): Promise<number> {
    const { collections, events, logger, path } = this.parts;
    const plan = await collections.make(trigger, policies, { ...more, keep: false });
    const short = plan.shortfalls.map(({ policy, target, holders }) => `${policy}: ${target}; held by ${holders.map(({ name, why }) => `${name} (${why})`).join(", ")}`).join("; ");
    const known = this.told.get(trigger) ?? "";
    if (short !== "" && short !== known) {
      logger.warn({ shortfalls: plan.shortfalls }, `a collection cannot reach its target: ${short}`);
      for (const { policy, target, missingBytes } of plan.shortfalls) events.emit({ type: "disk", action: "short", id: path, attributes: { policy, target, missing: String(missingBytes) } });
    }
    const news = plan.items.length > 0 || short !== known;
    this.told.set(trigger, short);
    if (!news || (plan.items.length === 0 && short === "")) return 0;
    collections.store(plan);
    return (await collections.carryOut(plan, { grace: 0 })).freed;
  }

  private tell(disk: DiskState): void {
    const { events, path } = this.parts;
    for (const { name, when, until } of this.marked()) {
      const above = isCrossed(when!, disk), was = this.crossed.has(name);
      if (above === was || (was && isCrossed(until!, disk))) continue;
      if (above) this.crossed.add(name);
      else this.crossed.delete(name);
      events.emit({ type: "disk", action: above ? "above" : "below", id: path, attributes: { policy: name, mark: describe(above ? when! : until!), used: String(disk.used), free: String(disk.free), inodesfree: String(disk.inodesFree) } });
    }
  }
}
