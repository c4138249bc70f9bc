import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { silentLogger } from "../../core/logger.js";
import { storageConformance } from "./conformance.js";
import { vfsDriver } from "./vfs.js";

storageConformance("vfs", (dataRoot, workers) => {
  const root = join(dataRoot, "vfs");
  for (const folder of ["dir", "split"]) mkdirSync(join(root, folder), { recursive: true });
  return {
    driver: vfsDriver({ root, trash: join(dataRoot, "trash"), workers, options: new Map(), report: () => undefined, logger: silentLogger }),
    tree: (id) => join(root, "dir", id),
    crashes: [
      (id) => mkdirSync(join(root, "dir", id)),
      (id) => writeFileSync(join(root, "split", `${id}.gz`), ""),
      (id) => { mkdirSync(join(root, "dir", id, "d"), { recursive: true }); mkdirSync(join(root, "split", `${id}.gz.kept`)); writeFileSync(join(root, "split", `${id}.gz.next`), ""); },
    ],
  };
});
