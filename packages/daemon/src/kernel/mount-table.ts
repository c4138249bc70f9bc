import { readFileSync } from "node:fs";

/** A line of /proc/self/mountinfo (proc(5)). */
export interface MountEntry {
  readonly id: number;
  readonly parent: number;
  /** Where it is mounted, octal escapes undone. */
  readonly target: string;
  /** What of the file system is mounted there: `/` but for binds. */
  readonly root: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
  readonly superOptions: readonly string[];
  readonly shared: boolean;
  /** It receives what its master group mounts. */
  readonly slave: boolean;
}

/** `wanted`: of the target, as the kernel writes it. */
export function parseMountInfo(text: string, wanted: (target: string) => boolean = () => true): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split("\n")) {
    if (!wanted(line.split(" ", 5)[4] ?? "")) continue;
    const [left, right] = line.split(" - ");
    if (left === undefined || right === undefined) continue;
    const [id, parent, , root, target, options, ...tags] = left.split(" ");
    const [type, source, superOptions] = right.split(" ");
    entries.push({
      id: Number(id), parent: Number(parent), root: unescape(root!), target: unescape(target!), type: type!, source: unescape(source!),
      options: options!.split(","), superOptions: (superOptions ?? "").split(","), shared: tags.some((tag) => tag.startsWith("shared:")), slave: tags.some((tag) => tag.startsWith("master:")),
    });
  }
  return entries;
}
const unescape = (field: string): string => field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));

const escape = (path: string): string => path.replace(/[ \t\n\\]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`);

export function readMountTable(wanted?: (target: string) => boolean): MountEntry[] { return parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8"), wanted); }

/** Mounts at or below an absolute, resolved path; later ones lie above earlier ones. */
export function mountsBelow(path: string, table: readonly MountEntry[] = readMountTable((target) => target.startsWith(escape(path)))): MountEntry[] {
  const prefix = path.endsWith("/") ? path : `${path}/`;
  return table.filter((entry) => entry.target === path || entry.target.startsWith(prefix));
}
export function isMountPoint(path: string, table?: readonly MountEntry[]): boolean {
  return (table ?? readMountTable()).some((entry) => entry.target === path);
}
/** The mount that holds an absolute, resolved path. */
export function mountOf(path: string, table: readonly MountEntry[] = readMountTable()): MountEntry | undefined {
  let best: MountEntry | undefined;
  for (const entry of table) {
    const holds = entry.target === path || entry.target === "/" || path.startsWith(`${entry.target}/`);
    if (holds && (!best || entry.target.length >= best.target.length)) best = entry;
  }
  return best;
}
