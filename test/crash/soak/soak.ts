import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, statfsSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type CheckReport, type Daemon, type TestBed, checked, ok, run, sleep, until } from "../../helpers/index.js";
import type { Chance } from "./chance.js";
import { NO_ROOM, Worker, type Wares } from "./work.js";

/** A file system of its own for a data root. */
export class SmallDisk {
  private constructor(readonly folder: string) {}

  static async make(bed: TestBed, megabytes: number): Promise<SmallDisk> {
    const image = bed.path("disk.img"), disk = new SmallDisk(bed.path("disk"));
    writeFileSync(image, "");
    truncateSync(image, megabytes << 20);
    await ok("mkfs.ext4", ["-q", "-F", "-m", "0", image]);
    mkdirSync(disk.folder);
    await ok("mount", ["-o", "loop", image, disk.folder]);
    return disk;
  }

  private get filler(): string { return join(this.folder, "filler"); }
  /** Takes all room but a little. */
  fill(spare: number): void {
    const fd = openSync(this.filler, "w"), block = Buffer.alloc(1 << 20);
    try {
      for (let { bavail, bsize } = statfsSync(this.folder); bavail * bsize > spare + block.length; { bavail, bsize } = statfsSync(this.folder)) {
        writeSync(fd, block);
        fsyncSync(fd);
      }
    } catch { /* somebody else took the rest */ } finally { closeSync(fd); }
  }
  clear(): void { rmSync(this.filler, { force: true }); }
  async remove(): Promise<void> { await run("umount", ["-l", this.folder]); }
}

/** What befell the daemon while it worked. */
export interface Tally { kills: number; full: number; collections: number; checks: number }

export interface SoakOptions {
  readonly minutes: number;
  /** Seconds between blows, on average. */
  readonly pause: number;
  readonly workers: number;
}

/** Work by several at once, while the daemon is killed, its disk is filled, and garbage is collected. */
export class Soak {
  readonly tally: Tally = { kills: 0, full: 0, collections: 0, checks: 0 };
  readonly unexpected: string[] = [];
  private down = false;

  constructor(private readonly daemon: Daemon, private readonly disk: SmallDisk, private readonly wares: Wares, private readonly chance: Chance, private readonly newChance: (n: number) => Chance) {}

  /** How many things were done. */
  async run({ minutes, pause, workers }: SoakOptions): Promise<number> {
    const end = Date.now() + minutes * 60_000, over = (): boolean => Date.now() > end;
    const all = Array.from({ length: workers }, (_, n) => new Worker(this.daemon, this.wares, this.newChance(n), `w${n}`, () => this.down));
    const working = Promise.all(all.map((worker) => worker.work(over)));
    try {
      while (!over()) {
        await sleep(this.chance.between(0.3, 1.7) * pause * 1000);
        await this.blow(this.chance.weighed({ kill: 6, fill: 1.5, collect: 2, check: 1 }));
      }
    } finally {
      await working;
    }
    for (const worker of all) this.unexpected.push(...worker.unexpected);
    return all.reduce((sum, { done }) => sum + done, 0);
  }

  async blow(kind: "kill" | "fill" | "collect" | "check"): Promise<void> {
    if (kind === "kill") return this.kill();
    if (kind === "fill") return this.fill();
    if (kind === "collect") return this.collect();
    this.expectSound(await checked(this.daemon, { deep: this.chance.next() < 0.3 }));
  }

  private async kill(): Promise<void> {
    this.down = true;
    await this.daemon.kill9();
    await sleep(this.chance.below(300));
    await this.daemon.start();
    this.down = false;
    this.tally.kills++;
  }

  /** At times the daemon dies on the full disk, and comes back on it. */
  private async fill(): Promise<void> {
    this.disk.fill(this.chance.below(4 << 20));
    try {
      await sleep(this.chance.between(500, 2500));
      if (this.chance.next() < 0.4) await this.kill();
    } finally {
      this.disk.clear();
    }
    this.tally.full++;
  }

  /** Policies under which most things go, where policies are served. */
  async setPolicies(): Promise<void> {
    const policies = [{ name: "unused", kind: "images", unusedFor: "5s" }, { name: "exited", kind: "containers", exitedFor: "5s" }, { name: "volumes", kind: "volumes", unusedFor: "5s" }];
    const { status, text } = await this.daemon.api("PUT", "/gc/policies", { json: { trashGrace: "2s", policies } });
    if (status !== 200 && status !== 404) throw new Error(`policies are refused: ${text}`);
  }

  /** By plan and run, where they are served. */
  private async collect(): Promise<void> {
    const plan = await this.daemon.api("POST", "/gc/plans", { json: {} });
    if (plan.status === 404) await this.daemon.api("POST", this.chance.next() < 0.5 ? "/images/prune" : "/containers/prune");
    else if (plan.status >= 400) this.refusedFor("a plan", plan.text);
    else {
      const { status, text } = await this.daemon.api("POST", "/gc/runs", { json: { Plan: (plan.json as { Id: string }).Id } });
      if (status >= 400 && status !== 409) this.refusedFor("a run of a plan", text);
    }
    this.tally.collections++;
  }
  private refusedFor(what: string, reason: string): void {
    if (!NO_ROOM.test(reason)) this.unexpected.push(`${what}: ${reason.trim()}`);
  }

  expectSound({ findings, unchecked }: CheckReport): void {
    this.tally.checks++;
    for (const f of findings) this.unexpected.push(`a check: ${f.problem} ${f.kind} ${f.id}: ${f.detail}`);
    for (const text of unchecked) this.unexpected.push(`not checked: ${text}`);
  }

  /** Whatever users made goes. */
  async removeEverything(): Promise<void> {
    await this.daemon.removeContainers();
    await until(async () => {
      for (const { Id } of (await this.daemon.api("GET", "/images/json", { query: { all: 1 } })).json as { Id: string }[]) await this.daemon.api("DELETE", `/images/${Id}`, { query: { force: 1 } });
      for (const { Name } of ((await this.daemon.api("GET", "/volumes")).json as { Volumes: { Name: string }[] | null }).Volumes ?? []) await this.daemon.api("DELETE", `/volumes/${Name}`);
      return ((await this.daemon.api("GET", "/images/json", { query: { all: 1 } })).json as unknown[]).length === 0 || undefined;
    }, 60_000, "every image to go");
  }
}
