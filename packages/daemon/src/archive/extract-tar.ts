import { AT_FDCWD, close, O_RDONLY, openat, read } from "../kernel/libc.js";
import { TreeApplier } from "./apply.js";
import { TarParser } from "./tar-parser.js";
import type { Whiteouts } from "./whiteouts.js";
import type { Steps } from "./workers/protocol.js";

const CHUNK = 1 << 20;

/** Fills the directory `root` from a tar that stays. */
export function* extractTar({ tar, root, whiteouts }: { readonly tar: string; readonly root: string; readonly whiteouts: Whiteouts }): Steps<void> {
  const applier = new TreeApplier({ root, whiteouts, split: null, kept: null });
  let done = false;
  try {
    const parser = new TarParser(applier);
    const fd = openat(AT_FDCWD, tar, O_RDONLY);
    try {
      const buffer = Buffer.allocUnsafeSlow(CHUNK);
      for (let n = read(fd, buffer); n > 0; n = read(fd, buffer)) {
        parser.write(buffer.subarray(0, n));
        yield undefined;
      }
    } finally { close(fd); }
    parser.close();
    applier.finish();
    done = true;
  } finally { if (!done) applier.abort(); }
}
