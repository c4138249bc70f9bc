import { chmodSync, chownSync, existsSync, linkSync, lutimesSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, rmdirSync, statSync, symlinkSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TarParser } from "../../../archive/tar-parser.js";
import type { Member } from "../../../archive/testing/tar-of.js";
import type { WorkerPool } from "../../../archive/workers/pool.js";
import { AT_FDCWD, lsetxattr, mkfifo, mknodat } from "../../../kernel/libc.js";
import { S_IFSOCK } from "../../../kernel/stat.js";
import { CAPABILITY } from "./layers-suite.js";
import { Dice, randomLayer, randomWork, withoutDirectoryTimes } from "./random.js";
import { noise, vfsRig, type Rig } from "./rig.js";
import { rounds } from "./rounds.js";
import { treeOf } from "../../../archive/testing/tree-of.js";

const base: Member[] = [
  { name: "etc/" }, { name: "etc/passwd", content: "root" }, { name: "etc/group", content: "root" }, { name: "usr/" }, { name: "usr/share/" }, { name: "usr/share/doc/" },
  { name: "usr/share/doc/a", content: "a" }, { name: "usr/share/doc/b", content: "b" }, { name: "var/" }, { name: "var/log/" }, { name: "var/log/old", content: "o" },
  { name: "hard1", content: "h" }, { name: "hard2", type: "link", linkName: "hard1" }, { name: "link", type: "symlink", linkName: "etc" }, { name: "dev/" }, { name: "dev/null", type: "char", major: 1, minor: 3 },
];

