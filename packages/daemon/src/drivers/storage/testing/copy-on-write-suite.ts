import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { TarParser } from "../../../archive/tar-parser.js";
import type { Member } from "../../../archive/testing/tar-of.js";
import { treeOf } from "../../../archive/testing/tree-of.js";
import { errnoOf } from "../../../core/errors.js";
import type { SnapshotId } from "../../../core/ids.js";
import { run } from "../../../kernel/spawn.js";
import { noise, type Rig } from "./rig.js";

const LARGE = noise(1_000_003);
const image: Member[][] = [
  [
    { name: "large", content: LARGE }, { name: "both", content: "lowest" }, { name: "d/" }, { name: "d/a", content: "a" }, { name: "d/b", content: "b" },
    { name: "d/sub/" }, { name: "d/sub/c", content: "c" }, { name: "elsewhere/" },
  ],
  [{ name: "both", content: "image" }, { name: "upper-layer", content: "u" }, { name: "d/" }, { name: "d/b", content: "newer b" }],
];

/** A container on two layers, after `work` was done in it. */
async function container(rig: Rig, work: (root: string) => void | Promise<void>): Promise<SnapshotId[]> {
  const chain = await rig.create(await rig.chain(...image));
  await rig.view(chain, work, "rw");
  return chain;
}
/** Writes in the middle of a file, as a program does that opened it for that. */
function poke(file: string, offset: number, text: string): void {
  const fd = openSync(file, "r+");
  try { writeSync(fd, text, offset); } finally { closeSync(fd); }
}
function poked(...marks: readonly (readonly [offset: number, text: string])[]): Buffer {
  const bytes = Buffer.from(LARGE);
  for (const [offset, text] of marks) bytes.write(text, offset);
  return bytes;
}
function membersOf(tar: Buffer): Map<string, number> {
  const found = new Map<string, number>();
  const parser = new TarParser({ entry: ({ name, size }) => { found.set(name.replace(/\/$/, ""), size); }, data: () => undefined, end: () => undefined, raw: () => undefined });
  parser.write(tar);
  parser.close();
  return found;
}

