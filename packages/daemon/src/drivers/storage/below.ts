import type { SnapshotId } from "../../core/ids.js";
import type { Parents, LayerSource } from "../../core/storage.js";

/** The parents of a layer, for drivers that can do nothing without them. Where they do not come to be, nobody reads the tar. */
export async function parentsOf(below: Parents, tar: LayerSource): Promise<readonly SnapshotId[]> {
  try { return await below; } catch (error) { tar.destroy(); throw error; }
}
