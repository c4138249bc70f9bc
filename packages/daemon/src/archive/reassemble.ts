import { DataLoss, messageOf } from "../core/errors.js";
import { cPath, fromByteString } from "../kernel/byte-path.js";
import { close, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, openat } from "../kernel/libc.js";
import { ConfinedTree } from "./confined-tree.js";
import { Output } from "./output.js";
import { readSplit } from "./split-reader.js";
import { baseOf, parentOf } from "./tar-path.js";
import type { Steps } from "./workers/protocol.js";

/** The very bytes of a tar from its tree and its split file. DataLoss, before the end, when a file is gone or its size changed. */
export function* reassemble({ root, split }: { readonly root: string; readonly split: string }): Steps<void> {
  const tree = new ConfinedTree(root);
  const output = new Output();
  try {
    for (const record of readSplit(split)) {
      if (Buffer.isBuffer(record)) {
        yield* output.bytes(record);
        continue;
      }
      const lost = (cause?: unknown): DataLoss => new DataLoss(`layer file ${JSON.stringify(fromByteString(record.path))} in ${root} is missing or was changed${cause === undefined ? "" : `: ${messageOf(cause)}`}`, { cause });
      let fd: number;
      try {
        const dir = tree.existing(parentOf(record.path));
        if (!dir) throw lost();
        fd = openat(dir.fd, cPath(baseOf(record.path)), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      } catch (error) { throw error instanceof DataLoss ? error : lost(error); }
      try { if ((yield* output.from(fd, record.size)) !== record.size) throw lost(); }
      finally { close(fd); }
    }
    yield* output.flush();
  } finally { tree.close(); }
}
