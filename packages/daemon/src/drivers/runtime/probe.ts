import { lstatSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newId } from "../../core/index.js";
import { run } from "../../kernel/spawn.js";

/** Runs `true` with the host's programs in a container, and removes it. Rejects with the runtime's words when that does not work: being installed is not enough. */
export async function probeRuntime(runtime: string): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "strata-probe-"));
  const id = `strata-probe-${newId<string>().slice(0, 12)}`;
  const args = ["--root", join(root, "state")];
  try {
    const rootfs = join(root, "rootfs");
    mkdirSync(rootfs);
    const binds = ["/usr", "/bin", "/lib", "/lib64", "/nix"].filter((path) => borrow(path, rootfs));
    mkdirSync(join(rootfs, "proc"));
    mkdirSync(join(rootfs, "dev"));
    writeFileSync(join(root, "config.json"), JSON.stringify(probeSpec(rootfs, binds, id)));
    await run(runtime, [...args, "run", "--bundle", root, id], { timeoutMs: 10_000 });
  } finally {
    await run(runtime, [...args, "delete", "--force", id]).catch(() => undefined);
    rmSync(root, { recursive: true, force: true });
  }
}

/** Makes a link of the host's in the tree, or a mount point for its directory; false when nothing is to be mounted. */
function borrow(path: string, rootfs: string): boolean {
  const facts = lstatSync(path, { throwIfNoEntry: false });
  if (facts?.isSymbolicLink()) symlinkSync(readlinkSync(path), join(rootfs, path));
  if (!facts?.isDirectory()) return false;
  mkdirSync(join(rootfs, path));
  return true;
}

function probeSpec(rootfs: string, binds: readonly string[], id: string): object {
  return {
    ociVersion: "1.0.2",
    process: { terminal: false, user: { uid: 0, gid: 0 }, args: ["true"], cwd: "/", env: ["PATH=/usr/bin:/bin"], capabilities: {} },
    root: { path: rootfs, readonly: true },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=64k"] },
      ...binds.map((path) => ({ destination: path, type: "bind", source: path, options: ["rbind", "ro"] })),
    ],
    linux: {
      cgroupsPath: `/${id}`,
      resources: { devices: [{ allow: false, access: "rwm" }] },
      namespaces: [{ type: "pid" }, { type: "ipc" }, { type: "uts" }, { type: "mount" }, { type: "network" }],
    },
  };
}
