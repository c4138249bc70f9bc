import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Unavailable } from "../../../core/errors.js";
import type { OpenedDriver } from "../../../core/storage.js";
import { mountOf } from "../../../kernel/mount-table.js";
import { backingName } from "../overlay/probe.js";
import type { DriverSetup } from "../setup.js";
import { probeFuseOverlayfs } from "./fuse.js";
import { probeKernelAufs } from "./kernel-aufs.js";
import { AufsLayout, LinkedLayout } from "./layout.js";
import { UnionDriver } from "./union.js";

/** Layers stacked by fuse-overlayfs: for kernels without overlayfs, and data roots that it refuses (overlayfs itself, NFS). Unavailable says why it does not work. */
export async function openFuseOverlayfs(setup: DriverSetup): Promise<OpenedDriver> {
  checkRoot("fuse-overlayfs", setup.root);
  const union = await probeFuseOverlayfs(setup.root);
  return new UnionDriver("fuse-overlayfs", setup, new LinkedLayout(setup.root), union, async () => []);
}

/** Docker's first driver: by the kernel's AUFS where there is one, else by fuse-overlayfs. Unavailable says why it does not work. */
export async function openAufs(setup: DriverSetup): Promise<OpenedDriver> {
  checkRoot("aufs", setup.root);
  mkdirSync(setup.root, { recursive: true, mode: 0o700 });
  const kernel = await probeKernelAufs(setup.root);
  const union = kernel ?? await probeFuseOverlayfs(setup.root);
  return new UnionDriver("aufs", setup, new AufsLayout(setup.root), union, async () => [
    ["Root Dir", setup.root], ["Backing Filesystem", backingName(mountOf(setup.root)?.type ?? "unknown")],
    ["Dirs", String(readdirSync(join(setup.root, "layers")).length)], ["Dirperm1 Supported", String(kernel?.dirperm1 ?? true)],
  ]);
}

/** Options are cut at these. */
function checkRoot(driver: string, root: string): void {
  if (/[,:\\]/.test(root)) throw new Unavailable(`${driver}: the data root must not contain a comma, colon or backslash: ${root}`);
}
