import { readFileSync } from "node:fs";
import type { ByteString } from "../../kernel/byte-path.js";
import type { EntryType, Segment } from "../tar-entry.js";

/** A member of a build context. Its payload lies in the context's data file. */
export interface ContextEntry {
  readonly type: EntryType;
  /** Cleaned: below the root, no slash at either end. */
  readonly name: ByteString;
  readonly linkName: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly seconds: number;
  readonly nanos: number;
  readonly major: number;
  readonly minor: number;
  /** Name to value, as latin1. */
  readonly xattrs: readonly (readonly [ByteString, ByteString])[];
  readonly sparse?: readonly Segment[];
  /** Where its payload begins in the data file, and its length. */
  readonly offset: number;
  readonly length: number;
  /** SHA-256 of the payload, hex; "" where there is none. */
  readonly digest: string;
  /** Entries with the same one are names of one file. */
  readonly inode?: number;
}

export const dataFile = (directory: string): string => `${directory}/data`;
export const indexFile = (directory: string): string => `${directory}/index.json`;

/** What is in a context, sorted by name. */
export const readIndex = (directory: string): ContextEntry[] => JSON.parse(readFileSync(indexFile(directory), "utf8")) as ContextEntry[];
