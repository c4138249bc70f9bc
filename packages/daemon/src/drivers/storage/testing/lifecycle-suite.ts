import { createReadStream, existsSync, mkdirSync, openSync, closeSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { tarOf } from "../../../archive/testing/tar-of.js";
import { DataLoss } from "../../../core/errors.js";
import type { SnapshotId } from "../../../core/ids.js";
import { mountPlan } from "../../../kernel/mount.js";
import { mountsBelow } from "../../../kernel/mount-table.js";
import { inPieces, noise, type Rig } from "./rig.js";

/** Making, failing, crashing, removing. */
export function describeLifecycle(rig: () => Rig): void {
  const layer = tarOf([{ name: "d/" }, { name: "d/f", content: "x" }]);

  describe("life of a snapshot", () => {
    test("list shows what is there", async () => {
      const chain = await rig().chain(layer, layer);
      const writable = await rig().create(chain);
      expect(await rig().list()).toEqual([...writable].sort());
      await rig().driver.remove(writable[0]!);
      expect(await rig().list()).toEqual([...chain].sort());
    });
    test("an id that exists is refused, and what has it is not harmed", async () => {
      const { id } = await rig().apply(layer);
      await expect(rig().apply(layer, [], id)).rejects.toMatchObject({ code: "AlreadyExists" });
      await expect(rig().driver.create(id, [])).rejects.toMatchObject({ code: "AlreadyExists" });
      expect((await rig().tar([id])).equals(layer)).toBe(true);
    });
    test("an id that is no name is refused", async () => {
      for (const id of ["", ".", "..", "a/b", "../x"]) await expect(rig().driver.create(id as SnapshotId, [])).rejects.toMatchObject({ code: "InvalidArgument" });
    });
    test("what is not there: remove is success, the rest NotFound", async () => {
      const id = rig().id();
      await rig().driver.remove(id);
      for (const call of [() => rig().driver.mounts(id, [], "rw"), () => rig().driver.tar(id, []), () => rig().driver.diff(id, [])]) await expect(call()).rejects.toMatchObject({ code: "NotFound" });
      expect(await rig().driver.usage(id, [])).toEqual({ bytes: 0, inodes: 0, size: 0 });
    });
    test("a parent that is not there: an error, and nothing stays", async () => {
      await expect(rig().driver.create(rig().id(), [rig().id()])).rejects.toThrow();
      await expect(rig().apply(layer, [rig().id()])).rejects.toThrow();
      expect(await rig().list()).toEqual([]);
    });
    test("removed twice at the same time", async () => {
      const [id] = await rig().create(await rig().chain(layer));
      await Promise.all([rig().driver.remove(id!), rig().driver.remove(id!)]);
      expect(await rig().list()).not.toContain(id);
    });
    test("removed while mounted and in use", async () => {
      const chain = await rig().create(await rig().chain(layer));
      const plan = await rig().driver.mounts(chain[0]!, chain.slice(1), "rw");
      await mountPlan(plan);
      const tree = plan.tree ?? plan.target;
      writeFileSync(join(tree, "open"), "still here");
      const fd = openSync(join(tree, "open"), "r");
      try {
        await rig().driver.remove(chain[0]!);
        expect(await rig().list()).not.toContain(chain[0]);
        expect(existsSync(tree)).toBe(false);
        expect(mountsBelow(rig().dataRoot).filter(({ target }) => target.includes(chain[0]!))).toEqual([]);
        if (plan.mounts.length > 0 && rig().subject.losesOpenFiles !== true) expect(readFileSync(fd, "utf8")).toBe("still here");
      } finally { closeSync(fd); }
    });
    test("half-made ones after a crash are listed, and removed without a trace", async () => {
      for (const crash of rig().subject.crashes) {
        const id = rig().id();
        crash(id);
        expect(await rig().list()).toEqual([id]);
        await rig().driver.remove(id);
        expect(await rig().list()).toEqual([]);
      }
    });
    test("a large tree goes, whatever is in it", async () => {
      const chain = await rig().create(await rig().chain(layer));
      await rig().view(chain, (root) => {
        let dir = root;
        for (let i = 0; i < 15; i++) { dir = join(dir, "d".repeat(200)); writeFileSync(`${dir}-file`, ""); mkdirSync(dir, { mode: 0 }); }
      }, "rw");
      await rig().driver.remove(chain[0]!);
    });
  });

  describe("a layer whose parents are still being made", () => {
    const promised = (): { parents: Promise<readonly SnapshotId[]>; come: (parents: readonly SnapshotId[]) => void; fail: (error: Error) => void } => {
      let come!: (parents: readonly SnapshotId[]) => void, fail!: (error: Error) => void;
      const parents = new Promise<readonly SnapshotId[]>((resolve, reject) => { [come, fail] = [resolve, reject]; });
      return { parents, come, fail };
    };
    test("is as if they had been there", async () => {
      const { parents, come } = promised(), id = rig().id();
      const applied = rig().driver.apply(id, parents, inPieces(tarOf([{ name: "d/e/f", content: "new" }, { name: "d/.wh.old" }, { name: ".wh.gone" }])));
      const chain = await rig().chain([{ name: "./", mode: 0o1711, uid: 7 }, { name: "d/", mode: 0o700, uid: 5 }, { name: "d/old" }, { name: "gone" }, { name: "stays" }]);
      come(chain);
      await applied;
      await rig().view([id, ...chain], (root) => {
        expect([readdirSync(root).sort(), readdirSync(join(root, "d"))]).toEqual([["d", "stays"], ["e"]]);
        expect(statSync(root)).toMatchObject({ mode: 0o041711, uid: 7 });
        expect(statSync(join(root, "d"))).toMatchObject({ mode: 0o040700, uid: 5 });
      });
    });
    test("is not made when they are not, and leaves nothing", async () => {
      const { parents, fail } = promised(), source = inPieces(layer);
      const applied = rig().driver.apply(rig().id(), parents, source);
      fail(new DataLoss("no parents"));
      await expect(applied).rejects.toMatchObject({ code: "DataLoss", message: "no parents" });
      expect(source.destroyed).toBe(true);
      expect(await rig().list()).toEqual([]);
    });
    test("that is no tar is refused, whether they come or not", async () => {
      const { parents, come } = promised();
      const applied = expect(rig().driver.apply(rig().id(), parents, inPieces(noise(1_000_000)))).rejects.toMatchObject({ code: "InvalidArgument" });
      await new Promise((later) => setTimeout(later, 20));
      come([]);
      await applied;
      expect(await rig().list()).toEqual([]);
    });
  });

  describe("an apply that fails leaves nothing", () => {
    const failing: Record<string, () => Readable> = {
      "truncated": () => inPieces(tarOf([{ name: "f", content: noise(3_000_000) }]).subarray(0, 2_000_000)),
      "no tar at all": () => inPieces(noise(1_000_000)),
      "bad in the middle": () => inPieces(Buffer.concat([tarOf([{ name: "f", content: noise(2_000_000) }]).subarray(0, -1024), noise(512)])),
    };
    test.each(Object.keys(failing))("%s", async (name) => {
      const source = failing[name]!();
      await expect(rig().driver.apply(rig().id(), [], source)).rejects.toMatchObject({ code: "InvalidArgument" });
      expect(source.destroyed).toBe(true);
      expect(await rig().list()).toEqual([]);
    });
    test("its source fails: that error", async () => {
      const source = Readable.from((async function* () { yield layer.subarray(0, 700); throw new DataLoss("wrong digest"); })(), { objectMode: false });
      await expect(rig().driver.apply(rig().id(), [], source)).rejects.toMatchObject({ code: "DataLoss", message: "wrong digest" });
      expect(await rig().list()).toEqual([]);
    });
    test("its source is destroyed", async () => {
      const source = createReadStream("/dev/zero");
      const applying = rig().driver.apply(rig().id(), [], source);
      setTimeout(() => source.destroy(), 50);
      await expect(applying).rejects.toThrow();
      expect(await rig().list()).toEqual([]);
    });
    test("while others go on", async () => {
      const good = Array.from({ length: 4 }, () => rig().apply([{ name: "f", content: noise(1_000_000) }]));
      await expect(rig().apply(noise(5000))).rejects.toMatchObject({ code: "InvalidArgument" });
      expect(await rig().list()).toEqual((await Promise.all(good)).map(({ id }) => id).sort());
    });
  });
}
