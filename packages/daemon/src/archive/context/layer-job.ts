import { AT_FDCWD, O_RDONLY, openat } from "../../kernel/libc.js";
import { withFdSteps } from "../../kernel/directory.js";
import type { ByteString } from "../../kernel/byte-path.js";
import { Output } from "../output.js";
import type { TarEntry, TarTime } from "../tar-entry.js";
import { joinPath } from "../tar-path.js";
import { encodeHeader, padding, TRAILER } from "../tar-writer.js";
import type { Steps } from "../workers/protocol.js";
import { dataFile, type ContextEntry } from "./entry.js";
import { changedMode, type ModeChange } from "./mode.js";
import { select, type Selection } from "./select.js";
import { DataWindow } from "./window.js";

/** Where a selection goes in a tree. */
export interface Placement {
  /** Below the root, no symlink on the way. */
  readonly path: ByteString;
  /** It is, or becomes, a directory: what is copied goes into it. */
  readonly into: boolean;
  /** Directories on the way that are not there yet, `path` among them where it is one. Outer ones first. */
  readonly missing: readonly ByteString[];
}
export interface LayerArguments {
  /** Null: nothing but the directories that are missing. */
  readonly selection: Selection | null;
  readonly place: Placement;
  /** Whose all of it becomes; without it owners stay. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Permission bits of all files and directories. */
  readonly mode?: ModeChange;
  /** Seconds: the time of directories that are made. */
  readonly now: number;
  /** Seconds: nothing is newer. */
  readonly newest?: number;
  /** More follows that belongs to the same tar. */
  readonly open?: boolean;
}

/** Part of a context as a layer tar. */
export function* contextLayer(args: LayerArguments): Steps<void> {
  const { selection, place } = args;
  const members = selection === null ? new Map<ByteString, ContextEntry>() : placed(selection, place);
  const output = new Output();
  for (const name of place.missing) if (!members.has(name)) yield* output.bytes(encodeHeader(memberOf(name, undefined, args)));
  if (selection !== null) yield* withFdSteps(openat(AT_FDCWD, dataFile(selection.directory), O_RDONLY), function* (fd) {
    const data = new DataWindow(fd), named = new Map<number, ByteString>();
    for (const [name, entry] of members) {
      const first = entry.inode === undefined || entry.type !== "file" ? undefined : named.get(entry.inode);
      if (first !== undefined) {
        yield* output.bytes(encodeHeader({ ...memberOf(name, entry, args), type: "link", linkName: first, size: 0, sparse: undefined }));
        continue;
      }
      if (entry.inode !== undefined) named.set(entry.inode, name);
      yield* output.bytes(encodeHeader(memberOf(name, entry, args)));
      if (entry.length === 0) continue;
      yield* data.copy(entry, output);
      yield* output.bytes(padding(entry.length));
    }
  });
  if (args.open !== true) yield* output.bytes(TRAILER);
  yield* output.flush();
}

/** What goes where; the last source that has a name wins. */
function placed(selection: Selection, { path, into }: Placement): Map<ByteString, ContextEntry> {
  const members = new Map<ByteString, ContextEntry>();
  for (const { directory, base, picked } of select(selection)) {
    for (const { entry, to } of picked) {
      const inside = directory ? to : into ? base : "";
      const target = inside === "" ? path : joinPath(path, inside);
      // The destination itself keeps what it has, or is made like any directory on the way.
      if (target !== path || !directory) members.set(target, entry);
    }
  }
  return members;
}

function memberOf(name: ByteString, entry: ContextEntry | undefined, { owner, mode, now, newest }: LayerArguments): TarEntry {
  const common = { name, linkName: "", size: 0, major: 0, minor: 0, xattrs: new Map<ByteString, Buffer>() };
  const { uid, gid } = owner ?? entry ?? { uid: 0, gid: 0 };
  if (entry === undefined) return { ...common, type: "directory", mode: 0o755, uid, gid, mtime: { seconds: Math.min(now, newest ?? now), nanos: 0 } };
  return {
    ...common, type: entry.type, linkName: entry.linkName, mode: entry.type === "symlink" || mode === undefined ? entry.mode : changedMode(mode, entry.mode, entry.type === "directory"), uid, gid, size: entry.size, mtime: timeOf(entry, newest),
    major: entry.major, minor: entry.minor, xattrs: new Map(entry.xattrs.map(([key, value]) => [key, Buffer.from(value, "latin1")])), sparse: entry.sparse,
  };
}
function timeOf({ seconds, nanos }: ContextEntry, newest: number | undefined): TarTime {
  return newest !== undefined && seconds >= newest ? { seconds: newest, nanos: 0 } : { seconds, nanos };
}
