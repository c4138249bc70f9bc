import { errnoOf, messageOf } from "../../../core/errors.js";
import type { Logger } from "../../../core/logger.js";
import { discardDevice } from "../../../kernel/block-device.js";
import { dmInfo, dmRemove } from "../../../kernel/device-mapper.js";
import type { DeviceSet } from "./device-set.js";
import type { Holds } from "./holds.js";
import type { DmOptions } from "./options.js";

/** Takes removed devices out of the pool, one after the other, in the background. One that somebody still has open waits. */
export class Reaper {
  private readonly waiting = new Set<string>();
  private working: Promise<void> | undefined;

  constructor(private readonly set: DeviceSet, private readonly holds: Holds, private readonly options: () => DmOptions, private readonly logger: Logger) {}

  /** How many are removed and not yet gone. */
  get count(): number { return this.waiting.size; }

  take(id: string): void {
    this.waiting.add(id);
    void this.run();
  }

  /** Resolves when all are gone that can go. */
  async run(): Promise<void> {
    const before = this.working ?? Promise.resolve();
    const turn = before.then(() => this.pass());
    this.working = turn;
    await turn;
    if (this.working === turn) this.working = undefined;
  }

  private async pass(): Promise<void> {
    for (const id of [...this.waiting]) {
      try { if (await this.holds.turn(id, () => this.reap(id))) this.waiting.delete(id); }
      catch (error) { this.logger.warn({ err: error, snapshot: id }, `a removed device stays in the pool for now: ${messageOf(error)}`); }
    }
  }

  /** False while it is in use. */
  private async reap(id: string): Promise<boolean> {
    const record = this.set.layout.device(id);
    if (record === undefined) return true;
    const name = this.holds.name(id);
    if ((dmInfo(name)?.openCount ?? 0) > 0) return false;
    if (this.options().discard) await this.discard(id);
    if (!await dmRemove(name, { deferred: false })) return false;
    await this.set.destroy(id);
    return true;
  }

  /** Deleting alone leaves what lies below the pool as large as it was. */
  private async discard(id: string): Promise<void> {
    const record = this.set.layout.device(id)!;
    try {
      await this.holds.activate(id, record);
      await discardDevice(this.holds.node(id), record.size);
    } catch (error) {
      // A device that the pool does not hold, or a pool that takes no discards now.
      if (errnoOf(error) !== "DataLoss") this.logger.debug({ err: error, snapshot: id }, "a device was not discarded");
    }
  }
}
