import { setTimeout as sleep } from "node:timers/promises";
import { parseReference, formatReference, withDefaultTag, InvalidReference, familiarOf } from "@strata/oci";
import {
  type DiskGauge, type EventBus, type GcPlan, type GcRun, type GcRunView, type GcSettings, InvalidArgument, type Logger, messageOf, newId, NotFound, parseGcSettings, type Policy, type Trigger,
} from "../../core/index.js";
import { makePlan } from "../../gc/plan.js";
import { checkSchedules, Scheduler } from "../../gc/scheduler.js";
import { Executor, type ExecutorParts } from "./execute.js";
import { gatherFacts, type FactSources } from "./facts.js";
import { ImageTrash, type ImageTrashParts } from "./trash.js";
import type { GcService, Restored } from "./types.js";

export interface CollectionParts extends ExecutorParts, FactSources, ImageTrashParts {
  readonly gauge: DiskGauge;
  /** Resolves when what was removed is gone from the disk. */
  readonly drain: () => Promise<unknown>;
  readonly events: EventBus;
  readonly logger: Logger;
}
/** Milliseconds that the file system is given to show what was freed. */
const SETTLE = 3000, LOOK_AGAIN = 50;
/** Longest span that a timer takes. */
const LONGEST = 2 ** 31 - 1;

/** Collection by policy: plans, runs, and what they leave behind. One run at a time. */
export class Collections implements GcService {
  private readonly executor: Executor;
  private readonly trash: ImageTrash;
  private readonly scheduler: Scheduler;
  private turn: Promise<unknown> = Promise.resolve();
  private file: GcSettings;
  private inForce: GcSettings;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private readonly listeners: ((settings: GcSettings) => void)[] = [];

  constructor(private readonly parts: CollectionParts, file: GcSettings) {
    this.executor = new Executor(parts);
    this.trash = new ImageTrash(parts);
    this.scheduler = new Scheduler((policies) => this.scheduled(policies).catch((err: unknown) => parts.logger.error({ err }, `a scheduled collection failed: ${messageOf(err)}`)));
    this.file = file;
    this.inForce = this.settings();
  }

  /** Start-up: a run that a crash cut off is told so, and schedules begin. */
  recover(): void {
    const { records, clock, logger } = this.parts;
    for (const id of records.interrupt(clock.now())) logger.warn({ run: id }, "a collection was cut off; what it had taken away is gone, the rest is as it was");
    this.take(this.inForce);
    this.wake();
  }
  /** The configuration file was read again. */
  configure(file: GcSettings): void {
    this.file = file;
    if (this.parts.records.settings() !== undefined) this.parts.logger.info({}, "policies that were set over the API stay in force");
    this.take(this.settings());
  }
  /** Calls back with settings that come into force. */
  onChange(listener: (settings: GcSettings) => void): void { this.listeners.push(listener); }
  get current(): GcSettings { return this.inForce; }

  async close(): Promise<void> {
    this.closed = true;
    this.executor.stop();
    this.scheduler.close();
    clearTimeout(this.timer);
    await this.turn.catch(() => undefined);
  }

  policies(): ReturnType<GcService["policies"]> {
    return { source: this.parts.records.settings() === undefined ? "file" : "api", given: this.inForce.given };
  }
  setPolicies(given: unknown): void {
    const settings = parseGcSettings(given);
    checkSchedules(settings);
    this.parts.records.setSettings(settings.given);
    this.take(settings);
  }
  resetPolicies(): void {
    this.parts.records.setSettings(null);
    this.take(this.file);
  }

  plan({ policy }: { readonly policy?: string }): Promise<GcPlan> {
    const chosen = policy === undefined ? this.inForce.policies : this.inForce.policies.filter(({ name }) => name === policy);
    if (policy !== undefined && chosen.length === 0) throw new NotFound(`No such policy: ${policy}`);
    return this.make("manual", chosen);
  }
  inspectPlan(id: string): GcPlan { return this.parts.records.plan(id); }
  run(plan: string): Promise<GcRunView> {
    const wanted = this.parts.records.plan(plan);
    return this.inTurn(() => this.carryOut(wanted, { grace: this.inForce.trashGrace }));
  }
  runs(): GcRunView[] { return this.parts.records.runs(); }
  inspectRun(id: string): GcRunView { return this.parts.records.run(id); }

  undo(run: string): Promise<Restored[]> {
    const { id } = this.parts.records.run(run);
    return this.inTurn(async () => {
      const restored = await this.trash.restore(id);
      this.emit("undo", id, { images: String(restored.length) });
      return restored;
    });
  }

  pin(name: string): void { this.parts.pins.pin(this.nameOf(name)); }
  unpin(name: string): void {
    if (!this.parts.pins.unpin(this.nameOf(name))) throw new NotFound(`${name} is not pinned`);
  }
  pins(): string[] { return [...this.parts.pins.list()].map(familiarOf).sort(); }
  private nameOf(text: string): string {
    try {
      const full = formatReference(withDefaultTag(parseReference(text)));
      if (/^(sha256:)?[0-9a-f]{64}$/.test(text)) throw new InvalidArgument(`${text} is an ID: names are pinned`);
      return full;
    } catch (e) {
      if (e instanceof InvalidReference) throw new InvalidArgument(e.message, { cause: e });
      throw e;
    }
  }

