import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { messageOf } from "../../../core/errors.js";
import type { Logger } from "../../../core/logger.js";
import { dmInfo } from "../../../kernel/device-mapper.js";
import type { DriverSetup } from "../setup.js";
import type { Holds } from "./holds.js";
import type { DmOptions } from "./options.js";
import type { PoolStatus, ThinPool } from "./pool.js";
import type { Reaper } from "./reaper.js";

const EVERY_MS = 1000;

/**
 * Looks at the pool as long as anything is active, and says once when it runs out of space and once when it has some
 * again. Also tells every XFS that is mounted how long to insist on space for its metadata.
 */
export class Watch {
  private readonly timer: NodeJS.Timeout;
  private bad: PoolStatus["state"] | "ok" = "ok";

  constructor(
    private readonly pool: ThinPool, private readonly holds: Holds, private readonly reaper: Reaper, private readonly options: () => DmOptions, private readonly report: DriverSetup["report"],
    private readonly logger: Logger,
  ) {
    this.timer = setInterval(() => this.tick(), EVERY_MS);
    this.timer.unref();
  }
  end(): void { clearInterval(this.timer); }

  /** What the pool says now; tells of what changed. */
  look(): PoolStatus {
    const status = this.pool.status();
    if (status.state === this.bad) return status;
    const attributes = {
      driver: "devicemapper", pool: this.pool.name, dataUsed: String(status.dataUsed), dataTotal: String(status.dataTotal), metadataUsed: String(status.metadataUsed), metadataTotal: String(status.metadataTotal),
    };
    if (status.state === "ok") this.logger.info(attributes, "the thin pool has space again");
    else this.logger.error({ ...attributes, state: status.state }, `the thin pool is ${status.state}: writers get no space until it is grown`);
    this.report(status.state === "ok" ? "pool-recovered" : `pool-${status.state}`, attributes);
    this.bad = status.state;
    return status;
  }

  private tick(): void {
    if (this.reaper.count > 0) void this.reaper.run();
    if (this.holds.ids.length === 0 && this.bad === "ok") return;
    try {
      this.look();
      if (this.holds.fileSystem === "xfs") for (const id of this.holds.ids) this.limitRetries(id);
    } catch (error) { this.logger.warn({ err: error }, `cannot look at the thin pool: ${messageOf(error)}`); }
  }

  private limitRetries(id: string): void {
    const minor = dmInfo(this.holds.name(id))?.minor;
    const folder = `/sys/fs/xfs/dm-${minor ?? ""}/error/metadata`;
    if (minor === undefined || !existsSync(folder)) return;
    const wanted = String(this.options().xfsRetries);
    for (const kind of readdirSync(folder).filter((name) => name === "ENOSPC")) {
      const path = `${folder}/${kind}/max_retries`;
      if (readFileSync(path, "utf8").trim() !== wanted) writeFileSync(path, wanted);
    }
  }
}
