import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../../core/errors.js";
import type { Mount } from "../../../core/storage.js";
import { mountOne, unmountSync } from "../../../kernel/mount.js";
import { mountOf } from "../../../kernel/mount-table.js";
import { DT, readDirectory } from "../../../kernel/directory.js";
import { AT_FDCWD, close, lgetxattr, lsetxattr, O_DIRECTORY, O_RDONLY, openat } from "../../../kernel/libc.js";

/** What a real mount proved about overlayfs on one root. */
export interface Overlay2Features {
  /** File system that holds the root, as /proc/self/mountinfo names it. */
  readonly backing: string;
  /** Options of overlayfs that this kernel has. */
  readonly options: readonly (readonly [string, string])[];
  /** One fsconfig(2) call a lower directory (Linux 6.5). */
  readonly manyLowers: boolean;
  /** Kernel can leave out syncing for throw-away containers (Linux 5.10). */
  readonly volatile: boolean;
}
export type Overlay2Probe = { readonly ok: true; readonly features: Overlay2Features } | { readonly ok: false; readonly reason: string };

/** Options that keep the upper directory a plain list of changes, which diff relies on. */
const PLAIN = ["index", "metacopy", "redirect_dir"];

/** Mounts a tiny overlay below `root` (made if missing) and looks whether it does what the driver needs. */
export function probeOverlay2(root: string): Overlay2Probe {
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
    // Only now is the module loaded for certain.
    const options = PLAIN.filter((name) => existsSync(`/sys/module/overlay/parameters/${name}`)).map((name) => [name, "off"] as const);
    if (!works([two, ...options])) return { ok: false, reason: `overlayfs refuses ${options.map((option) => option.join("=")).join(",")}` };
    return {
      ok: true,
      features: {
        backing, options,
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
