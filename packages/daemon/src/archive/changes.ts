import { WHITEOUT_PREFIX } from "@strata/oci";
import type { Change } from "../core/storage.js";
import { errnoOf } from "../core/errors.js";
import { cPath, fromByteString, procPath, toByteString, type ByteString } from "../kernel/byte-path.js";
import { openDirectoryAt, readDirectory } from "../kernel/directory.js";
import { AT_FDCWD, close, lgetxattr, O_DIRECTORY, O_RDONLY, openat } from "../kernel/libc.js";
import { inodeKey, isDirectory, Stater, type Stat } from "../kernel/stat.js";
import { readIndex } from "./context/entry.js";
import { ConfinedTree } from "./confined-tree.js";
import { LowerView, type LowerEntry } from "./lower-view.js";
import { marksOf } from "./marks.js";
import { baseOf, joinPath, parentOf } from "./tar-path.js";
import { TreePacker } from "./tree-tar.js";
import type { Steps } from "./workers/protocol.js";

export interface ChangesArguments {
  readonly root: string;
  /**
   * What is to be compared: a whole tree (`plain`), or the upper directory of an overlay (`upper`), of one that began as
   * a copy of the upper directory `lowers[0]` (`copied`), or of a union with AUFS's marks (`aufs`).
   */
  readonly kind: "plain" | "upper" | "copied" | "aufs";
  /** What lies below, nearest first (one at most for a whole tree). */
  readonly lowers: readonly string[];
  /** Folders of indexes (see context/): files that are in one count as changed in any case. */
  readonly touched?: readonly string[];
}

/**
 * What differs, as `docker diff` counts it: owner, mode, device, file time and size, file capability; not the time of a
 * directory. A directory in which something changed counts as modified. Below a deleted directory nothing is listed;
 * what is in a new one is. The root is never listed. Sorted by path.
 */
export function* listChanges({ root, kind, lowers, touched = [] }: ChangesArguments): Steps<Change[]> {
  const certain = new Set(touched.flatMap((directory) => readIndex(directory).filter(({ type }) => type !== "directory").map(({ name }) => name)));
  const marks = kind === "plain" ? undefined : marksOf[kind === "aufs" ? "aufs" : "overlay"];
  const view = new LowerView(lowers.map(toByteString), kind === "aufs" ? "aufs" : "overlay");
  const stater = new Stater();
  const buffer = Buffer.allocUnsafeSlow(65536);
  const changes: Change[] = [];
  let seen = 0;
  const note = (path: ByteString, kind: Change["kind"]): void => { changes.push({ path: `/${path}`, kind }); };

  /** `whole`: what `fd` does not hold of `lower` is gone. True when something below changed. */
  function* walk(fd: number, path: ByteString, lower: LowerEntry | undefined, whole: boolean): Steps<boolean> {
    const before = changes.length;
    const below = whole ? view.children(lower) : undefined;
    const gone = below ?? (kind === "copied" ? copied(path, lower) : undefined);
    for (const { name } of readDirectory(fd, buffer)) {
      if (++seen % 512 === 0) yield undefined;
      const stat = stater.at(fd, name);
      if (!stat) continue;
      const hidden = marks?.hides(name, stat);
      if (hidden !== undefined) {
        if (!whole && hidden !== "" && view.child(lower, hidden)) {
          note(joinPath(path, hidden), 2);
          gone?.delete(hidden);
        }
        continue;
      }
      const at = joinPath(path, name);
      const old = below ? below.get(name) : view.child(lower, name);
      gone?.delete(name);
      const listed = !old || certain.has(at) || differs(old.stat, stat) || capabilityOf(cPath(old.paths[0]!)) !== capabilityOf(procPath(fd, name));
      if (listed) note(at, old ? 0 : 1);
      if (!isDirectory(stat.mode)) continue;
      const inside = yield* descend(fd, name, at, old, whole);
      if (inside && !listed) note(at, 0);
    }
    for (const name of gone?.keys() ?? []) note(joinPath(path, name), 2);
    return changes.length > before;
  }
  function* descend(dir: number, name: ByteString, path: ByteString, old: LowerEntry | undefined, whole: boolean): Steps<boolean> {
    let fd: number;
    try { fd = openDirectoryAt(dir, name); }
    catch (error) {
      if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return false;
      throw error;
    }
    // What lies below an opaque directory is hidden all the way down, whether its directories say so or not.
    try { return yield* walk(fd, path, old, whole || marks?.isOpaque(stater, `/proc/self/fd/${fd}/.`) === true); } finally { close(fd); }
  }
  /** What the directory held when the container began. */
  function copied(path: ByteString, lower: LowerEntry | undefined): Map<ByteString, LowerEntry> | undefined {
    const [nearest] = lower?.paths ?? [];
    const base = toByteString(lowers[0] ?? "");
    return lower && nearest === (path === "" ? base : `${base}/${path}`) ? view.children({ ...lower, paths: [nearest] }) : undefined;
  }

  const fd = openat(AT_FDCWD, root, O_RDONLY | O_DIRECTORY);
  try { yield* walk(fd, "", view.root, kind === "plain"); } finally { close(fd); }
  changes.sort((a, b) => (a.path < b.path ? -1 : 1));
  return changes;
}
/** The same with paths as text. */
export function* listChangesAsText(args: ChangesArguments): Steps<Change[]> {
  return (yield* listChanges(args)).map(({ path, kind }) => ({ path: fromByteString(path), kind }));
}

