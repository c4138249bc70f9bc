import type { PathStat } from "../../core/index.js";

/** Go's os.FileMode: permission bits as they are, everything else by bits of its own. */
const KINDS: ReadonlyMap<number, number> = new Map([
  [0o040000, 2 ** 31], [0o120000, 2 ** 27], [0o060000, 2 ** 26], [0o020000, 2 ** 26 + 2 ** 21], [0o010000, 2 ** 25], [0o140000, 2 ** 24], [0o100000, 0],
]);
const SPECIAL: readonly (readonly [unix: number, go: number])[] = [[0o4000, 2 ** 23], [0o2000, 2 ** 22], [0o1000, 2 ** 20]];

export function goFileMode(mode: number): number {
  const kind = KINDS.get(mode & 0o170000) ?? 0;
  return SPECIAL.reduce((sum, [unix, go]) => sum + ((mode & unix) === 0 ? 0 : go), kind + (mode & 0o777));
}

/** What is in the header `X-Docker-Container-Path-Stat`. */
export function encodePathStat({ name, size, mode, mtime, linkTarget }: PathStat): { name: string; size: number; mode: number; mtime: string; linkTarget: string } {
  return { name, size, mode: goFileMode(mode), mtime, linkTarget };
}
