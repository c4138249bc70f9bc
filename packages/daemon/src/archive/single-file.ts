import { createReadStream, statSync } from "node:fs";
import { Readable } from "node:stream";
import { toByteString } from "../kernel/byte-path.js";
import { noXattrs } from "./tar-entry.js";
import { encodeHeader, padding, TRAILER } from "./tar-writer.js";

/** A tar of one file that belongs to root; `seconds` since the epoch is its time. */
export function singleFile(name: string, content: Buffer, mode: number, seconds: number): Readable {
  return Readable.from([Buffer.concat([header(name, content.length, mode, seconds), content, padding(content.length), TRAILER])], { objectMode: false });
}

/** The same of a file on disk. */
export function fileTar(name: string, path: string, mode: number, seconds: number): Readable {
  const { size } = statSync(path);
  return Readable.from((async function* (): AsyncGenerator<Buffer, void> {
    yield header(name, size, mode, seconds);
    if (size > 0) for await (const chunk of createReadStream(path, { end: size - 1, highWaterMark: 1 << 20 })) yield chunk as Buffer;
    yield Buffer.concat([padding(size), TRAILER]);
  })(), { objectMode: false });
}

function header(name: string, size: number, mode: number, seconds: number): Buffer {
  return encodeHeader({ type: "file", name: toByteString(name), linkName: "", mode, uid: 0, gid: 0, size, mtime: { seconds, nanos: 0 }, major: 0, minor: 0, xattrs: noXattrs });
}
