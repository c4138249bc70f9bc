import { join } from "node:path";
import type { WorkerPool } from "../../archive/workers/pool.js";
import { type Clock, type ContainerId, type DataRoot, type Usage } from "../../core/index.js";
import type { Ledger } from "../../db/ledger.js";
import { allocatedTo } from "../../kernel/usage.js";
import { flag } from "../rows.js";
import type { Figures } from "./figures.js";
import type { Measurable } from "./meter.js";

/** What log drivers keep in a container's directory: `<id>-json.log` with its older files, `local-logs/`. */
const LOGS = /-json\.log|^local-logs$/;

/** Containers' directories: their logs, and the rest, with what cAdvisor reads of them under `image/`. */
export class ContainerFigures implements Measurable {
  readonly kind = "container";

  constructor(private readonly ledger: Ledger, private readonly root: DataRoot, private readonly workers: WorkerPool, private readonly figures: Figures, private readonly clock: Clock) {}

  stale(): string[] {
    return this.ledger.sql<[], { id: string }>("SELECT id FROM container LEFT JOIN container_usage ON container = id WHERE coalesce(stale, 1) = 1").all().map(({ id }) => id);
  }
  /** One that runs writes its log. */
  held(id: string): boolean {
    return this.ledger.sql<[string]>("SELECT 1 FROM container WHERE id = ? AND status IN ('running', 'paused', 'restarting', 'removing')").get(id) !== undefined;
  }

  async measure(id: string): Promise<void> {
    const mark = this.figures.mark("container", id), held = this.held(id);
    const directory = join(this.root.containers, id), driver = this.ledger.sql<[string], { driver: string }>("SELECT driver FROM container WHERE id = ?").get(id)?.driver ?? "";
    const [own, entries, mountId] = await Promise.all([
      allocatedTo([directory]), this.workers.run("usageOfEntries", { path: directory }), this.workers.run("usage", { path: this.root.layerdbMount(driver, id as ContainerId) }),
    ]);
    const sum = (which: readonly Usage[]): Usage => ({ bytes: which.reduce((all, { bytes }) => all + bytes, 0), inodes: which.reduce((all, { inodes }) => all + inodes, 0) });
    const logs = sum(Object.entries(entries).filter(([name]) => LOGS.test(name)).map(([, usage]) => usage));
    const files = sum([own, mountId, ...Object.entries(entries).filter(([name]) => !LOGS.test(name)).map(([, usage]) => usage)]);
    const settled = !held && !this.held(id) && this.figures.settled(mark);
    this.ledger.transaction(() => this.ledger.sql<[number, number, number, number, number, number, string]>(`INSERT OR REPLACE INTO container_usage (container, bytes, inodes, log_bytes, log_inodes, measured_at, stale)
      SELECT id, ?, ?, ?, ?, ?, ? FROM container WHERE id = ?`).run(files.bytes, files.inodes, logs.bytes, logs.inodes, this.clock.now(), flag(!settled), id), { durable: false });
  }
}
