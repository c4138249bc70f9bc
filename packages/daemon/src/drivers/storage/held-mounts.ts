interface Entry { users: number; pinned: boolean; mounted: boolean; last: Promise<unknown> }

/**
 * Mounts that are there as long as somebody uses them. What is done for one key is done one after the other. `mount`
 * must be harmless where it is mounted already (by a former process), `unmount` where it is not.
 */
export class HeldMounts {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly mount: (key: string) => Promise<void>, private readonly unmount: (key: string) => Promise<void>) {}

  async use<T>(key: string, work: () => Promise<T>): Promise<T> {
    await this.inTurn(key, async (entry) => {
      await this.up(key, entry);
      entry.users++;
    });
    try { return await work(); }
    finally {
      await this.inTurn(key, async (entry) => {
        // Zero already: it was ended under its users.
        if (entry.users > 0) entry.users--;
        await this.rest(key, entry);
      });
    }
  }
  /** Keeps it mounted until `unpin`, whoever uses it. Twice is once. */
  pin(key: string): Promise<void> {
    return this.inTurn(key, async (entry) => {
      await this.up(key, entry);
      entry.pinned = true;
    });
  }
  unpin(key: string): Promise<void> {
    return this.inTurn(key, async (entry) => {
      entry.pinned = false;
      await this.rest(key, entry);
    });
  }
  /** Unmounts under its users. */
  end(key: string): Promise<void> {
    return this.inTurn(key, async (entry) => {
      entry.users = 0;
      entry.pinned = false;
      await this.rest(key, entry);
    });
  }

  private async up(key: string, entry: Entry): Promise<void> {
    if (!entry.mounted) await this.mount(key);
    entry.mounted = true;
  }
  private async rest(key: string, entry: Entry): Promise<void> {
    if (entry.users > 0 || entry.pinned) return;
    entry.mounted = false;
    await this.unmount(key);
  }

  private inTurn(key: string, step: (entry: Entry) => Promise<void>): Promise<void> {
    const entry = this.entries.get(key) ?? { users: 0, pinned: false, mounted: false, last: Promise.resolve() };
    this.entries.set(key, entry);
    const turn = entry.last.catch(() => undefined).then(() => step(entry));
    entry.last = turn;
    return turn.finally(() => { if (entry.last === turn && !entry.mounted) this.entries.delete(key); });
  }
}
