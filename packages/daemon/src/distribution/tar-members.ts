import type { Readable } from "node:stream";
import { TarParser } from "../archive/tar-parser.js";
import type { TarEntry } from "../archive/tar-entry.js";
import { InvalidArgument } from "../core/index.js";

/** Takes the payload of one member; `end` resolves when it is dealt with. */
export interface MemberWriter {
  write(bytes: Buffer): Promise<void> | void;
  end(): Promise<void> | void;
}

type Event = { readonly entry: TarEntry; readonly payload: number } | Buffer | "end";

/**
 * Reads a tar member by member: `open` says where the payload of one goes, undefined skips it. Nothing is read ahead of what the writers
 * take. InvalidArgument for what is no tar.
 */
export async function readMembers(tar: Readable, open: (path: string, entry: TarEntry, payload: number) => MemberWriter | undefined): Promise<void> {
  let events: Event[] = [];
  const parser = new TarParser({
    entry: (entry, payload) => void events.push({ entry, payload }),
    data: (bytes) => void events.push(bytes),
    end: () => void events.push("end"),
    raw: () => {},
  });
  let writer: MemberWriter | undefined;
  for await (const chunk of tar) {
    parser.write(chunk as Buffer);
    const batch = events;
    events = [];
    for (const event of batch) {
      if (event === "end") {
        await writer?.end();
        writer = undefined;
      } else if (Buffer.isBuffer(event)) await writer?.write(event);
      else writer = open(memberPath(event.entry.name), event.entry, event.payload);
    }
  }
  parser.close();
}

/** A name inside the archive without `.` and empty parts; names that lead out of it are refused. */
export function memberPath(name: string): string {
  const parts = Buffer.from(name, "latin1").toString("utf8").split("/").filter((p) => p !== "" && p !== ".");
  if (name.startsWith("/") || parts.includes("..") || name.includes("\0")) throw new InvalidArgument(`invalid path "${name}" in the archive`);
  return parts.join("/");
}
