import { closeSync, constants, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { Conflict, type DataRoot } from "../core/index.js";
import { tryLock } from "../kernel/libc.js";

/** Keeps other daemons off a data root for as long as this process lives or until `release`. */
export interface RootLock {
  release(): void;
}

/** Makes the data root's directories and takes its lock. Conflict names the process that has it. */
export function lockRoot(root: DataRoot): RootLock {
  mkdirSync(root.root, { recursive: true, mode: 0o710 });
  const fd = openSync(root.lock, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    if (!tryLock(fd)) {
      const holder = readFileSync(root.lock, "utf8").trim();
      throw new Conflict(`the data root ${root.root} is in use by another daemon${holder === "" ? "" : ` (pid ${holder})`}`);
    }
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`, 0);
  } catch (e) {
    closeSync(fd);
    throw e;
  }
  for (const [directory, mode] of [[root.blobs, 0o710], [root.ingests, 0o710], [root.containers, 0o710], [root.volumes, 0o701], [root.tmp, 0o700], [root.trash, 0o700]] as const) {
    mkdirSync(directory, { recursive: true, mode });
  }
  return { release: () => closeSync(fd) };
}
