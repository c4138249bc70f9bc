/** Work on one key runs one after the other. */
export class Turns {
  private readonly last = new Map<string, Promise<unknown>>();

  take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.last.get(key) ?? Promise.resolve()).then(work, work);
    const over = turn.then(() => undefined, () => undefined).finally(() => { if (this.last.get(key) === over) this.last.delete(key); });
    this.last.set(key, over);
    return turn;
  }
}
