import { mkdir, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { InvalidArgument, type TreeUsage, type Change, type MountMode, type MountPlan, type Parents, type SnapshotId, type SnapshotOptions, type AuditedDriver } from "../../core/index.js";

export type Step = "apply" | "create" | "remove" | "removed";

/** One directory a snapshot: `layer.tar` as it was applied, `parents`, and `tree` where it would be mounted. */
export class FakeDriver implements AuditedDriver {
  /** Called in the middle of a step: may throw, or never return (as if the daemon had died there). */
  interrupt: (step: Step, id: SnapshotId) => Promise<void> | void = () => undefined;
  /** Stop reading a tar here. */
  stopAfter = Infinity;
  readonly calls: string[] = [];

  constructor(readonly root: string, readonly name = "fake", private readonly mounted = false) {}

  path(id: SnapshotId, ...rest: string[]): string { return join(this.root, id, ...rest); }

  async create(id: SnapshotId, parents: readonly SnapshotId[], { size }: SnapshotOptions = {}): Promise<void> {
    if (size !== undefined) throw new InvalidArgument("no limits here");
    this.calls.push(`create ${id}`);
    for (const parent of parents) await stat(this.path(parent));
    await mkdir(this.path(id), { recursive: true });
    await this.interrupt("create", id);
    await mkdir(this.path(id, "tree"));
    await writeFile(this.path(id, "parents"), parents.join("\n"));
  }

  async mounts(id: SnapshotId, parents: readonly SnapshotId[], mode: MountMode): Promise<MountPlan> {
    await stat(this.path(id));
    return { target: this.path(id, "tree"), mounts: this.mounted ? [{ type: "fake", source: id, options: [mode, ["below", parents.join(":")]] }] : [] };
  }

  async unmounted(id: SnapshotId): Promise<void> { this.calls.push(`unmounted ${id}`); }

  async apply(id: SnapshotId, below: Parents, tar: Readable): Promise<TreeUsage> {
    for (const parent of await below) await stat(this.path(parent));
    await mkdir(this.path(id), { recursive: true });
    await this.interrupt("apply", id);
    let bytes = 0;
    if (this.stopAfter === Infinity) {
      const chunks: Buffer[] = [];
      for await (const chunk of tar) chunks.push(chunk as Buffer);
      await writeFile(this.path(id, "layer.tar"), chunks);
      bytes = (await stat(this.path(id, "layer.tar"))).size;
    } else {
      const chunk: Buffer = await new Promise((resolve) => tar.once("readable", () => resolve(tar.read() as Buffer)));
      await writeFile(this.path(id, "layer.tar"), chunk.subarray(0, this.stopAfter));
      bytes = this.stopAfter;
    }
    return { bytes: bytes + 100, inodes: 2, size: bytes };
  }

  async tar(id: SnapshotId): Promise<Readable> { return Readable.from([await readFile(this.path(id, "layer.tar"))], { objectMode: false }); }
  /** There is nothing to compare. */
  audit: AuditedDriver["audit"] = async () => undefined;
  async *changes(id: SnapshotId): AsyncIterable<Change> { for (const name of await readdir(this.path(id, "tree"))) yield { path: `/${name}`, kind: 1 }; }
  async diff(id: SnapshotId): Promise<Readable> { return Readable.from([Buffer.from((await readdir(this.path(id, "tree"))).join())], { objectMode: false }); }
  async usage(id: SnapshotId): Promise<TreeUsage> { return { bytes: 100, inodes: (await readdir(this.path(id))).length, size: 7 }; }
  async remove(id: SnapshotId): Promise<void> {
    this.calls.push(`remove ${id}`);
    await this.interrupt("remove", id);
    await rm(this.path(id), { recursive: true, force: true });
    await this.interrupt("removed", id);
  }
  async *list(): AsyncIterable<SnapshotId> { for (const name of await readdir(this.root).catch(() => [])) yield name as SnapshotId; }
  describe(id: SnapshotId, parents: readonly SnapshotId[]): Readonly<Record<string, string>> { return { Dir: this.path(id), Parents: parents.join(":") }; }
}

/** A stream of these chunks. */
export const stream = (...chunks: (string | Buffer)[]): Readable => Readable.from(chunks.map((c) => Buffer.from(c)), { objectMode: false });
export const never = (): Promise<never> => new Promise(() => undefined);
