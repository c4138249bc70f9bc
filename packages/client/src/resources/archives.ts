import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import type { Api } from "../api.js";
import { StrataApiError } from "../errors.js";
import type { CallSignal } from "../types.js";

/** A path of a container, its last part not followed. */
export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** As Go's os.FileMode has it. */
  readonly mode: number;
  readonly mtime: string;
  /** Where a symlink leads in the container; else "". */
  readonly linkTarget: string;
}
/** Bits of `PathStat.mode`. */
export const MODE_DIRECTORY = 2 ** 31, MODE_SYMLINK = 2 ** 27;

export interface ArchiveWriteOptions extends CallSignal {
  /** A directory takes the place of nothing else, nor the other way round. */
  readonly keepKinds?: boolean;
  /** All belongs to the container's user, where it has one. */
  readonly ownUser?: boolean;
}

/** Files in and out of containers, as tar archives. */
export class Archives {
  constructor(private readonly api: Api) {}

  async stat(id: string, path: string, { signal }: CallSignal = {}): Promise<PathStat> {
    const response = await this.api.send("head", "/containers/{id}/archive", { path: { id }, query: { path }, signal });
    return statOf(response);
  }

  /** What is at a path; names in the archive begin with the path's last part. */
  async read(id: string, path: string, { signal }: CallSignal = {}): Promise<{ stat: PathStat; tar: Readable }> {
    const tar = await this.api.open("get", "/containers/{id}/archive", { path: { id }, query: { path }, signal });
    return { stat: statOf(tar), tar };
  }

  /** Unpacks an archive into a directory. */
  async write(id: string, path: string, tar: Readable, { keepKinds, ownUser, signal }: ArchiveWriteOptions = {}): Promise<void> {
    await this.api.send("put", "/containers/{id}/archive", { path: { id }, query: { path, noOverwriteDirNonDir: keepKinds, copyUIDGID: ownUser }, body: tar, signal });
  }
}

function statOf({ headers }: IncomingMessage): PathStat {
  const header = headers["x-docker-container-path-stat"];
  if (typeof header !== "string") throw new StrataApiError(500, "the daemon did not tell what is at the path");
  return JSON.parse(Buffer.from(header, "base64").toString("utf8")) as PathStat;
}
