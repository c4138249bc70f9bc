import { closeSync, constants, ftruncateSync, mkdirSync, openSync, readFileSync, realpathSync, writeSync } from "node:fs";
import { Conflict, DataRoot } from "../core/index.js";
import { tryLock } from "../kernel/libc.js";

/** Keeps other daemons off a data root for as long as this process lives or until `release`. */
export interface RootLock {
  /** The root without symlinks, as the mount table names it. */
  readonly root: DataRoot;
  release(): void;
}

/** Makes the data root if need be and takes its lock. Conflict names the process that has it. */
export function lockRoot(path: string): RootLock {
  mkdirSync(path, { recursive: true, mode: 0o710 });
  const root = new DataRoot(realpathSync(path));
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
  return { root, release: () => closeSync(fd) };
}
