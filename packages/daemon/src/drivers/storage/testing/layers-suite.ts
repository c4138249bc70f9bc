import { lstatSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { formatPax } from "../../../archive/pax.js";
import { payload, ustar, tarOf, type Member } from "../../../archive/testing/tar-of.js";
import type { WorkerPool } from "../../../archive/workers/pool.js";
import { lgetxattr } from "../../../kernel/libc.js";
import { Dice, randomLayer, withoutDirectoryTimes } from "./random.js";
import { noise, vfsRig, type Rig } from "./rig.js";
import { rounds } from "./rounds.js";
import { treeOf } from "../../../archive/testing/tree-of.js";

/** Layers in the deepest chain. */
const DEEP = rounds(128);

/** A file capability (cap_net_raw=ep), as security.capability holds it. */
export const CAPABILITY = Buffer.from("0100000200200000000000000000000000000000", "hex");

/** What a committed layer keeps, and how layers lie on each other. */
export function describeLayers(rig: () => Rig, workers: () => WorkerPool): void {
  const read = (root: string, path: string): string => readFileSync(join(root, path), "utf8");
  const names = (root: string, path = ""): string[] => readdirSync(join(root, path)).sort();

  describe("layers", () => {
    test("show files of all, the nearest first", async () => {
      const chain = await rig().chain([{ name: "a", content: "1" }, { name: "b", content: "1" }], [{ name: "b", content: "2" }, { name: "c", content: "2" }]);
      await rig().view(chain, (root) => {
        expect(names(root)).toEqual(["a", "b", "c"]);
        expect(["a", "b", "c"].map((name) => read(root, name))).toEqual(["1", "2", "2"]);
      });
      await rig().view(chain.slice(1), (root) => expect(read(root, "b")).toBe("1"));
    });

    test("whiteouts delete from lower layers: files, whole directories, and what is not there", async () => {
      const chain = await rig().chain(
        [{ name: "file" }, { name: "d/" }, { name: "d/x" }, { name: "d/y" }, { name: "gone/" }, { name: "gone/deep/" }, { name: "gone/deep/f" }],
        [{ name: ".wh.file" }, { name: "d/" }, { name: "d/.wh.x" }, { name: ".wh.gone" }, { name: ".wh.never" }],
      );
      await rig().view(chain, (root) => {
        expect(names(root)).toEqual(["d"]);
        expect(names(root, "d")).toEqual(["y"]);
      });
    });

    test("opaque directories hide what lies below, wherever the marker stands", async () => {
      const chain = await rig().chain(
        [{ name: "one/" }, { name: "one/old" }, { name: "one/sub/" }, { name: "one/sub/old" }, { name: "two/" }, { name: "two/old" }],
        [{ name: "one/" }, { name: "one/.wh..wh..opq" }, { name: "one/new" }, { name: "two/" }, { name: "two/new" }, { name: "two/.wh..wh..opq" }],
      );
      await rig().view(chain, (root) => {
        expect(names(root, "one")).toEqual(["new"]);
        expect(names(root, "two")).toEqual(["new"]);
      });
    });

    test("a whiteout yields to a real entry of the same layer, before or behind it; a directory then starts empty", async () => {
      const chain = await rig().chain(
        [{ name: "f" }, { name: "g" }, { name: "d/" }, { name: "d/old" }, { name: "e/" }, { name: "e/old" }],
        [{ name: ".wh.f" }, { name: "f", content: "new" }, { name: "g", content: "new" }, { name: ".wh.g" }, { name: ".wh.d" }, { name: "d/" }, { name: "d/new" }, { name: "e/" }, { name: "e/new" }, { name: ".wh.e" }],
      );
      await rig().view(chain, (root) => {
        expect([read(root, "f"), read(root, "g")]).toEqual(["new", "new"]);
        expect([names(root, "d"), names(root, "e")]).toEqual([["new"], ["new"]]);
      });
    });

    test("a whiteout that hides nothing does not show, wherever it stands", async () => {
      const chain = await rig().chain(
        [{ name: "d/" }, { name: "d/x" }, { name: "d/e/" }, { name: "d/e/x" }, { name: "f" }],
        [{ name: "new/" }, { name: "new/.wh.x" }, { name: "d/" }, { name: "d/.wh..wh..opq" }, { name: "d/.wh.x" }, { name: "d/e/" }, { name: "d/e/.wh.x" }, { name: "d/e/y" }, { name: "f/" }, { name: "f/.wh.x" }],
      );
      await rig().view(chain, (root) => {
        expect([names(root, "new"), names(root, "d"), names(root, "d/e"), names(root, "f")]).toEqual([[], ["e"], ["y"], []]);
      });
    });

    test("an opaque root hides everything below", async () => {
      const chain = await rig().chain([{ name: "a/" }, { name: "a/old" }, { name: "b" }], [{ name: "c" }], [{ name: ".wh..wh..opq" }, { name: "a/" }, { name: "a/new" }]);
      await rig().view(chain, (root) => expect([names(root), names(root, "a")]).toEqual([["a"], ["new"]]));
    });

    test("a directory that is only named as a parent stays as the layer below has it", async () => {
      const mtime = { seconds: 77, nanos: 5000 };
      const chain = await rig().chain(
        [{ name: "d/", mode: 0o1770, uid: 5, gid: 6, mtime: { seconds: 77, nanos: 0 } }, { name: "d/e/", mode: 0o700 }, ...["gone", "filled", "closed"].flatMap((name) => [{ name: `d/${name}/`, mtime }, { name: `d/${name}/x` }])],
        [{ name: "d/e/f" }, { name: "d/gone/.wh.x" }, { name: "d/filled/y" }, { name: "d/closed/.wh..wh..opq" }, { name: "d/closed/y" }],
      );
      await rig().view(chain, (root) => {
        expect(statSync(join(root, "d"))).toMatchObject({ mode: 0o041770, uid: 5, gid: 6, mtimeMs: 77000 });
        expect(statSync(join(root, "d/e")).mode).toBe(0o040700);
        expect(["gone", "filled", "closed"].map((name) => [names(root, `d/${name}`), statSync(join(root, `d/${name}`), { bigint: true }).mtimeNs])).toEqual([[[], 77_000_005_000n], [["x", "y"], 77_000_005_000n], [["y"], 77_000_005_000n]]);
      });
    });

    test("a directory in the place of a file of the same layer does not bring back what the file hid", async () => {
      const chain = await rig().chain([{ name: "d/" }, { name: "d/old" }, { name: "e/" }, { name: "e/old" }], [{ name: "d" }, { name: "d/" }, { name: "e" }, { name: "e/new" }]);
      await rig().view(chain, (root) => expect([names(root, "d"), names(root, "e")]).toEqual([[], ["new"]]));
    });

    test("random stacks show what vfs shows", async () => {
      const dice = new Dice(5), reference = vfsRig(workers());
      try {
        for (let round = rounds(12); round > 0; round--) {
          const layers = Array.from({ length: 3 }, () => randomLayer(dice));
          const show = async (of: Rig): Promise<Record<string, string>> => of.view(await of.chain(...layers), treeOf);
          const shown = withoutDirectoryTimes(await show(rig()));
          expect(shown).toEqual(withoutDirectoryTimes(await show(reference)));
        }
        expect(await reference.leftovers()).toEqual([]);
      } finally { await reference.destroy(); }
    });

    test("other AUFS metadata is left out", async () => {
      const chain = await rig().chain([{ name: ".wh..wh.aufs", content: "x" }, { name: ".wh..wh.plnk/" }, { name: ".wh..wh.plnk/1.2", content: "x" }, { name: "f" }]);
      await rig().view(chain, (root) => expect(names(root)).toEqual(["f"]));
    });

    test("files and directories take each other's place between layers", async () => {
      const chain = await rig().chain([{ name: "a" }, { name: "b/" }, { name: "b/c" }, { name: "l", type: "symlink", linkName: "b" }], [{ name: "a/" }, { name: "a/x" }, { name: "b", content: "file" }, { name: "l/" }, { name: "l/y" }]);
      await rig().view(chain, (root) => {
        expect(names(root, "a")).toEqual(["x"]);
        expect(read(root, "b")).toBe("file");
        expect(lstatSync(join(root, "l")).isDirectory()).toBe(true);
        expect(names(root, "l")).toEqual(["y"]);
      });
    });

    test("hard links are one inode, to files, symlinks and devices", async () => {
      const [id] = await rig().chain([
        { name: "f", content: "x" }, { name: "d/" }, { name: "d/g", type: "link", linkName: "f" }, { name: "h", type: "link", linkName: "/d/../f" },
        { name: "s", type: "symlink", linkName: "nowhere" }, { name: "t", type: "link", linkName: "./s" }, { name: "n", type: "char", major: 1, minor: 3 }, { name: "m", type: "link", linkName: "n" },
      ]);
      await rig().view([id!], (root) => {
        expect(statSync(join(root, "f"))).toMatchObject({ nlink: 3, ino: statSync(join(root, "d/g")).ino });
        expect(statSync(join(root, "h")).ino).toBe(statSync(join(root, "f")).ino);
        expect(lstatSync(join(root, "t"))).toMatchObject({ nlink: 2, ino: lstatSync(join(root, "s")).ino });
        expect(lstatSync(join(root, "m")).nlink).toBe(2);
      });
    });

    test("everything a member can carry", async () => {
      const members: Member[] = [
        { name: "./", mode: 0o1711, uid: 3, gid: 4 },
        { name: "setuid", mode: 0o4755, uid: 1000, gid: 1000, content: "x" }, { name: "setgid/", mode: 0o2775, gid: 50 }, { name: "setgid/inner/" }, { name: "setgid/inner/f" }, { name: "sticky/", mode: 0o1777 },
        { name: "none", mode: 0, content: "x" }, { name: "all", mode: 0o777 }, { name: "closed/", mode: 0 }, { name: "closed/f", content: "x" },
        { name: "owner", uid: rig().highestOwner, gid: 2100000000 },
        { name: "ns", mtime: { seconds: 1600000000, nanos: 123456789 } }, { name: "past", mtime: { seconds: -2, nanos: 500000000 } }, { name: "nsdir/", mtime: { seconds: 1500000000, nanos: 1 } }, { name: "nsdir/f" },
        { name: "oldlink", type: "symlink", linkName: "target", uid: 7, gid: 8, mtime: { seconds: 1400000000, nanos: 9 } },
        { name: "cap", mode: 0o755, uid: 5, content: "x", xattrs: { "security.capability": CAPABILITY } },
        { name: "attr", xattrs: { "user.empty": Buffer.alloc(0), "user.bytes": Buffer.from([0, 255, 10, 61]), "trusted.note": Buffer.from("t") }, content: "x" },
        { name: "attrdir/", xattrs: { "user.dir": Buffer.from("d") } },
        { name: "null", type: "char", major: 1, minor: 3, mode: 0o666 }, { name: "big", type: "block", major: 259, minor: rig().highMinor, mode: 0o660, gid: 6 }, { name: "pipe", type: "fifo", mode: 0o622 },
        { name: "n".repeat(255), content: "long" }, { name: `${"deep/".repeat(60)}file`, content: "deep" },
        { name: "caf\u00e9", content: "utf-8" }, { name: "\xff\xfe", bytes: true, content: "no utf-8" }, { name: "link-\xff", bytes: true, type: "symlink", linkName: "\xff\xfe" },
      ];
      const [id] = await rig().chain(members);
      const tree = await rig().view([id!], treeOf);
      const line = (name: string): string => tree[`/${name}`] ?? "missing";
      expect(line("setuid")).toMatch(/^104755 1000:1000 /);
      expect(line("setgid")).toMatch(/^42775 0:50 /);
      expect(line("setgid/inner")).toMatch(/^40755 0:0 /);
      expect(line("setgid/inner/f")).toMatch(/^100644 0:0 /);
      expect(line("sticky")).toMatch(/^41777 /);
      expect(line("none")).toMatch(/^100000 /);
      expect(line("all")).toMatch(/^100777 /);
      expect(line("closed")).toMatch(/^40000 /);
      expect(line("owner")).toContain(` ${rig().highestOwner}:2100000000 `);
      expect(line("ns")).toContain(rig().time(" 1600000000.123456789 "));
      expect(line("past")).toContain(rig().time(" -2.500000000 "));
      expect(line("nsdir")).toContain(rig().time(" 1500000000.000000001"));
      expect(line("oldlink")).toBe(`120777 7:8 ${rig().time("1400000000.000000009")} -> target`);
      expect(line("cap")).toMatch(new RegExp(`^100755 5:0 .* security\\.capability=${CAPABILITY.toString("hex")}$`));
      expect(line("attr")).toMatch(/trusted\.note=74 user\.bytes=00ff0a3d user\.empty=$/);
      expect(line("attrdir")).toContain("user.dir=64");
      expect(line("null")).toBe("20666 0:0 0.000000000 1,3");
      expect(line("big")).toBe(`60660 0:6 0.000000000 259,${rig().highMinor}`);
      expect(line("pipe")).toMatch(/^10622 /);
      expect(line("n".repeat(255))).toContain(" 4 ");
      expect(line(`${"deep/".repeat(60)}file`)).toContain(" 4 ");
      expect(line("caf\xc3\xa9")).toContain(" 5 ");
      expect(line("\xff\xfe")).toContain(" 8 ");
      expect(line("link-\xff")).toContain("-> \xff\xfe");
      await rig().view([id!], (root) => expect(statSync(root)).toMatchObject({ uid: 3, gid: 4, mode: 0o041711 }));
    });

    test("an empty tar, and one of only a root", async () => {
      const chain = await rig().chain(Buffer.alloc(0), tarOf([]), [{ name: "./" }]);
      await rig().view(chain, (root) => expect(names(root)).toEqual([]));
    });

    test("the root's owner and mode come from the layer below when a layer does not tell them", async () => {
      const chain = await rig().chain([{ name: "./", mode: 0o1700, uid: 9 }], [{ name: "f" }]);
      await rig().view(chain, (root) => expect(statSync(root)).toMatchObject({ uid: 9, mode: 0o041700 }));
      await rig().view(await rig().create(chain), (root) => expect(statSync(root)).toMatchObject({ uid: 9, mode: 0o041700 }), "rw");
    });

    test("overlayfs's own attributes in a tar are not taken", async () => {
      const chain = await rig().chain([{ name: "d/" }, { name: "d/f" }], [{ name: "d/", xattrs: { "trusted.overlay.opaque": Buffer.from("y"), "user.overlay.opaque": Buffer.from("y") } }]);
      await rig().view(chain, (root) => {
        expect(names(root, "d")).toEqual(["f"]);
        expect(lgetxattr(join(root, "d"), "user.overlay.opaque")).toBeUndefined();
      });
    });

    test("missing parents are made, from the epoch and everybody's to read", async () => {
      const [id] = await rig().chain([{ name: "a/b/c", content: "x" }]);
      const tree = await rig().view([id!], treeOf);
      expect(tree["/a"]).toBe("40755 0:0 0.000000000");
      expect(tree["/a/b"]).toBe("40755 0:0 0.000000000");
    });

    test("the same name again: the later entry stands, a directory keeps its children", async () => {
      const [id] = await rig().chain([
        { name: "f", content: "first" }, { name: "f", content: "second" }, { name: "d/", mode: 0o700 }, { name: "d/child" }, { name: "d/", mode: 0o755, mtime: { seconds: 5, nanos: 0 } },
        { name: "x/" }, { name: "x/child", content: "lost" }, { name: "x", content: "file" }, { name: "y" }, { name: "y/" }, { name: "y/child" },
        { name: "p" }, { name: "p/q", content: "below what was a file" },
      ]);
      await rig().view([id!], (root) => {
        expect([read(root, "f"), read(root, "x"), read(root, "p/q")]).toEqual(["second", "file", "below what was a file"]);
        expect(names(root, "d")).toEqual(["child"]);
        expect(statSync(join(root, "d"))).toMatchObject({ mode: 0o040755, mtimeMs: 5000 });
        expect(names(root, "y")).toEqual(["child"]);
      });
    });

    test("a hard link stays with the inode its target had, and a link to itself changes nothing", async () => {
      const [id] = await rig().chain([{ name: "a", content: "1" }, { name: "b", type: "link", linkName: "a" }, { name: "a", content: "2" }, { name: "a", type: "link", linkName: "a" }, { name: "c" }, { name: "c", type: "link", linkName: "b" }]);
      await rig().view([id!], (root) => expect(["a", "b", "c"].map((name) => read(root, name))).toEqual(["2", "1", "1"]));
    });

    test("sparse files stay sparse, of either form", async () => {
      const size = 64 << 20;
      const octal = (n: number): string => `${n.toString(8).padStart(11, "0")}\0`;
      const map = payload(`2\n1048576\n5\n${size}\n0\n`);
      const head = payload(formatPax([["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"], ["GNU.sparse.name", "pax"], ["GNU.sparse.realsize", String(size)]]));
      const tar = Buffer.concat([
        ustar("gnu", "S", 5, { 257: "ustar  \0", 386: octal(1 << 20) + octal(5) + octal(size) + octal(0), 483: octal(size) }), payload("hello"),
        ustar("PaxHeaders/pax", "x", formatPax([["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"], ["GNU.sparse.name", "pax"], ["GNU.sparse.realsize", String(size)]]).length), head,
        ustar("GNUSparseFile.0/pax", "0", map.length + 5), map, payload("world"), Buffer.alloc(1024),
      ]);
      const { id, applied } = await rig().apply(tar);
      expect(applied.size).toBe(2 * size);
      expect(applied.bytes).toBeLessThan((1 << 20) + (rig().subject.slack ?? 0));
      await rig().view([id], (root) => {
        for (const [name, text] of [["gnu", "hello"], ["pax", "world"]] as const) {
          expect(statSync(join(root, name)).size).toBe(size);
          const content = readFileSync(join(root, name));
          expect(content.toString("latin1", 1 << 20, (1 << 20) + 5)).toBe(text);
          expect(content.indexOf(text)).toBe(1 << 20);
        }
      });
      expect((await rig().tar([id])).equals(tar)).toBe(true);
    });

    test(`${DEEP} layers`, async () => {
      const layers = Array.from({ length: DEEP }, (_, i): Member[] => [{ name: `f${i}`, content: String(i) }, { name: "top", content: String(i) }]);
      const chain = await rig().chain(...layers);
      await rig().view(await rig().create(chain), (root) => {
        expect(names(root)).toHaveLength(DEEP + 1);
        expect([read(root, "f0"), read(root, `f${DEEP - 1}`), read(root, "top")]).toEqual(["0", String(DEEP - 1), String(DEEP - 1)]);
      }, "rw");
      await rig().view(chain, (root) => expect(names(root)).toHaveLength(DEEP + 1));
    }, 300_000);

    test("many applied at the same time", async () => {
      const [base] = await rig().chain([{ name: "base", content: "b" }]);
      const contents = Array.from({ length: 8 }, (_, i) => noise(200_000 + i));
      const made = await Promise.all(contents.map((content, i) => rig().apply([{ name: `d${i}/` }, { name: `d${i}/f`, content }], [base!])));
      for (const [i, { id }] of made.entries()) {
        await rig().view([id, base!], (root) => {
          expect(names(root)).toEqual(["base", `d${i}`]);
          expect(readFileSync(join(root, `d${i}/f`)).equals(contents[i]!)).toBe(true);
        });
      }
    });

    test("usage counts what lies on disk, size what the files hold", async () => {
      const content = noise(300_000);
      const { id, applied } = await rig().apply([{ name: "d/" }, { name: "d/f", content }, { name: "g", type: "link", linkName: "d/f" }, { name: "h", content: "12345" }]);
      expect(applied.size).toBe(300_005);
      expect(applied.bytes).toBeGreaterThanOrEqual(300_000);
      // Twice at most: a driver may keep the tar and the tree.
      expect(applied.bytes).toBeLessThan(700_000 + (rig().subject.slack ?? 0));
      expect(applied.inodes).toBeGreaterThanOrEqual(4);
      expect(await rig().driver.usage(id, [])).toMatchObject({ bytes: applied.bytes, inodes: applied.inodes });
    });
  });
}