/** The textbook's cases of copy-on-write, by what is seen and what diff tells: the same for every driver. */
export function describeCopyOnWrite(rig: () => Rig): void {
  /** The layers below show what they showed. */
  const imageIsUnchanged = (chain: readonly SnapshotId[]): Promise<void> => rig().view(chain.slice(1), (root) => {
    expect(readFileSync(join(root, "large")).equals(LARGE)).toBe(true);
    expect(Object.fromEntries(["both", "d/a", "d/b", "d/sub/c"].map((path) => [path, readFileSync(join(root, path), "utf8")]))).toEqual({ both: "image", "d/a": "a", "d/b": "newer b", "d/sub/c": "c" });
  });
  /** The diff, applied on the same layers, shows what the container shows. */
  const diffIsFaithful = async (chain: readonly SnapshotId[]): Promise<void> => {
    const copy = await rig().apply(await rig().diff(chain), chain.slice(1));
    expect(await rig().view([copy.id, ...chain.slice(1)], treeOf)).toEqual(await rig().view(chain, treeOf, "rw"));
  };

  describe("copy-on-write", () => {
    test("read: a file that is in the container's layer only", async () => {
      const chain = await container(rig(), (root) => writeFileSync(join(root, "own"), "container"));
      await rig().view(chain, (root) => expect(readFileSync(join(root, "own"), "utf8")).toBe("container"), "rw");
      await rig().view(chain.slice(1), (root) => expect(existsSync(join(root, "own"))).toBe(false));
    });
    test("read: a file that is in an image layer only, and reading changes nothing", async () => {
      const chain = await container(rig(), (root) => {
        expect(readFileSync(join(root, "upper-layer"), "utf8")).toBe("u");
        expect(readFileSync(join(root, "d/a"), "utf8")).toBe("a");
        expect(readFileSync(join(root, "large")).equals(LARGE)).toBe(true);
      });
      expect(await rig().changes(chain)).toEqual([]);
    });
    test("read: a file that is in both: the upper one hides the lower one", async () => {
      const chain = await container(rig(), (root) => {
        expect(readFileSync(join(root, "both"), "utf8")).toBe("image");
        writeFileSync(join(root, "both"), "container");
      });
      await rig().view(chain, (root) => expect(readFileSync(join(root, "both"), "utf8")).toBe("container"), "rw");
      await imageIsUnchanged(chain);
    });

    test("write: the first write copies the whole file, the image keeps its own", async () => {
      const chain = await container(rig(), (root) => poke(join(root, "large"), 500_000, "first"));
      await rig().view(chain, (root) => expect(readFileSync(join(root, "large")).equals(poked([500_000, "first"]))).toBe(true), "rw");
      expect(await rig().changes(chain)).toEqual(["C /large"]);
      expect(membersOf(await rig().diff(chain))).toEqual(new Map([["large", LARGE.length]]));
      expect((await rig().driver.usage(chain[0]!, chain.slice(1))).size).toBe(LARGE.length);
      await imageIsUnchanged(chain);
    });
    test("write: a second write goes into the copy", async () => {
      const chain = await container(rig(), (root) => {
        const file = join(root, "large");
        poke(file, 0, "first");
        const { ino } = statSync(file);
        poke(file, 1_000_000, "2nd");
        expect(statSync(file).ino).toBe(ino);
      });
      await rig().view(chain, (root) => {
        poke(join(root, "large"), 10, "third");
        expect(readFileSync(join(root, "large")).equals(poked([0, "first"], [1_000_000, "2nd"], [10, "third"]))).toBe(true);
      }, "rw");
      expect(await rig().changes(chain)).toEqual(["C /large"]);
      expect((await rig().driver.usage(chain[0]!, chain.slice(1))).size).toBe(LARGE.length);
      await imageIsUnchanged(chain);
    });

    test("delete of a file: a whiteout hides it", async () => {
      const chain = await container(rig(), (root) => unlinkSync(join(root, "d/b")));
      await rig().view(chain, (root) => expect(readdirSync(join(root, "d")).sort()).toEqual(["a", "sub"]), "rw");
      expect(await rig().changes(chain)).toEqual(["C /d", "D /d/b"]);
      expect([...membersOf(await rig().diff(chain)).keys()]).toEqual(["d", "d/.wh.b"]);
      await imageIsUnchanged(chain);
      await diffIsFaithful(chain);
    });
    test("delete of a directory: one whiteout hides all of it", async () => {
      const chain = await container(rig(), (root) => rmSync(join(root, "d"), { recursive: true }));
      await rig().view(chain, (root) => expect(existsSync(join(root, "d"))).toBe(false), "rw");
      expect(await rig().changes(chain)).toEqual(["D /d"]);
      expect([...membersOf(await rig().diff(chain)).keys()]).toEqual([".wh.d"]);
      await imageIsUnchanged(chain);
      await diffIsFaithful(chain);
    });
    test("delete of a directory that is made again: nothing old shows in it", async () => {
      const chain = await container(rig(), (root) => {
        rmSync(join(root, "d"), { recursive: true });
        mkdirSync(join(root, "d"));
        writeFileSync(join(root, "d/new"), "n");
      });
      await rig().view(chain, (root) => expect(readdirSync(join(root, "d"))).toEqual(["new"]), "rw");
      expect(await rig().changes(chain)).toEqual(["C /d", "D /d/a", "D /d/b", "A /d/new", "D /d/sub"]);
      // By one mark for the whole directory, or by one for each name.
      const hidden = [...membersOf(await rig().diff(chain)).keys()].filter((name) => name.startsWith("d/.wh."));
      expect([["d/.wh..wh..opq"], ["d/.wh.a", "d/.wh.b", "d/.wh.sub"]]).toContainEqual(hidden);
      await imageIsUnchanged(chain);
      await diffIsFaithful(chain);
    });
    test("rename of a file: a copy under the new name, a whiteout under the old one", async () => {
      const chain = await container(rig(), (root) => renameSync(join(root, "large"), join(root, "elsewhere/renamed")));
      await rig().view(chain, (root) => {
        expect(existsSync(join(root, "large"))).toBe(false);
        expect(readFileSync(join(root, "elsewhere/renamed")).equals(LARGE)).toBe(true);
      }, "rw");
      expect(await rig().changes(chain)).toEqual(["C /elsewhere", "A /elsewhere/renamed", "D /large"]);
      expect(membersOf(await rig().diff(chain))).toEqual(new Map([[".wh.large", 0], ["elsewhere", 0], ["elsewhere/renamed", LARGE.length]]));
      await imageIsUnchanged(chain);
      await diffIsFaithful(chain);
    });
    test("rename of a directory of an image layer: refused, so that mv copies it, or done; the outcome is the same", async () => {
      const chain = await container(rig(), async (root) => {
        try {
          renameSync(join(root, "d"), join(root, "elsewhere/d"));
          renameSync(join(root, "elsewhere/d"), join(root, "d"));
        } catch (error) { expect(errnoOf(error)).toBe("EXDEV"); }
        await run("mv", [join(root, "d"), join(root, "elsewhere/d")]);
      });
      await rig().view(chain, (root) => {
        expect(existsSync(join(root, "d"))).toBe(false);
        expect(readFileSync(join(root, "elsewhere/d/b"), "utf8")).toBe("newer b");
      }, "rw");
      expect(await rig().changes(chain)).toEqual(["D /d", "C /elsewhere", "A /elsewhere/d", "A /elsewhere/d/a", "A /elsewhere/d/b", "A /elsewhere/d/sub", "A /elsewhere/d/sub/c"]);
      await imageIsUnchanged(chain);
      await diffIsFaithful(chain);
    });
  });
}

