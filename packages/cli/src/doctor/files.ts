import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const { O_NOATIME, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
/** Larger than any record of Docker's; a file beyond it is not one. */
const LARGEST = 1 << 30;

/** Reads files of a root that may change meanwhile. Follows no links, writes nothing, and leaves the files' access times alone where it may. */
export class RootReader {
  /** What is there and could not be read. */
  readonly unreadable: string[] = [];

  constructor(readonly root: string) {}

  bytes(path: string): Buffer | undefined {
    let file: number | undefined;
    try {
      file = open(join(this.root, path));
      const stat = fstatSync(file);
      if (!stat.isFile() || stat.size > LARGEST) throw new Error("not a record");
      return readFileSync(file);
    } catch (error) {
      if (!isAbsent(error)) this.unreadable.push(path);
      return undefined;
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  /** Without white space around it, as Docker reads its one-line files. */
  text(path: string): string | undefined {
    return this.bytes(path)?.toString("utf8").trim();
  }

  json(path: string): Fields | undefined {
    const text = this.text(path);
    if (text === undefined) return undefined;
    try {
      return fieldsOf(JSON.parse(text));
    } catch {
      this.unreadable.push(path);
      return undefined;
    }
  }

  /** In the order of their bytes; none where there is no such directory. */
  names(path: string): string[] {
    try {
      return readdirSync(join(this.root, path)).sort();
    } catch (error) {
      if (!isAbsent(error)) this.unreadable.push(path);
      return [];
    }
  }
}

/** A JSON object of which nothing is sure. */
export type Fields = Readonly<Record<string, unknown>>;
export const fieldsOf = (value: unknown): Fields => (typeof value === "object" && value !== null ? value as Fields : {});
export const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

export function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}

function open(path: string): number {
  const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
  try {
    return openSync(path, flags | O_NOATIME);
  } catch (error) {
    // Only a file's owner and root may leave its access time as it is.
    if ((error as NodeJS.ErrnoException).code === "EPERM") return openSync(path, flags);
    throw error;
  }
}
