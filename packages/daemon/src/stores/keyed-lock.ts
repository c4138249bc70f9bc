/** One holder a key at a time, in the order of asking. */
export class KeyedLock {
  private readonly tails = new Map<string, Promise<void>>();

  /** Resolves when the key is free, with the way to give it back. */
  async acquire(key: string): Promise<() => void> {
    const before = this.tails.get(key);
    let release!: () => void;
    const held = new Promise<void>((resolve) => { release = resolve; });
    const tail = before === undefined ? held : before.then(() => held);
    this.tails.set(key, tail);
    await before;
    return () => {
      if (this.tails.get(key) === tail) this.tails.delete(key);
      release();
    };
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const release = await this.acquire(key);
    try {
      return await work();
    } finally {
      release();
    }
  }
}
