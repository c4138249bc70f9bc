import { createHash } from "node:crypto";
import { Glob, hasWildcards, IgnoreRules } from "@strata/oci";
import { InvalidArgument, messageOf, NotFound } from "../../core/errors.js";
import { fromByteString, toByteString, type ByteString } from "../../kernel/byte-path.js";
import { baseOf, cleanPath, joinPath, parentOf } from "../tar-path.js";
import type { Steps } from "../workers/protocol.js";
import type { ContextEntry } from "./entry.js";
import { ContextIndex } from "./index.js";

/** What of a context is copied. */
export interface Selection {
  /** The context's folder. */
  readonly directory: string;
  /** Names that count as not there. */
  readonly hidden: readonly string[];
  /** Paths, and patterns of Go's filepath.Match; with `parents` `**` is any number of directories, and `/./` says where they begin. */
  readonly sources: readonly string[];
  /** Rules of .dockerignore for what stays behind, relative to each source. */
  readonly exclude: readonly string[];
  /** Keep the directories that lead to a source. */
  readonly parents: boolean;
  /** Owners of the context count. */
  readonly owners: boolean;
}
/** An entry, and where it goes below the destination; "" is the destination itself. */
export interface Picked {
  readonly entry: ContextEntry;
  readonly to: ByteString;
}
/** One source that was found. A directory is picked with all that is in it. */
export interface Match {
  readonly directory: boolean;
  readonly name: ByteString;
  /** Last part of its name. */
  readonly base: ByteString;
  readonly picked: readonly Picked[];
}
export interface Found {
  /** SHA-256 of all that is copied, times aside. */
  readonly digest: string;
  readonly matches: number;
  /** What a single match is. */
  readonly directory: boolean;
  /** Names of what is no directory, among the sources themselves: at most a hundred. */
  readonly files: readonly string[];
}

const FILES = 100;

/** NotFound for a source that is not there, or matches nothing. */
export function select({ directory, hidden, sources, exclude, parents }: Selection): Match[] {
  const index = new ContextIndex(directory, hidden);
  const rules = exclude.length === 0 ? undefined : rulesOf(exclude);
  const keep = (name: ByteString): boolean => rules === undefined || name === "" || !rules.ignores(fromByteString(name));
  const matches = sources.flatMap((source) => named(index, source, parents).map(({ name, pivot }) => pick(index, name, parents ? pivot : undefined, keep)));
  return matches.filter(({ directory: whole, picked }) => whole || picked.length > 0);
}

/** Names of a source: one, or all that a pattern matches. `pivot`: what of the name comes before its `/./`. */
function named(index: ContextIndex, source: string, deep: boolean): { name: ByteString; pivot: ByteString }[] {
  const [before, behind] = source.split(/\/\.\/(.*)/s, 2) as [string, string | undefined];
  const pivot = behind === undefined ? "" : clean(before), text = toByteString(source);
  if (!hasWildcards(source)) return [{ name: clean(text), pivot }];
  const matches = matcherOf(fromByteString(clean(text)), deep);
  const found = [...index.below("")].filter(({ name }) => matches(fromByteString(name))).map(({ name }) => ({ name, pivot }));
  if (found.length === 0) throw new NotFound(`no source files were specified: nothing in the context matches ${source}`);
  return found;
}

function pick(index: ContextIndex, name: ByteString, pivot: ByteString | undefined, keep: (name: ByteString) => boolean): Match {
  const entry = index.resolve(name);
  const prefix = pivot === undefined ? "" : pivot === "" ? name : name.slice(pivot.length + 1);
  const picked: Picked[] = [];
  if (prefix !== "") for (const above of lineOf(prefix)) picked.push({ entry: index.get(pivot === "" ? above : `${pivot!}/${above}`) ?? entry, to: above });
  if (entry.type !== "directory") {
    if (!keep(baseOf(name))) return { directory: false, name, base: baseOf(name), picked: [] };
    picked.push({ entry, to: pivot === undefined ? "" : prefix });
    return { directory: pivot !== undefined, name, base: baseOf(name), picked };
  }
  picked.push({ entry, to: prefix });
  for (const below of index.below(entry.name)) {
    const to = entry.name === "" ? below.name : below.name.slice(entry.name.length + 1);
    if (keep(to)) picked.push({ entry: below, to: joinPath(prefix, to) });
  }
  return { directory: true, name, base: baseOf(name), picked };
}

function rulesOf(patterns: readonly string[]): IgnoreRules {
  try { return new IgnoreRules(patterns); } catch (cause) { throw new InvalidArgument(`--exclude: ${messageOf(cause)}`, { cause }); }
}

function matcherOf(pattern: string, deep: boolean): (name: string) => boolean {
  try {
    const glob = new Glob(pattern, deep);
    return (name) => glob.matches(name);
  } catch (cause) { throw new InvalidArgument(messageOf(cause), { cause }); }
}

/** `a/b/c` → `a`, `a/b`. */
function lineOf(name: ByteString): ByteString[] {
  const line: ByteString[] = [];
  for (let above = parentOf(name); above !== ""; above = parentOf(above)) line.unshift(above);
  return line;
}

/** As Docker cleans it: `..` at the root stays there. */
function clean(text: ByteString): ByteString {
  const parts: ByteString[] = [];
  for (const part of text.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return cleanPath(parts.join("/"));
}

/** Tells one selection from another. */
// eslint-disable-next-line require-yield -- a job of one step
export function* contextFind(selection: Selection): Steps<Found> {
  const matches = select(selection);
  const hash = createHash("sha256");
  for (const { directory, base, picked } of matches) {
    hash.update(`${directory ? "d" : "f"}${base}\0`, "latin1");
    for (const { entry: e, to } of picked) {
      if (baseOf(to).startsWith(".wh.")) throw new InvalidArgument(`${fromByteString(to)}: a name that begins with .wh. cannot be in a layer`);
      hash.update(JSON.stringify([to, e.type, e.mode, e.size, e.linkName, e.digest, e.major, e.minor, e.xattrs, e.sparse ?? 0, selection.owners ? [e.uid, e.gid] : 0]), "latin1");
    }
  }
  return { digest: hash.digest("hex"), matches: matches.length, directory: matches.length === 1 && matches[0]!.directory, files: matches.filter((match) => !match.directory).slice(0, FILES).map(({ name }) => fromByteString(name)) };
}