/** What containers do to their snapshots, and how it is told and carried to other places. */
export function describeWritable(rig: () => Rig, workers: () => WorkerPool): void {
  const names = (tar: Buffer): string[] => {
    const found: string[] = [];
    const parser = new TarParser({ entry: (entry) => { found.push(entry.name); }, data: () => undefined, end: () => undefined, raw: () => undefined });
    parser.write(tar);
    parser.close();
    return found;
  };
  /** A container on the base, after `work` was done in it. */
  const container = async (work: (root: string) => void | Promise<void>, mode: "rw" | "volatile" = "rw"): Promise<string[]> => {
    const chain = await rig().create(await rig().chain(base));
    await rig().view(chain, work, mode);
    return chain;
  };

  describe("writable snapshots", () => {
    test("take writes, keep them over mounts, and leave their parents alone", async () => {
      const chain = await container((root) => { writeFileSync(join(root, "etc/passwd"), "changed"); writeFileSync(join(root, "new"), "n"); unlinkSync(join(root, "var/log/old")); }) as never[];
      await rig().view(chain, (root) => {
        expect(readFileSync(join(root, "etc/passwd"), "utf8")).toBe("changed");
        expect(existsSync(join(root, "var/log/old"))).toBe(false);
      }, "rw");
      await rig().view(chain.slice(1), (root) => {
        expect(readFileSync(join(root, "etc/passwd"), "utf8")).toBe("root");
        expect(existsSync(join(root, "new"))).toBe(false);
      });
    });
    test("volatile ones mount again and again, and as others", async () => {
      const chain = await container((root) => writeFileSync(join(root, "a"), "1"), "volatile") as never[];
      for (const mode of ["volatile", "rw", "volatile"] as const) await rig().view(chain, (root) => { expect(readFileSync(join(root, "a"), "utf8")).toBe("1"); }, mode);
    });
    test("read-only mounts refuse writes where there is a mount", async () => {
      const chain = await rig().chain(base, [{ name: "x" }]);
      for (const one of [chain, chain.slice(1)]) {
        const plan = await rig().driver.mounts(one[0]!, one.slice(1), "ro");
        if (plan.mounts.length > 0) await rig().view(one, (root) => expect(() => writeFileSync(join(root, "no"), "")).toThrow("EROFS"));
      }
    });
    test("without parents", async () => {
      const chain = await rig().create([]);
      await rig().view(chain, (root) => writeFileSync(join(root, "f"), "x"), "rw");
      expect(await rig().changes(chain)).toEqual(["A /f"]);
      expect(names(await rig().diff(chain))).toEqual(["f"]);
    });
    test("on an init snapshot", async () => {
      const layers = await rig().chain(base);
      const init = await rig().create(layers);
      await rig().view(init, (root) => { writeFileSync(join(root, "etc/hosts"), ""); mkdirSync(join(root, "proc")); }, "rw");
      const chain = await rig().create(init);
      await rig().view(chain, (root) => { expect(readdirSync(root)).toContain("proc"); writeFileSync(join(root, "etc/hostname"), "h"); }, "rw");
      expect(await rig().changes(chain)).toEqual(["C /etc", "A /etc/hostname"]);
      expect(await rig().changes(init)).toEqual(["C /etc", "A /etc/hosts", "A /proc"]);
    });
  });

  describe("changes", () => {
    const cases: Record<string, [work: (root: string) => void | Promise<void>, expected: string[]]> = {
      "nothing": [() => undefined, []],
      "a new file and its directory": [(root) => writeFileSync(join(root, "var/log/new"), "n"), ["C /var", "C /var/log", "A /var/log/new"]],
      "new directories with what is in them": [(root) => { mkdirSync(join(root, "opt/app"), { recursive: true }); writeFileSync(join(root, "opt/app/f"), "f"); }, ["A /opt", "A /opt/app", "A /opt/app/f"]],
      "other content": [(root) => writeFileSync(join(root, "etc/passwd"), "other"), ["C /etc", "C /etc/passwd"]],
      "another mode, owner, time": [(root) => { chmodSync(join(root, "etc/passwd"), 0o600); chownSync(join(root, "etc/group"), 5, 5); utimesSync(join(root, "var/log/old"), 5, 5); }, ["C /etc", "C /etc/group", "C /etc/passwd", "C /var", "C /var/log", "C /var/log/old"]],
      "a capability": [(root) => { lsetxattr(join(root, "etc/group"), "security.capability", CAPABILITY); utimesSync(join(root, "etc/group"), 0, 0); }, ["C /etc", "C /etc/group"]],
      "a directory's mode": [(root) => chmodSync(join(root, "usr/share"), 0o700), ["C /usr", "C /usr/share"]],
      "only a directory's time": [(root) => utimesSync(join(root, "usr/share"), 77, 77), []],
      "a file opened for writing and left as it was": [(root) => { truncateSync(join(root, "etc/passwd"), 4); utimesSync(join(root, "etc/passwd"), 0, 0); }, []],
      "a deleted file": [(root) => unlinkSync(join(root, "etc/passwd")), ["C /etc", "D /etc/passwd"]],
      "a deleted directory, without what was in it": [(root) => rmSync(join(root, "usr/share"), { recursive: true }), ["C /usr", "D /usr/share"]],
      "a file made and deleted": [(root) => { writeFileSync(join(root, "etc/tmp"), ""); unlinkSync(join(root, "etc/tmp")); }, []],
      "a directory deleted and made again": [(root) => { rmSync(join(root, "usr/share/doc"), { recursive: true }); mkdirSync(join(root, "usr/share/doc")); writeFileSync(join(root, "usr/share/doc/a"), "new"); }, ["C /usr", "C /usr/share", "C /usr/share/doc", "C /usr/share/doc/a", "D /usr/share/doc/b"]],
      "directories deleted and made again, one in the other": [(root) => { rmSync(join(root, "usr/share"), { recursive: true }); mkdirSync(join(root, "usr/share/doc"), { recursive: true }); writeFileSync(join(root, "usr/share/doc/b"), "new"); }, ["C /usr", "C /usr/share", "C /usr/share/doc", "D /usr/share/doc/a", "C /usr/share/doc/b"]],
      "a renamed directory": [(root) => { mkdirSync(join(root, "var/moved")); for (const n of ["a", "b"]) renameSync(join(root, "usr/share/doc", n), join(root, "var/moved", n)); rmdirSync(join(root, "usr/share/doc")); }, ["C /usr", "C /usr/share", "D /usr/share/doc", "C /var", "A /var/moved", "A /var/moved/a", "A /var/moved/b"]],
      "a file where a directory was, and the other way round": [(root) => { rmSync(join(root, "usr/share/doc"), { recursive: true }); writeFileSync(join(root, "usr/share/doc"), "f"); unlinkSync(join(root, "etc/group")); mkdirSync(join(root, "etc/group")); writeFileSync(join(root, "etc/group/x"), ""); }, ["C /etc", "C /etc/group", "A /etc/group/x", "C /usr", "C /usr/share", "C /usr/share/doc"]],
      "another symlink, device, pipe": [(root) => { unlinkSync(join(root, "link")); symlinkSync("var", join(root, "link")); mkfifo(join(root, "pipe"), 0o600); }, ["C /link", "A /pipe"]],
      "names beyond ASCII": [(root) => writeFileSync(join(root, "etc/caf\u00e9"), ""), ["C /etc", "A /etc/caf\u00e9"]],
    };
    test.each(Object.keys(cases))("%s", async (name) => {
      const [work, expected] = cases[name]!;
      // A directory whose mode alone changed marks its parents only where something in them did: Docker lists them.
      expect(await rig().changes(await container(work) as never[])).toEqual(expected);
    });
  });

  describe("diff", () => {
    const work = (root: string): void => {
      writeFileSync(join(root, "etc/passwd"), "changed");
      chownSync(join(root, "etc/passwd"), Math.min(3000000000, rig().highestOwner), 5);
      lsetxattr(join(root, "etc/passwd"), "user.note", Buffer.from([0, 1, 255]));
      unlinkSync(join(root, "etc/group"));
      rmSync(join(root, "usr/share/doc"), { recursive: true });
      mkdirSync(join(root, "usr/share/doc"), { mode: 0o750 });
      writeFileSync(join(root, "usr/share/doc/new"), "new");
      mkdirSync(join(root, "srv/deep/er"), { recursive: true });
      writeFileSync(join(root, "srv/deep/er/f"), noise(100_000));
      linkSync(join(root, "srv/deep/er/f"), join(root, "srv/second-name"));
      symlinkSync("\u00fcber", join(root, "srv/s"));
      lutimesSync(join(root, "srv/s"), 1, 1234567890.5);
      writeFileSync(join(root, "srv", "n".repeat(rig().subject.longestName ?? 255)), "");
      mkfifo(join(root, "srv/pipe"), 0o640);
      writeFileSync(join(root, "srv/cap"), "x");
      lsetxattr(join(root, "srv/cap"), "security.capability", CAPABILITY);
      chmodSync(join(root, "srv/cap"), 0o4755);
      lsetxattr(join(root, "srv/cap"), "security.capability", CAPABILITY);
      utimesSync(join(root, "srv/cap"), 5, -5.25);
      writeFileSync(join(root, "srv/sparse"), "x");
      truncateSync(join(root, "srv/sparse"), 32 << 20);
      mknodat(AT_FDCWD, join(root, "srv/socket"), S_IFSOCK | 0o600, 0);
      utimesSync(join(root, "srv"), 100, 200.125);
    };

    test("applied on the same layers it gives the same tree, here and on another driver", async () => {
      const chain = await container(work) as never[];
      const wanted = await rig().view(chain, treeOf, "rw");
      // Sockets do not travel.
      expect(wanted["/srv/socket"]).toMatch(/^140600/);
      delete wanted["/srv/socket"];
      const tar = await rig().diff(chain);
      if (!rig().subject.lacks?.holes) expect(tar.length).toBeLessThan(2 << 20);
      const copy = await rig().apply(tar, chain.slice(1));
      expect(await rig().view([copy.id, ...chain.slice(1)], treeOf)).toEqual(wanted);

      const other = vfsRig(workers());
      try {
        expect(await other.view(await other.chain(await rig().tar(chain.slice(1)), tar), treeOf)).toEqual(wanted);
        expect(await other.leftovers()).toEqual([]);
      } finally { await other.destroy(); }
    });
    test("random containers: changes are those of comparing the trees, and the diff gives the same tree", async () => {
      const dice = new Dice(7);
      for (let round = rounds(12); round > 0; round--) {
        const below = await rig().chain(randomLayer(dice), randomLayer(dice));
        const chain = await rig().create(below);
        let compared: string[] = [];
        const wanted = await rig().view(chain, async (root) => {
          randomWork(dice, root);
          await rig().view(below, async (lower) => {
            compared = (await workers().run("changes", { root, kind: "plain", lowers: [lower] })).map(({ kind, path }) => `${"CAD"[kind]!} ${path}`);
          });
          return treeOf(root);
        }, "rw");
        expect(await rig().changes(chain)).toEqual(compared);
        const copy = await rig().apply(await rig().diff(chain), below);
        expect(comparable(await rig().view([copy.id, ...below], treeOf))).toEqual(comparable(wanted));
      }
    });
    test("is the same bytes every time, sorted, parents first", async () => {
      const chain = await container(work) as never[];
      const tar = await rig().diff(chain);
      expect((await rig().diff(chain)).equals(tar)).toBe(true);
      const found = names(tar);
      for (const [i, name] of found.entries()) {
        const parent = name.replace(/\/$/, "").replace(/[^/]*$/, "");
        if (parent !== "") expect(found.indexOf(parent)).toBeLessThan(i);
      }
    });
    test("of nothing is an empty tar", async () => {
      expect(await rig().diff(await container(() => undefined) as never[])).toEqual(Buffer.alloc(1024));
    });
    test("tells what is gone by whiteouts", async () => {
      const chain = await container((root) => { unlinkSync(join(root, "etc/passwd")); rmSync(join(root, "var"), { recursive: true }); }) as never[];
      expect(names(await rig().diff(chain)).sort()).toEqual([".wh.var", "etc/", "etc/.wh.passwd"].sort());
    });
    test("tells the root only when its owner or mode changed", async () => {
      const chain = await container((root) => { chmodSync(root, 0o700); chownSync(root, 1, 2); }) as never[];
      const copy = await rig().apply(await rig().diff(chain), chain.slice(1));
      await rig().view([copy.id, ...chain.slice(1)], (root) => expect(statSync(root)).toMatchObject({ mode: 0o040700, uid: 1, gid: 2 }));
    });
  });
}

/** A link to a file of a lower layer becomes a file of its own; the time of a directory alone is no change. */
function comparable(tree: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(withoutDirectoryTimes(tree)).map(([path, line]) => [path, line.replace(/ same as .*/, "")]));
}
