import { existsSync, mkdirSync, mkdtempSync, rmSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { WorkerPool } from "../../../archive/workers/pool.js";
import { InvalidArgument } from "../../../core/errors.js";
import { parseSize } from "../../../core/sizes.js";
import type { Change, Mount, StorageOptions } from "../../../core/storage.js";
import { mountOne, unmountAll } from "../../../kernel/mount.js";
import { isMountPoint, mountsBelow } from "../../../kernel/mount-table.js";
import type { ProjectQuotaProbe } from "../../../kernel/project-quota.js";
import type { OverlayFeatures } from "./probe.js";

/** Where a container's own part of an overlay lies, all in one directory of its own. */
export interface WritablePaths {
  /** Takes what changes; the driver makes it, with the owner and mode of the root below. */
  readonly upper: string;
  /** overlayfs's scratch. */
  readonly work: string;
  /** Where the whole is mounted. */
  readonly merged: string;
  /** Where the whole is mounted for a while to be looked at; absent otherwise. */
  readonly compare: string;
}

/** What lies below: the layers' trees, nearest first, and the same as options of a mount (`lowerdir`, or `lowerdir+` each), under `top` where given. */
export interface Below {
  readonly trees: readonly string[];
  readonly options: (top?: string) => Mount["options"];
  /** The nearest of the trees is itself an upper directory, of which this one began as a copy. */
  readonly copied?: boolean;
}

/** The writable part of every driver that stacks its layers by overlayfs, however these lie on disk. */
export class OverlayWritables {
  /** `driver`: its name, for messages. */
  constructor(private readonly driver: string, private readonly features: OverlayFeatures, private readonly quota: ProjectQuotaProbe, private readonly workers: WorkerPool) {}

  /** Makes what the upper directory, which is there and empty, lacks. InvalidArgument for a limit that cannot be had here. */
  make({ upper, work, merged }: WritablePaths, size: number | undefined): void {
    mkdirSync(work, { mode: 0o700 });
    mkdirSync(merged, { mode: 0o700 });
    if (size === undefined) return;
    if (!this.quota.ok) throw new InvalidArgument(this.cannotLimit(this.quota.reason));
    this.quota.quotas.limit([upper, work], size);
  }

  /** Why there are no limits; undefined where there are. */
  private get unlimited(): string | undefined { return this.quota.ok ? undefined : this.cannotLimit(this.quota.reason); }

  /** The limit that a storage option gives to every container that asks for none itself. InvalidArgument for one that is none, or cannot be had here. */
  sizeOf(options: StorageOptions, name: string): number | undefined {
    const text = options.get(name);
    if (text === undefined) return undefined;
    if (this.unlimited !== undefined) throw new InvalidArgument(`storage-opt ${name}: ${this.unlimited}`);
    return parseSize(`storage-opt ${name}`, text);
  }

  /** The overlay for writing. */
  mount({ upper, work }: WritablePaths, below: Below, volatile: boolean): Mount {
    // What a volatile mount leaves behind forbids the next mount; the upper directory is taken as it is.
    rmSync(join(work, "work", "incompat"), { recursive: true, force: true });
    return {
      type: "overlay", source: "overlay",
      options: [...below.options(), ["upperdir", upper], ["workdir", work], ...this.features.options, ...(volatile && this.features.volatile ? ["volatile"] : [])],
    };
  }

  async changes(paths: WritablePaths, below: Below): Promise<Change[]> {
    const lowers = below.trees;
    if (await this.isPlain(paths, below.copied === true)) return this.workers.run("changes", { root: paths.upper, kind: below.copied === true ? "copied" : "upper", lowers });
    return this.whole(paths, below, (root) => this.workers.run("changes", { root, kind: "plain", lowers }));
  }

  async diff(paths: WritablePaths, below: Below): Promise<Readable> {
    const [lower] = below.trees;
    // The root is told only when it was changed: Docker never tells it.
    const withRoot = lower !== undefined && rootAttributes(paths.upper) !== rootAttributes(lower);
    const plain = await this.isPlain(paths, true);
    if (plain && below.copied === true) return this.workers.produce("changesTar", { root: paths.upper, kind: "copied", lowers: below.trees });
    if (plain) return this.workers.produce("treeTar", { root: paths.upper, kind: "upper", sparse: true, withRoot });
    return new Promise((resolve, reject) => {
      this.whole(paths, below, async (root) => {
        const stream = this.workers.produce("changesTar", { root, kind: "plain", lowers: below.trees });
        resolve(stream);
        await new Promise((over) => stream.once("close", over));
      }).catch(reject);
    });
  }

  /** Before the directory goes: nothing is mounted in it any more, its limit is free for others. Absent is success. */
  async release({ upper, merged, compare }: WritablePaths): Promise<void> {
    await unmountAll(merged);
    if (existsSync(compare)) for (const { target } of mountsBelow(compare).reverse()) await unmountAll(target);
    if (this.quota.ok) this.quota.quotas.release(upper);
  }

  private cannotLimit(reason: string): string {
    return `the storage driver ${this.driver} cannot limit the size of a container here: ${reason}`;
  }

  /** An upper directory in which another engine, or a kernel that insists, wrote renamed directories and files without content means nothing alone. */
  private async isPlain({ upper }: WritablePaths, files: boolean): Promise<boolean> {
    return this.features.nativeDiff && await this.workers.run("referring", { path: upper, files }) === undefined;
  }

  /** Has the whole in sight, as the kernel puts it together, while `use` runs. */
  private async whole<T>({ upper, merged, compare }: WritablePaths, below: Below, use: (root: string) => Promise<T>): Promise<T> {
    if (below.trees.length === 0) return use(upper);
    if (isMountPoint(merged)) return use(merged);
    mkdirSync(compare, { recursive: true, mode: 0o700 });
    const target = mkdtempSync(join(compare, "whole-"));
    try {
      mountOne({ type: "overlay", source: "overlay", options: ["ro", ...below.options(upper), ...this.features.following] }, target);
      return await use(target);
    } finally {
      await unmountAll(target);
      rmdirSync(target);
      try { rmdirSync(compare); } catch { /* others look, too */ }
    }
  }
}

function rootAttributes(directory: string): string {
  const { uid, gid, mode } = statSync(directory);
  return `${uid}:${gid}:${mode}`;
}
