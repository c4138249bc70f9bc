import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WorkerPool } from "../../../archive/workers/pool.js";
import { silentLogger } from "../../../core/logger.js";
import { mountLayer } from "../../../kernel/layer-mount.js";
import { storageConformance, type Subject } from "../conformance.js";
import { probeOverlay } from "../overlay/probe.js";
import { ErofsDriver } from "./erofs.js";
import type { LayerMode } from "./layer-view.js";
import { probeErofs } from "./probe.js";

void mountLayer;
const overlay = ((): ReturnType<typeof probeOverlay> => {
  if (process.getuid?.() !== 0) return { ok: false, reason: "needs root" };
  const dir = mkdtempSync(join(tmpdir(), "strata-probe-"));
  try { return probeOverlay(join(dir, "erofs")); } finally { rmSync(dir, { recursive: true }); }
})();
void probeErofs;

const subject = (mode: LayerMode, graceMs = 50) => (dataRoot: string, workers: WorkerPool): Subject => {
  const root = join(dataRoot, "erofs");
  if (!overlay.ok) throw new Error(overlay.reason);
  return {
    driver: new ErofsDriver({ root, trash: join(dataRoot, "trash"), options: new Map(), report: () => undefined, workers, logger: silentLogger }, { overlay: overlay.features, quota: { ok: false, reason: "not asked" }, mode, graceMs }),
    tree: (id) => join(root, id),
    crashes: [
      (id) => mkdirSync(join(root, id)),
      (id) => mkdirSync(join(root, id, "diff"), { recursive: true }),
      (id) => { mkdirSync(join(root, id, "diff"), { recursive: true }); writeFileSync(join(root, id, "layer.tar"), "half"); },
    ],
  };
};

for (const mode of ["file", "loop", "extract"] as const) storageConformance(`erofs (${mode})`, subject(mode), () => (overlay.ok ? undefined : overlay.reason));
