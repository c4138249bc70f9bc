/** Numbers that follow from a seed (mulberry32): what they chose can be had again. */
export class Dice {
  constructor(private state: number) {}
  /** From 0 to 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  below(count: number): number { return Math.floor(this.next() * count); }
  of<T>(list: readonly T[]): T { return list[this.below(list.length)]!; }
}