/** How a driver that keeps only changes writes them down. */
export interface WrittenForm {
  /** Where the changes of a writable snapshot lie. */
  upper(id: SnapshotId): string;
  /** Whether `dir` says of `name` that it is gone. */
  isGone(dir: string, name: string): boolean;
  /** Whether a directory hides what lies below it. */
  isOpaque(dir: string): boolean;
}

/** The same cases on disk, for drivers that keep only changes. */
export function describeWrittenForm(rig: () => Rig, form: () => WrittenForm): void {
  describe("copy-on-write as it lies on disk", () => {
    const upperOf = (chain: readonly SnapshotId[]): string => form().upper(chain[0]!);

    test("reading copies nothing", async () => {
      const chain = await container(rig(), (root) => { readFileSync(join(root, "large")); readdirSync(join(root, "d")); });
      expect(readdirSync(upperOf(chain))).toEqual([]);
    });
    test("the first write copies the whole file, and a second one does not copy again", async () => {
      const chain = await container(rig(), (root) => poke(join(root, "large"), 1, "first"));
      const copy = join(upperOf(chain), "large");
      expect(readFileSync(copy).equals(poked([1, "first"]))).toBe(true);
      const { ino } = statSync(copy);
      await rig().view(chain, (root) => poke(join(root, "large"), 1, "again"), "rw");
      expect(statSync(copy).ino).toBe(ino);
      expect(readFileSync(copy).equals(poked([1, "again"]))).toBe(true);
      expect(readdirSync(upperOf(chain))).toEqual(["large"]);
    });
    test("a deleted file and a deleted directory leave a whiteout", async () => {
      const chain = await container(rig(), (root) => { unlinkSync(join(root, "both")); rmSync(join(root, "d"), { recursive: true }); });
      for (const name of ["both", "d"]) expect(form().isGone(upperOf(chain), name)).toBe(true);
      expect(form().isGone(upperOf(chain), "large")).toBe(false);
    });
    test("a directory that is made again is opaque, one that is only changed is not", async () => {
      const chain = await container(rig(), (root) => {
        rmSync(join(root, "d"), { recursive: true });
        mkdirSync(join(root, "d"));
        writeFileSync(join(root, "elsewhere/new"), "n");
      });
      expect(form().isOpaque(join(upperOf(chain), "d"))).toBe(true);
      expect(form().isOpaque(join(upperOf(chain), "elsewhere"))).toBe(false);
    });
    test("a renamed file is there whole, with a whiteout in its old place", async () => {
      const chain = await container(rig(), (root) => renameSync(join(root, "large"), join(root, "elsewhere/renamed")));
      expect(readFileSync(join(upperOf(chain), "elsewhere/renamed")).equals(LARGE)).toBe(true);
      expect(form().isGone(upperOf(chain), "large")).toBe(true);
    });
    test("a renamed directory of an image layer is there whole, with a whiteout in its old place", async () => {
      const chain = await container(rig(), (root) => run("mv", [join(root, "d"), join(root, "moved")]).then(() => undefined));
      expect(Object.keys(treeOf(join(upperOf(chain), "moved"))).filter((path) => !path.includes("/.wh.")).sort()).toEqual(["/a", "/b", "/sub", "/sub/c"]);
      expect(form().isGone(upperOf(chain), "d")).toBe(true);
    });
  });
}