/** The lengths of the files that differ or are new, hard links once. */
export function* changesSize(args: ChangesArguments): Steps<number> {
  const stater = new Stater();
  const linked = new Set<string>();
  const root = toByteString(args.root);
  let size = 0;
  for (const { path, kind } of yield* listChanges(args)) {
    const stat = kind === 2 ? undefined : stater.at(AT_FDCWD, `${root}${path}`);
    if (!stat || isDirectory(stat.mode) || linked.has(inodeKey(stat))) continue;
    if (stat.nlink > 1) linked.add(inodeKey(stat));
    size += stat.size;
  }
  return size;
}

function differs(old: Stat, now: Stat): boolean {
  if (old.mode !== now.mode || old.uid !== now.uid || old.gid !== now.gid || old.rdevMajor !== now.rdevMajor || old.rdevMinor !== now.rdevMinor) return true;
  if (isDirectory(now.mode)) return false;
  // A time without nanoseconds is from something that keeps none: compare what both have.
  const sameTime = old.mtimeSec === now.mtimeSec && (old.mtimeNs === now.mtimeNs || old.mtimeNs === 0 || now.mtimeNs === 0);
  return !sameTime || old.size !== now.size;
}
const capabilityOf = (path: string | Uint8Array): string => lgetxattr(path, "security.capability")?.toString("latin1") ?? "";

/** Changes of a whole tree against another as a layer tar. */
export function* changesTar(args: ChangesArguments): Steps<void> {
  const changes = yield* listChanges(args);
  const packer = new TreePacker({ sparse: true });
  const tree = new ConfinedTree(args.root);
  try {
    // The root is told only when its owner or mode changed: Docker never tells it.
    const root = tree.stater.of(tree.root.fd);
    const below = args.lowers[0] === undefined ? undefined : tree.stater.at(AT_FDCWD, toByteString(args.lowers[0]));
    if (below && differs(below, root)) yield* packer.member(tree.root.fd, ".", ".", root);
    for (const change of changes) {
      const path = change.path.slice(1);
      const name = baseOf(path), parent = parentOf(path);
      if (name.startsWith(WHITEOUT_PREFIX)) continue;
      if (change.kind === 2) { yield* packer.whiteout(parent, name); continue; }
      const dir = tree.existing(parent);
      const stat = dir && tree.stater.at(dir.fd, name);
      if (stat) yield* packer.member(dir.fd, name, path, stat);
    }
    yield* packer.finish();
  } finally { tree.close(); }
}
