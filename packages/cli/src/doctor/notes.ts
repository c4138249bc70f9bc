import { humanSize } from "../format/units.js";
import type { RootReader } from "./files.js";
import type { Sizes } from "./measure.js";

const SNAPSHOTTERS = "containerd/daemon";

/** What an examination of images and layers does not see, and what kept it from seeing. */
export function notesOf(reader: RootReader, sizes: Sizes): string[] {
  const notes: string[] = [];
  const names = reader.names("");
  const snapshotters = reader.names(SNAPSHOTTERS).filter((name) => /^io\.containerd\.snapshotter\.v1\./.test(name) && reader.names(`${SNAPSHOTTERS}/${name}/snapshots`).length > 0);
  const mounted = reader.names("rootfs");
  if (snapshotters.length > 0 || mounted.length > 0) {
    const which = [...new Set([...snapshotters.map((name) => name.replace("io.containerd.snapshotter.v1.", "")), ...mounted])].join(", ");
    notes.push(`images are kept by containerd (snapshotter ${which}), ${snapshotters.length > 0 ? `in ${SNAPSHOTTERS}` : "in a root of its own, by default /var/lib/containerd"}: they are not examined`);
  }
  for (const name of names.filter((one) => /^\d+\.\d+$/.test(one))) notes.push(`${name} is the root of a daemon with --userns-remap: examine it by itself`);
  const temporary = sizes.bytes("tmp");
  if (temporary > 1 << 20) notes.push(`tmp/ holds ${humanSize(temporary)} of what was under way; Docker empties it at its next start`);
  if (names.includes("graph")) notes.push("graph/ holds images of Docker before 1.10: they are not examined");
  for (const name of names.filter((one) => ["devicemapper", "zfs"].includes(one) && !reader.names("image").includes(one))) notes.push(`${name}/ is there without images of that driver`);
  if (sizes.mounts.length > 0) notes.push(`what is mounted in the root does not count: ${sizes.mounts.slice(0, 5).join(", ")}${sizes.mounts.length > 5 ? ` and ${sizes.mounts.length - 5} more` : ""}`);
  if (sizes.unreadable > 0) notes.push(`${sizes.unreadable} files and directories could not be looked at: sizes are too small`);
  for (const path of reader.unreadable) notes.push(`${path} could not be read`);
  return notes;
}