  /** Makes a plan and keeps it. */
  async make(trigger: Trigger, policies: readonly Policy[], more: { readonly room?: number; readonly full?: boolean; readonly keep?: boolean } = {}): Promise<GcPlan> {
    const { parts } = this;
    const plan = await makePlan({ id: newId<string>(), trigger, policies, disk: await parts.gauge.read(), ...more }, await gatherFacts(parts, policies), parts);
    if (more.keep !== false) this.store(plan);
    return plan;
  }
  store(plan: GcPlan): void {
    this.parts.records.addPlan(plan);
    this.emit("plan", plan.id, { trigger: plan.trigger, policies: plan.policies.join(","), items: String(plan.items.length), bytes: String(plan.bytes) });
  }

  /** One run at a time, in the order asked for. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.turn.catch(() => undefined).then(work);
    this.turn = next;
    return next;
  }

  /** Within a turn: does what the plan says, and notes how it went. */
  async carryOut(plan: GcPlan, { grace }: { readonly grace: number }): Promise<GcRunView> {
    const { records, clock, gauge } = this.parts;
    const startedAt = clock.now(), before = (await gauge.read()).free, recoverable = grace > 0 && plan.items.some(({ kind, final }) => kind === "image" && !final);
    const run: GcRun = {
      id: newId<string>(), plan: plan.id, trigger: plan.trigger, policies: plan.policies, startedAt, finishedAt: null, state: "running", undoUntil: recoverable ? startedAt + grace : null,
      disk: { before, after: null }, shortfalls: plan.shortfalls,
    };
    records.putRun(run);
    this.emit("start", run.id, { plan: plan.id, trigger: plan.trigger, policies: plan.policies.join(",") });
    let error: Error | undefined;
    try {
      await this.executor.run(run.id, plan.items, grace > 0 ? startedAt + grace : null);
      await this.settle(run.id, before);
    } catch (e) {
      error = e instanceof Error ? e : new Error(messageOf(e));
    }
    records.putRun({ ...run, finishedAt: clock.now(), state: error === undefined ? "done" : "failed", ...(error === undefined ? {} : { error: messageOf(error) }), disk: { before, after: (await gauge.read()).free } });
    const done = this.told(run.id);
    this.wake();
    if (error !== undefined) throw error;
    return done;
  }
  /** What is told as freed is free: the kernel may take a moment for files that are gone. Not for ever: others write meanwhile. */
  private async settle(run: string, before: number): Promise<void> {
    const { drain, gauge, records } = this.parts;
    await drain();
    const expected = before + records.run(run).freed * 0.95;
    for (let waited = 0; waited < SETTLE && (await gauge.read()).free < expected; waited += LOOK_AGAIN) await sleep(LOOK_AGAIN);
  }
  private told(id: string): GcRunView {
    const { records } = this.parts;
    if (!records.run(id).items.some(({ outcome }) => outcome === "trashed")) records.expired([id]);
    const run = records.run(id), count = (outcome: string): string => String(run.items.filter((item) => item.outcome === outcome).length);
    this.emit("finish", id, { trigger: run.trigger, state: run.state, freed: String(run.freed), trashed: String(run.trashed), removed: String(run.items.length - Number(count("kept")) - Number(count("gone"))), kept: count("kept"), gone: count("gone") });
    return run;
  }

  /** Within a turn: what can be brought back goes. */
  emptyTrash(): Promise<number> { return this.trash.expire(true); }

  private async scheduled(due: readonly Policy[]): Promise<void> {
    await this.inTurn(async () => {
      const plan = await this.make("schedule", due, { keep: false });
      if (plan.items.length === 0) return;
      this.store(plan);
      await this.carryOut(plan, { grace: this.inForce.trashGrace });
    });
  }

  /** What was set over the API, if it still makes sense; else the file's. */
  private settings(): GcSettings {
    const given = this.parts.records.settings();
    if (given === undefined) return this.file;
    try {
      return parseGcSettings(given);
    } catch (err) {
      this.parts.logger.error({ err }, "the policies that were set over the API cannot be read: those of the configuration file are in force");
      return this.file;
    }
  }
  private take(settings: GcSettings): void {
    this.inForce = settings;
    this.scheduler.configure(settings);
    for (const listener of this.listeners) listener(settings);
  }

  /** Wakes up when the next image in the trash expires. */
  private wake(): void {
    clearTimeout(this.timer);
    const { next } = this.trash;
    if (next === undefined || this.closed) return;
    this.timer = setTimeout(() => {
      this.inTurn(() => this.trash.expire()).catch((err: unknown) => this.parts.logger.error({ err }, "images whose time of grace is over are still there")).finally(() => this.wake());
    }, Math.min(LONGEST, Math.max(100, next - this.parts.clock.now()))).unref();
  }

  private emit(action: string, id: string, attributes: Readonly<Record<string, string>>): void {
    this.parts.events.emit({ type: "gc", action, id, attributes });
  }
}
