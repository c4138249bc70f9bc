import { chmodSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Member } from "../../../archive/testing/tar-of.js";

/** The same numbers on every run. */
export class Dice {
  constructor(private seed: number) {}
  roll(sides: number): number {
    this.seed = (Math.imul(this.seed, 1103515245) + 12345) & 0x7fffffff;
    return (this.seed >> 8) % sides;
  }
  /** One of 39 paths that get in each other's way. */
  path(): string { return Array.from({ length: 1 + this.roll(3) }, () => "abc"[this.roll(3)]!).join("/"); }
}

/** A layer of files, directories, missing parents, whiteouts and opaque marks in any order. */
export function randomLayer(dice: Dice): Member[] {
  return Array.from({ length: 2 + dice.roll(10) }, (_, i): Member => {
    const path = dice.path(), kind = dice.roll(10);
    if (kind < 4) return { name: path, content: `${i} of ${dice.roll(1 << 20)}`, mode: 0o600 + dice.roll(0o200) };
    if (kind < 7) return { name: `${path}/`, mode: 0o700 + dice.roll(0o100), uid: dice.roll(3), mtime: { seconds: dice.roll(9), nanos: 0 } };
    if (kind < 9) return { name: path.replace(/[^/]*$/, (base) => `.wh.${base}`) };
    return { name: `${path}/`.replace(/[^/]*\/$/, ".wh..wh..opq") };
  });
}

/** Some of what a container may do to a tree; what does not work is left out. */
export function randomWork(dice: Dice, root: string): void {
  for (let left = 1 + dice.roll(12); left > 0; left--) {
    const a = join(root, dice.path()), b = join(root, dice.path()), n = dice.roll(1 << 20);
    const acts = [
      () => writeFileSync(a, `written ${n}`), () => rmSync(a, { recursive: true }), () => mkdirSync(a), () => renameSync(a, b), () => chmodSync(a, 0o700 + (n & 63)),
      () => linkSync(a, b), () => symlinkSync(`to ${n}`, a), () => utimesSync(a, 5, n), () => { rmSync(a, { recursive: true }); mkdirSync(a); },
    ];
    try { acts[dice.roll(acts.length)]!(); } catch { /* the path does not allow it */ }
  }
}

/** A directory's time is the affair of who last made an entry in it, unless its layer tells it. */
export function withoutDirectoryTimes(tree: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(tree).map(([path, line]) => [path, line.startsWith("4") ? line.replace(/ \S+$/, "") : line]));
}
