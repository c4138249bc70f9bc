import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Unavailable } from "../../core/errors.js";
import type { SnapshotId } from "../../core/ids.js";
import { KernelMounter } from "../../kernel/mounter.js";
import { AbsentDriver } from "./absent.js";

const box = "box" as SnapshotId;
const why = "the storage driver aufs, on which this lies, does not work here: no fuse-overlayfs";
let root: string;
beforeEach(() => { root = mkdtempSync(join(tmpdir(), "strata-absent-")); });
afterEach(() => rmSync(root, { recursive: true }));

test("all that needs the driver says why it cannot be; nothing is listed, so nothing is swept", async () => {
  const driver = new AbsentDriver("aufs", root, "no fuse-overlayfs");
  const tar = Readable.from([Buffer.alloc(9)]);
  for (const attempt of [
    () => driver.create(), () => driver.mounts(box), () => driver.apply(box, [], tar), () => driver.tar(), () => driver.diff(), () => driver.usage(), () => driver.remove(),
    async () => { for await (const _ of driver.changes()); },
  ]) await expect(attempt()).rejects.toEqual(new Unavailable(why));
  expect(tar.destroyed).toBe(true);
  mkdirSync(join(root, "diff", "box"), { recursive: true });
  for await (const id of driver.list()) throw new Error(`${id} is listed`);
  expect(driver.describe()).toEqual({});
  await driver.unmounted();
});

const asRoot = process.getuid?.() === 0 ? test : test.skip;
asRoot(`a mount that is there is found, to be taken over${process.getuid?.() === 0 ? "" : " (skipped: needs root)"}`, async () => {
  const mounter = new KernelMounter(), target = join(root, "mnt", "box");
  for (const name of ["box", "box-init"]) mkdirSync(join(root, "mnt", name), { recursive: true });
  await mounter.mount({ target, mounts: [{ type: "tmpfs", source: "tmpfs", options: [["size", "64k"]] }] });
  try {
    expect(await new AbsentDriver("aufs", root, "no fuse-overlayfs").mounts(box)).toMatchObject({ target, mounts: [{}] });
    expect(await new AbsentDriver("devicemapper", root, "no dmsetup").mounts(box)).toMatchObject({ target, tree: join(target, "rootfs") });
    await expect(new AbsentDriver("aufs", root, "no fuse-overlayfs").mounts("box-init" as SnapshotId)).rejects.toThrow(why);
  } finally {
    await mounter.unmount(target);
  }
});
