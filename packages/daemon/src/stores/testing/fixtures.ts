import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DiffId, type ImageId, chainIdsOf, digestOf } from "@strata/oci";
import { type Clock, type Container, type ContainerId, DataRoot, InvalidArgument, type Mounter, type MountPlan, newId, type VolumeLimits } from "../../core/index.js";
import type { Ledger } from "../../db/ledger.js";

/** A data root of its own under the system's temporary directory. */
export function temporaryRoot(): { root: DataRoot; readonly remove: () => void } {
  const path = mkdtempSync(join(realpathSync(tmpdir()), "strata-stores-"));
  return { root: new DataRoot(path), remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A clock that moves when told to. */
export class TestClock implements Clock {
  constructor(public time = Date.parse("2026-01-01T00:00:00Z")) {}
  now(): number { return this.time; }
}

/** Remembers what would be mounted. */
export class FakeMounter implements Mounter {
  readonly mounted = new Map<string, MountPlan>();
  readonly log: string[] = [];
  failing = false;

  async mount(plan: MountPlan): Promise<void> {
    await Promise.resolve();
    if (this.failing) throw new Error("mount refused");
    this.log.push(`mount ${plan.target}`);
    this.mounted.set(plan.target, plan);
  }
  async visit<T>(plan: MountPlan, work: (tree: string) => T): Promise<T> {
    this.log.push(`visit ${plan.target}`);
    return work(plan.target);
  }
  async unmount(target: string): Promise<void> {
    await Promise.resolve();
    this.log.push(`unmount ${target}`);
    this.mounted.delete(target);
  }
  holding(): { target: string; shared: boolean; slave: boolean } { return { target: "/", shared: false, slave: false }; }
  async under(dir: string): Promise<readonly string[]> {
    return [...this.mounted.keys()].filter((t) => t === dir || t.startsWith(`${dir}/`)).sort().reverse();
  }
}

/** Rows of layers without anything on disk, for tests of images alone. */
export function layerRows(ledger: Ledger, contents: readonly string[], size = 10): DiffId[] {
  const diffIds = contents.map((c) => digestOf<DiffId>(c));
  const chain = chainIdsOf(diffIds);
  for (const [i, chainId] of chain.entries()) {
    ledger.sql<[string, string, string | null, number]>("INSERT INTO layer (chain_id, diff_id, parent, size, tar_size, created_at, last_used_at) VALUES (?, ?, ?, ?, 0, 0, 0) ON CONFLICT DO NOTHING")
      .run(chainId, diffIds[i]!, chain[i - 1] ?? null, size);
  }
  return diffIds;
}

export function imageConfig(diffIds: readonly DiffId[], more: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", created: "2025-06-01T10:00:00.123456789Z", rootfs: { type: "layers", diff_ids: diffIds }, ...more }));
}

export function container(imageId: ImageId, name: string, more: Partial<Container> = {}): Container {
  return {
    id: newId<ContainerId>(), name, imageId, imageName: "base:1", createdAt: 1000.5, path: "/bin/sh", args: ["-c", "true"], config: { Cmd: ["/bin/sh", "-c", "true"] }, hostConfig: {}, networks: {}, mounts: [],
    driver: "fake", state: { status: "created", pid: 0, exitCode: 0, error: "", oomKilled: false, restartCount: 0 }, ...more,
  };
}

/** For stores whose volumes have no sizes. */
export const noLimits: VolumeLimits = { apply: () => Promise.reject(new InvalidArgument("size: not here")), release: async () => undefined };
