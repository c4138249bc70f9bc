import { InvalidArgument, type PathStat } from "../core/index.js";
import type { ContainerFileService } from "../services/types.js";
import { type Context, empty, type Routes } from "./context.js";
import { encodePathStat } from "./encode/path-stat.js";
import { sendStream, uploadOf } from "./streams.js";

type ArchiveRoutes = Pick<Routes, "archiveGet" | "archiveHead" | "archivePut">;

function pathOf({ query }: { query: { path?: string } }): string {
  if (!query.path) throw new InvalidArgument("bad parameter: 'path' cannot be empty");
  if (query.path.includes("\0")) throw new InvalidArgument("bad parameter: 'path' holds a byte that no name can");
  return query.path;
}

function setStat({ response }: Pick<Context, "response">, stat: PathStat): void {
  response.setHeader("X-Docker-Container-Path-Stat", Buffer.from(JSON.stringify(encodePathStat(stat))).toString("base64"));
}

/** Files in and out of containers (`docker cp`). */
export function archiveRoutes(files: ContainerFileService): ArchiveRoutes {
  return {
    async archiveHead(c) {
      setStat(c, await files.stat(c.path.id, pathOf(c)));
      return empty(200);
    },
    async archiveGet(c) {
      const { stat, tar } = await files.read(c.path.id, pathOf(c));
      setStat(c, stat);
      await sendStream(c, "application/x-tar", tar);
      return undefined;
    },
    async archivePut(c) {
      const { query } = c;
      await files.write(c.path.id, pathOf(c), uploadOf(c.request), { keepKinds: query.noOverwriteDirNonDir ?? false, ownUser: query.copyUIDGID ?? false });
      return empty(200);
    },
  };
}
