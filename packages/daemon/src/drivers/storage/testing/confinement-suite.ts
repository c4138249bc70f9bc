import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lgetxattr } from "../../../kernel/libc.js";
import type { Member } from "../../../archive/testing/tar-of.js";
import type { Rig } from "./rig.js";
import { treeOf } from "../../../archive/testing/tree-of.js";

/** Every trick by which a tar has been known to reach out of its directory. */
export function describeConfinement(rig: () => Rig): void {
  describe("nothing in a tar reaches outside", () => {
    let outside: string, before: Record<string, string>;
    beforeEach(() => {
      outside = mkdtempSync(join(tmpdir(), "strata-outside-"));
      writeFileSync(join(outside, "secret"), "secret", { mode: 0o600 });
      mkdirSync(join(outside, "dir"));
      before = treeOf(outside);
    });
    afterEach(() => {
      try { expect(treeOf(outside)).toEqual(before); }
      finally { rmSync(outside, { recursive: true }); }
    });
    const refused = async (members: Member[], message: string | RegExp): Promise<void> => {
      await expect(rig().apply(members)).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringMatching(message) });
      expect(await rig().list()).toEqual([]);
    };
    const view = async <T>(members: Member[], use: (root: string) => T): Promise<T> => rig().view(await rig().chain(members), use);
    const read = (root: string, path: string): string => readFileSync(join(root, path), "utf8");
    const link = (name: string, linkName: string): Member => ({ name, type: "symlink", linkName });
    const hard = (name: string, linkName: string): Member => ({ name, type: "link", linkName });

    test("symlink to an absolute path, then a file through it", () =>
      view([link("out", outside), { name: "out/evil", content: "x" }], (root) => expect(read(root, join(outside, "evil"))).toBe("x")));
    test("symlink that climbs by dots, then a file through it", () =>
      view([link("out", `${"../".repeat(40)}${outside.slice(1)}`), { name: "out/evil", content: "x" }], (root) => expect(read(root, join(outside, "evil"))).toBe("x")));
    test("symlink behind a symlink, then a file through both", () =>
      view([link("a", outside), link("b", "a/dir"), { name: "b/evil", content: "x" }], (root) => expect(read(root, join(outside, "dir/evil"))).toBe("x")));
    test("absolute symlink as parent: /etc is the tree's own", () =>
      view([{ name: "etc/" }, link("conf", "/etc"), { name: "conf/passwd", content: "mine" }], (root) => expect(read(root, "etc/passwd")).toBe("mine")));
    test("symlink into /proc", () =>
      view([link("p", "/proc/self/root"), { name: `p${outside}/evil`, content: "x" }], (root) => expect(read(root, `proc/self/root${outside}/evil`)).toBe("x")));
    test("symlink, then a directory of that name, then its attributes", () =>
      view([link("out", join(outside, "dir")), { name: "out/", mode: 0o777, uid: 5, xattrs: { "user.x": Buffer.from("1") }, mtime: { seconds: 1, nanos: 0 } }], (root) => expect(lstatSync(join(root, "out")).isDirectory()).toBe(true)));
    test("symlink replaced by a directory and back", () =>
      view([link("turned", outside), { name: "turned/" }, { name: "turned/one", content: "1" }, link("turned", outside), { name: "turned/two", content: "2" }, { name: "turned/" }, { name: "turned/three", content: "3" }], (root) => {
        expect(readdirSync(join(root, "turned"))).toEqual(["three"]);
        expect(read(root, join(outside, "two"))).toBe("2");
      }));
    test("symlink, then a file of that name", () => view([link("f", join(outside, "secret")), { name: "f", content: "mine", mode: 0o777 }], (root) => expect(read(root, "f")).toBe("mine")));
    test("dots in names", async () => {
      for (const name of ["../evil", "a/../../evil", "/../evil", "a/b/../../../evil", ".."]) await refused([{ name: "a/" }, { name, content: "x" }], "leaves the root");
    });
    test("dots that stay inside, absolute names, doubled slashes", () =>
      view([{ name: "/abs//./dir/../file", content: "x" }], (root) => expect(read(root, "abs/file")).toBe("x")));
    test("hard link to a file outside", async () => {
      await refused([hard("h", `../../../../../../../..${outside}/secret`)], "leaves the root");
      await refused([hard("h", join(outside, "secret"))], "not there");
    });
    test("hard link through a symlink", () => refused([link("out", outside), hard("h", "out/secret")], "not there"));
    test("hard link to a symlink, then a file through it", () =>
      view([link("s", join(outside, "secret")), hard("h", "s"), { name: "h", content: "mine" }], (root) => { expect(read(root, "h")).toBe("mine"); expect(lstatSync(join(root, "s")).isSymbolicLink()).toBe(true); }));
    test("hard link to a directory, or to nothing", async () => {
      await refused([{ name: "d/" }, hard("h", "d")], "directory");
      await refused([hard("h", "")], "not there");
      await refused([hard("h", "/")], "not there");
    });
    test("whiteout and opaque marker through a symlink", () =>
      view([link("out", outside), { name: "out/.wh.secret" }, { name: "out/.wh..wh..opq" }], () => expect(lgetxattr(join(outside, "dir"), "trusted.overlay.opaque")).toBeUndefined()));
    test("whiteout of dots, or of nothing", async () => {
      for (const name of [".wh..", ".wh...", "d/.wh...", "d/.wh."]) await refused([{ name: "d/" }, { name }], "whiteout of");
    });
    test("device in the path", () =>
      view([{ name: "n", type: "block", major: 7, minor: 0 }, { name: "n/evil", content: "x" }, { name: "z", type: "char", major: 1, minor: 5 }, { name: "z", content: "x" }], (root) => {
        expect(read(root, "n/evil")).toBe("x");
        expect(lstatSync(join(root, "z")).isFile()).toBe(true);
      }));
    test("pipe in the path does not hold anything up", () => view([{ name: "p", type: "fifo" }, { name: "p", content: "x" }, { name: "q", type: "fifo" }, { name: "q/f" }], (root) => expect(read(root, "p")).toBe("x")));
    test("symlinks in a circle", () => refused([link("a", "b"), link("b", "a"), { name: "a/f" }], "too many symlinks|cannot place"));
    test("a symlink without a target, a name that is too long, a path that is too long, owners that are none", async () => {
      await refused([link("s", "")], "without a target");
      await refused([{ name: "n".repeat(256) }], "longer than a file name");
      await refused([{ name: "d/".repeat(2500) }], "longer than a path");
      await refused([{ name: "f", uid: 4294967295 }], "out of range");
    });
    test("attributes of a symlink stay on the symlink", () =>
      view([{ ...link("s", join(outside, "secret")), uid: 5, gid: 6, mode: 0o777, mtime: { seconds: 1, nanos: 0 }, xattrs: { "trusted.x": Buffer.from("1"), "user.x": Buffer.from("1") } }], (root) => expect(lstatSync(join(root, "s")).uid).toBe(5)));
    test("a lower layer's symlink", async () => {
      const chain = await rig().chain([link("out", outside)], [{ name: "out/evil", content: "x" }, { name: "out/.wh.secret" }]);
      await rig().view(chain, (root) => expect(readdirSync(root)).toContain("out"));
    });
  });
}
