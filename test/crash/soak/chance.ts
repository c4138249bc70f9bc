/** Numbers that follow from a seed (mulberry32). */
export class Chance {
  private state: number;
  constructor(seed: number) { this.state = seed; }

  /** From 0 to 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  below(n: number): number { return Math.floor(this.next() * n); }
  between(from: number, to: number): number { return from + this.next() * (to - from); }
  of<T>(things: readonly T[]): T | undefined { return things[this.below(things.length)]; }
  /** A choice by weight. */
  weighed<T extends string>(weights: Readonly<Record<T, number>>): T {
    const all = Object.entries(weights) as [T, number][];
    let at = this.next() * all.reduce((sum, [, weight]) => sum + weight, 0);
    return (all.find(([, weight]) => (at -= weight) < 0) ?? all[0]!)[0];
  }
}
