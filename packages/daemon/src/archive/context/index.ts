import { NotFound } from "../../core/errors.js";
import { fromByteString, toByteString, type ByteString } from "../../kernel/byte-path.js";
import { joinPath, parentOf } from "../tar-path.js";
import { readIndex, type ContextEntry } from "./entry.js";

const MAX_HOPS = 40;

/** What is in a context, read back. Symlinks in it lead nowhere but into it. */
export class ContextIndex {
  private readonly byName: Map<ByteString, ContextEntry>;
  private readonly sorted: readonly ContextEntry[];

  constructor(directory: string, hidden: readonly string[] = []) {
    const left = new Set(hidden.map(toByteString));
    const sorted = readIndex(directory).filter(({ name }) => !left.has(name));
    this.byName = new Map(sorted.map((entry) => [entry.name, entry]));
    const implied = new Set<ByteString>();
    for (const { name } of sorted) {
      for (let above = parentOf(name); above !== "" && !this.byName.has(above) && !implied.has(above); above = parentOf(above)) implied.add(above);
    }
    for (const name of implied) this.byName.set(name, directoryEntry(name));
    this.byName.set("", directoryEntry(""));
    this.sorted = implied.size === 0 ? sorted : [...this.byName.values()].filter(({ name }) => name !== "").sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: ByteString): ContextEntry | undefined { return this.byName.get(name); }

  /** What is below a directory, parents before children. */
  *below(name: ByteString): Generator<ContextEntry> {
    const prefix = name === "" ? "" : `${name}/`;
    for (let at = this.firstFrom(prefix); at < this.sorted.length && this.sorted[at]!.name.startsWith(prefix); at++) yield this.sorted[at]!;
  }
  /** What is in a directory itself. */
  *in(name: ByteString): Generator<ContextEntry> {
    for (const entry of this.below(name)) if (parentOf(entry.name) === name) yield entry;
  }

  /** What a path leads to, symlinks followed. NotFound when nothing is there. */
  resolve(path: ByteString): ContextEntry {
    let parts = path.split("/"), at: ByteString = "", hops = 0;
    while (parts.length > 0) {
      const [part, ...rest] = parts as [ByteString, ...ByteString[]];
      parts = rest;
      if (part === "" || part === ".") continue;
      if (part === "..") { at = parentOf(at); continue; }
      const entry = this.byName.get(joinPath(at, part));
      if (entry === undefined) throw nothing(path);
      if (entry.type !== "symlink") { at = entry.name; continue; }
      if (++hops > MAX_HOPS) throw new NotFound(`stat ${fromByteString(path)}: too many levels of symbolic links`);
      if (entry.linkName.startsWith("/")) at = "";
      parts = [...entry.linkName.split("/"), ...parts];
    }
    return this.byName.get(at) ?? fail(path);
  }

  private firstFrom(prefix: ByteString): number {
    let low = 0, high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.sorted[middle]!.name < prefix) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const fail = (path: ByteString): never => { throw nothing(path); };
const nothing = (path: ByteString): NotFound => new NotFound(`stat ${fromByteString(path)}: file does not exist`);

/** A directory that is only there because something is in it. */
function directoryEntry(name: ByteString): ContextEntry {
  return { type: "directory", name, linkName: "", mode: 0o755, uid: 0, gid: 0, size: 0, seconds: 0, nanos: 0, major: 0, minor: 0, xattrs: [], offset: 0, length: 0, digest: "" };
}
