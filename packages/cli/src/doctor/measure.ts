import { lstatSync, readdirSync, readFileSync, type Stats } from "node:fs";
import { isAbsent } from "./files.js";

/** How deep sizes are kept, by the first folder of a path; below that they count only in what holds them. */
const DEPTH: Readonly<Record<string, number>> = { image: 5, containerd: 4 };
const USUAL_DEPTH = 3;

/** When it came to be and how much it holds. */
interface Entry {
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly born: number;
}

/** What a root occupies on its disk, each inode once, found in one walk. What is mounted in it is not part of it. */
export class Sizes {
  /** Mount points that were left out. */
  readonly mounts: string[] = [];
  /** How many files and directories could not be looked at. */
  unreadable = 0;
  readonly #entries = new Map<string, Entry>();
  readonly #linked = new Set<string>();
  readonly #mountPoints: ReadonlySet<string>;

  constructor(root: string, mountPoints: readonly string[]) {
    this.#mountPoints = new Set(mountPoints.map(asBytes));
    const stat = lstatSync(root);
    this.#walk(asBytes(root), "", stat, 0);
  }

  /** Of a path below the root, as deep as sizes are kept; `""` is all. */
  bytes(path: string): number { return this.#entries.get(path)?.bytes ?? 0; }
  born(path: string): number { return this.#entries.get(path)?.born ?? 0; }
  has(path: string): boolean { return this.#entries.has(path); }

  #walk(absolute: string, path: string, stat: Stats, depth: number): number {
    let bytes = this.#own(stat);
    if (stat.isDirectory()) {
      for (const name of this.#names(absolute)) {
        const child = `${absolute}/${name}`, below = path === "" ? name : `${path}/${name}`;
        if (this.#mountPoints.has(child)) {
          this.mounts.push(below);
          continue;
        }
        const found = this.#stat(child);
        if (found !== undefined) bytes += this.#walk(child, below, found, depth + 1);
      }
    }
    if (depth <= (DEPTH[path.split("/", 1)[0]!] ?? USUAL_DEPTH)) this.#entries.set(path, { bytes, born: stat.birthtimeMs > 0 ? stat.birthtimeMs : stat.ctimeMs });
    return bytes;
  }

  #own(stat: Stats): number {
    if (stat.nlink > 1 && !stat.isDirectory()) {
      const key = `${stat.dev}:${stat.ino}`;
      if (this.#linked.has(key)) return 0;
      this.#linked.add(key);
    }
    return stat.blocks * 512;
  }

  /** Nothing of what was removed since it was listed, or lies deeper than a path can say. */
  #stat(path: string): Stats | undefined {
    try {
      return lstatSync(Buffer.from(path, "latin1"));
    } catch (error) {
      if (!isAbsent(error)) this.unreadable++;
      return undefined;
    }
  }

  #names(directory: string): string[] {
    try {
      return readdirSync(Buffer.from(directory, "latin1"), { encoding: "latin1" });
    } catch (error) {
      if (!isAbsent(error)) this.unreadable++;
      return [];
    }
  }
}

/** Names in layers need not be UTF-8: a character stands for each byte. */
const asBytes = (path: string): string => Buffer.from(path).toString("latin1");

/** Where something is mounted below a folder, as this process sees it. */
export function mountPointsBelow(root: string): string[] {
  const points = readFileSync("/proc/self/mountinfo", "latin1").split("\n").map((line) => (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))));
  return points.map((point) => Buffer.from(point, "latin1").toString()).filter((point) => point.startsWith(`${root}/`));
}
