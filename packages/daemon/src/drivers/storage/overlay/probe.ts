import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, messageOf } from "../../../core/errors.js";
import type { Mount } from "../../../core/storage.js";
import { mountOne, unmountSync } from "../../../kernel/mount.js";
import { mountOf } from "../../../kernel/mount-table.js";
import { DT, readDirectory } from "../../../kernel/directory.js";
import { AT_FDCWD, close, lgetxattr, lsetxattr, O_DIRECTORY, O_RDONLY, openat } from "../../../kernel/libc.js";

/** What a real mount proved about overlayfs on one root. */
export interface OverlayFeatures {
  /** File system that holds the root, as /proc/self/mountinfo names it. */
  readonly backing: string;
  /** Options of overlayfs that this kernel has, and that mounts for writing need. */
  readonly options: readonly (readonly [string, string])[];
  /** For looking at what any overlay left behind, read-only. */
  readonly following: readonly (readonly [string, string])[];
  /** With `options` the upper directory is a plain list of changes, which can be told without a mount. */
  readonly nativeDiff: boolean;
  /** In spite of `options` a change of a file's owner or mode leaves its content in the layer below. */
  readonly metacopy: boolean;
  /** One fsconfig(2) call a lower directory (Linux 6.5). */
  readonly manyLowers: boolean;
  /** Kernel can leave out syncing for throw-away containers (Linux 5.10). */
  readonly volatile: boolean;
}
export type OverlayProbe = { readonly ok: true; readonly features: OverlayFeatures } | { readonly ok: false; readonly reason: string };

/** Options that keep the upper directory a plain list of changes, which diff relies on. */
const PLAIN = ["index", "metacopy", "redirect_dir"];
const FOLLOWING = [["redirect_dir", "follow"], ["metacopy", "on"]] as const;

/** A file system as `docker info` calls it. */
export const backingName = (type: string): string => (/^ext[234]$/.test(type) ? "extfs" : type);

/** Mounts a tiny overlay below `root` (made if missing) and looks whether it does what the driver needs. */
export function probeOverlay(root: string): OverlayProbe {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const backing = mountOf(root)?.type ?? "unknown";
  if (backing === "overlay") return { ok: false, reason: "the data root lies on overlayfs, which cannot be an overlay's upper layer" };
  const dir = mkdtempSync(join(root, "probe-"));
  const at = (name: string): string => join(dir, name);
  try {
    for (const name of ["low1", "low2", "upper", "work", "merged"]) mkdirSync(at(name));
    writeFileSync(at("low1/both"), "1");
    writeFileSync(at("low2/both"), "2");
    writeFileSync(at("low2/deleted"), "2");
    writeFileSync(at("low2/mode"), "2");
    for (const name of ["moved", "again"]) mkdirSync(at(`low2/${name}`));
    try {
      lsetxattr(at("low1"), "trusted.overlay.probe", Buffer.from("y"));
      if (!lgetxattr(at("low1"), "trusted.overlay.probe")) throw new Error("not kept");
    } catch (error) {
      return { ok: false, reason: `${backing} at ${root} does not take trusted.* extended attributes: ${messageOf(error)}` };
    }
    const listing = openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY);
    try {
      if (readDirectory(listing).some((entry) => entry.type !== DT.dir)) return { ok: false, reason: `${backing} at ${root} does not support d_type (xfs: mkfs.xfs -n ftype=1)` };
    } finally { close(listing); }
    const attempt = (options: Mount["options"]): void =>
      mountOne({ type: "overlay", source: "overlay", options: [...options, ["upperdir", at("upper")], ["workdir", at("work")]] }, at("merged"));
    const works = (options: Mount["options"]): boolean => {
      try { attempt(options); return true; } catch { return false; } finally {
        unmountSync(at("merged"));
        rmSync(at("work/work/incompat"), { recursive: true, force: true });
      }
    };
    const two: readonly [string, string] = ["lowerdir", `${at("low1")}:${at("low2")}`];
    attempt([two]);
    try {
      if (readFileSync(at("merged/both"), "utf8") !== "1") return { ok: false, reason: "an overlay shows the wrong layer" };
      rmSync(at("merged/deleted"));
      writeFileSync(at("merged/both"), "3");
    } finally { unmountSync(at("merged")); }
    // Only now is the module loaded for certain. What a kernel does not let go of, it keeps.
    const known = PLAIN.filter(hasParameter).map((name) => [name, "off"] as const);
    const options = works([two, ...known]) ? known : known.filter((option) => works([two, option]));
    attempt([two, ...options]);
    let wrote: Pick<OverlayFeatures, "nativeDiff" | "metacopy">;
    try { wrote = whatChangesLeave(at("merged"), at("upper")); } finally { unmountSync(at("merged")); }
    return {
      ok: true,
      features: {
        backing, options, ...wrote,
        following: FOLLOWING.filter(([name]) => hasParameter(name)),
        manyLowers: works([["lowerdir+", at("low1")], ["lowerdir+", at("low2")]]),
        volatile: works([two, "volatile"]),
      },
    };
  } catch (error) {
    return { ok: false, reason: `overlay mount on ${backing} at ${root} failed: ${messageOf(error)}` };
  } finally {
    unmountSync(at("merged"));
    rmSync(dir, { recursive: true, force: true });
  }
}

const hasParameter = (name: string): boolean => existsSync(`/sys/module/overlay/parameters/${name}`);

/** Changes of the kinds that overlayfs has more than one way to write down, and which way it took. */
function whatChangesLeave(merged: string, upper: string): Pick<OverlayFeatures, "nativeDiff" | "metacopy"> {
  chmodSync(join(merged, "mode"), 0o600);
  const metacopy = lgetxattr(join(upper, "mode"), "trusted.overlay.metacopy") !== undefined;
  rmSync(join(merged, "again"), { recursive: true });
  mkdirSync(join(merged, "again"));
  const opaque = lgetxattr(join(upper, "again"), "trusted.overlay.opaque")?.toString() === "y";
  let redirects = true;
  try { renameSync(join(merged, "moved"), join(merged, "moved2")); }
  catch (error) {
    if (errnoOf(error) !== "EXDEV") throw error;
    redirects = false;
  }
  return { nativeDiff: opaque && !metacopy && !redirects, metacopy };
}
