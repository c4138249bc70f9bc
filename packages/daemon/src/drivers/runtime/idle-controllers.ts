import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf } from "../../core/index.js";
import { MS, mount, umount } from "../../kernel/libc.js";

/** Where a hybrid layout has its v2 side, and which of its controllers nobody uses. */
export interface IdleControllers {
  /** The directory that holds the hierarchies. */
  readonly directory: string;
  readonly names: readonly string[];
}

/** Of a hybrid cgroup layout, the controllers that are on the v2 side with no cgroup using them. Null for other layouts, and when one is in use. */
export function findIdleControllers(mounts: string, read: (path: string) => string): IdleControllers | null {
  const lines = mounts.split("\n").map((line) => line.split(" "));
  const unified = lines.find(([, , type]) => type === "cgroup2")?.[1];
  if (unified === undefined || !lines.some(([, target = "", type]) => type === "cgroup" && dirname(target) === dirname(unified))) return null;
  const words = (name: string): string[] => read(join(unified, name)).split(/\s+/).filter(Boolean);
  const names = words("cgroup.controllers");
  // A controller is in use below only if the root hands it down.
  return names.length === 0 || words("cgroup.subtree_control").length > 0 ? null : { directory: dirname(unified), names };
}

/**
 * Gives the idle controllers of a hybrid layout hierarchies of version 1 beside the others, as a machine has them that
 * mounts all at boot. crun before 1.9 refuses a layout with any controller on the v2 side; where it runs, containers
 * start and execs run in half the time. Returns the way back.
 */
export function claimIdleControllers(): (() => void) | null {
  const idle = findIdleControllers(readFileSync("/proc/self/mounts", "utf8"), (path) => readFileSync(path, "utf8"));
  if (idle === null) return null;
  const made: string[] = [];
  const undo = () => {
    for (const target of made.splice(0).reverse()) {
      umount(target);
      rmdirSync(target);
    }
  };
  try {
    for (const name of idle.names) {
      const target = join(idle.directory, name);
      makeDirectory(target);
      mount("cgroup", target, "cgroup", MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.RELATIME, name);
      made.push(target);
    }
    return undo;
  } catch {
    // A controller that version 1 does not have, or a directory that cannot be written: all stays as it was.
    undo();
    return null;
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path);
  } catch (e) {
    if (errnoOf(e) !== "EEXIST") throw e;
  }
}
