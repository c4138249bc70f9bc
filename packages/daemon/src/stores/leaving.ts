/** Names of what has no row any more and is still on its way off the disk: no orphans, although they look like it. */
export class Leaving {
  private readonly names = new Map<string, number>();

  has(name: string): boolean { return this.names.has(name); }

  /** Until the next sweep of such names is over. */
  add(name: string): void {
    this.names.set(name, (this.names.get(name) ?? 0) + 1);
  }

  async during<T>(name: string, work: () => Promise<T>): Promise<T> {
    this.add(name);
    try { return await work(); } finally { this.drop(name, 1); }
  }

  /** Whatever the sweep could not remove is an orphan afterwards. */
  async sweeping<T>(which: (name: string) => boolean, sweep: () => Promise<T>): Promise<T> {
    const before = [...this.names].filter(([name]) => which(name));
    try { return await sweep(); } finally { for (const [name, times] of before) this.drop(name, times); }
  }

  private drop(name: string, times: number): void {
    const left = (this.names.get(name) ?? 0) - times;
    if (left > 0) this.names.set(name, left);
    else this.names.delete(name);
  }
}
