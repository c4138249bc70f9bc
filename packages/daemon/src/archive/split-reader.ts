import { closeSync, openSync, readSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { DataLoss } from "../core/errors.js";
import type { ByteString } from "../kernel/byte-path.js";
import { SPLIT_FILE, SPLIT_RAW } from "./split-writer.js";

export type SplitRecord = Buffer | { readonly path: ByteString; readonly size: number };

const HEADER = 20;

/** The records of a split file in order (split-writer.ts says how they lie). DataLoss when it is damaged. */
export function* readSplit(file: string): Generator<SplitRecord, void> {
  const fd = openSync(file, "r");
  const damaged = (cause?: unknown): DataLoss => new DataLoss(`damaged split file: ${file}`, { cause });
  try {
    const header = Buffer.alloc(HEADER);
    for (let position = 0; ; ) {
      const n = readSync(fd, header, 0, HEADER, position);
      if (n === 0) return;
      if (n !== HEADER || header.toString("latin1", 12, 14) !== "SL") throw damaged();
      const length = header.readUInt32LE(16);
      const member = Buffer.allocUnsafe(length);
      if (length <= HEADER || readSync(fd, member, 0, length, position) !== length) throw damaged();
      position += length;
      let plain: Buffer;
      try { plain = gunzipSync(member); } catch (error) { throw damaged(error); }
      yield* records(plain, damaged);
    }
  } finally { closeSync(fd); }
}

function* records(plain: Buffer, damaged: () => DataLoss): Generator<SplitRecord, void> {
  for (let at = 0; at < plain.length; ) {
    if (plain[at] === SPLIT_RAW) {
      const end = at + 5 + plain.readUInt32LE(at + 1);
      if (end > plain.length) throw damaged();
      yield plain.subarray(at + 5, end);
      at = end;
    } else if (plain[at] === SPLIT_FILE) {
      const end = at + 11 + plain.readUInt16LE(at + 9);
      if (end > plain.length) throw damaged();
      yield { size: Number(plain.readBigUInt64LE(at + 1)), path: plain.toString("latin1", at + 11, end) };
      at = end;
    } else throw damaged();
  }
}
