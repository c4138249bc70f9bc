import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatPax } from "../../../archive/pax.js";
import { memberOf, payload, tarOf, ustar } from "../../../archive/testing/tar-of.js";
import { TRAILER } from "../../../archive/tar-writer.js";
import { findProgram } from "../../../kernel/spawn.js";
import { noise, type Rig } from "./rig.js";

/** The very bytes that were applied come out again, however odd they are. */
export function describeReassembly(rig: () => Rig): void {
  const odd: Record<string, () => Buffer> = {
    "no bytes": () => Buffer.alloc(0),
    "only a trailer": () => TRAILER,
    "no trailer": () => memberOf({ name: "f", content: "x" }),
    "half a trailer": () => Buffer.concat([memberOf({ name: "f", content: "x" }), Buffer.alloc(512)]),
    "a trailer of many blocks": () => Buffer.concat([memberOf({ name: "f", content: "x" }), Buffer.alloc(200 * 512)]),
    "garbage behind the trailer": () => Buffer.concat([tarOf([{ name: "f", content: "x" }]), noise(3_000_000)]),
    "an archive behind the trailer": () => Buffer.concat([tarOf([{ name: "f", content: "x" }]), tarOf([{ name: "g", content: "y" }])]),
    "padding that is not zero": () => Buffer.concat([ustar("f", "0", 3), Buffer.from("abc"), Buffer.alloc(509, "#"), TRAILER]),
    "large files among small": () => tarOf([{ name: "a", content: noise(3_000_000) }, { name: "b", content: "x" }, { name: "c", content: noise(1 << 20) }, { name: "d", content: noise(511) }, { name: "e", content: noise(512) }]),
    "the same name again and again": () => tarOf([{ name: "f", content: "first" }, { name: "f", content: noise(5000) }, { name: "g", type: "link", linkName: "f" }, { name: "f", content: "third" }, { name: "f/", mode: 0o700 }, { name: "f", content: "fifth" }]),
    "files replaced through a hard link's name": () => tarOf([{ name: "f", content: "one" }, { name: "g", type: "link", linkName: "f" }, { name: "g", content: "two" }, { name: "f", content: "three" }]),
    "a directory with files that a file replaces": () => tarOf([{ name: "d/" }, { name: "d/a", content: noise(4000) }, { name: "d/e/" }, { name: "d/e/b", content: "b" }, { name: "d", content: "file now" }, { name: "d/x", content: "below it again" }]),
    "files that a whiteout of the same archive names": () => tarOf([{ name: "d/" }, { name: "d/f", content: "kept" }, { name: "d/.wh.f" }, { name: ".wh.d" }, { name: "d/.wh..wh..opq" }]),
    "files through symlinks": () => tarOf([{ name: "usr/" }, { name: "usr/lib/" }, { name: "lib", type: "symlink", linkName: "usr/lib" }, { name: "lib/a", content: "a" }, { name: "abs", type: "symlink", linkName: "/usr" }, { name: "abs/lib/b", content: "b" }, { name: "usr/lib/a", content: "a2" }, { name: "lib", content: "no link any more" }]),
    "files through a symlink that a directory replaces": () => tarOf([{ name: "real/" }, { name: "s", type: "symlink", linkName: "real" }, { name: "s/f", content: "in real" }, { name: "s/" }, { name: "s/f", content: "in s" }]),
    "names cleaned on the way": () => tarOf([{ name: "./a/" }, { name: "/a/./b/../c", content: "c" }, { name: "a//d", content: "d" }]),
    "whiteouts and AUFS metadata with content": () => tarOf([{ name: ".wh.x", content: "why not" }, { name: ".wh..wh.plnk/1", content: noise(2000) }, { name: ".wh..wh..opq", content: "y" }]),
    "a name with a slash that has content": () => Buffer.concat([ustar("d/", "0", 5), payload("12345"), memberOf({ name: "d/f", content: "x" }), TRAILER]),
    "content of a root entry": () => Buffer.concat([ustar("./", "5", 0), ustar(".", "0", 3), payload("abc"), TRAILER]),
    "bsdtar's records, a global header, odd number fields": () => {
      const records = formatPax([["ctime", "1700000000.5"], ["atime", "1700000001.25"], ["LIBARCHIVE.creationtime", "1"], ["SCHILY.dev", "66305"], ["SCHILY.ino", "7"], ["SCHILY.nlink", "1"], ["LIBARCHIVE.xattr.user.a", "MQ"], ["SCHILY.xattr.user.a", "1"]]);
      const global = formatPax([["comment", "0123456789abcdef0123456789abcdef01234567"]]);
      return Buffer.concat([
        ustar("pax_global_header", "g", global.length), payload(global), ustar("PaxHeader/f", "x", records.length), payload(records),
        ustar("f", "0", 4, { 100: "   644 \0", 108: "     0 \0", 124: "          4 ", 136: "   17000000 ", 265: "root", 297: "wheel", 500: "unused bytes" }), payload("text"), TRAILER,
      ]);
    },
    "names that are no UTF-8": () => tarOf([{ name: "\xff\xfe/", bytes: true }, { name: "\xff\xfe/\x80", bytes: true, content: "x" }, { name: "\xe9", bytes: true, content: "y" }]),
    "more headers than a member of the split file holds": () => tarOf(Array.from({ length: 1000 }, (_, i) => ({ name: `file-${i}`, content: String(i), xattrs: { "user.n": Buffer.from(String(i)) } }))),
  };

  describe("reassembly", () => {
    test.each(Object.keys(odd))("%s", async (name) => {
      const tar = odd[name]!();
      const { id } = await rig().apply(tar);
      expect((await rig().tar([id])).equals(tar)).toBe(true);
      expect((await rig().tar([id])).equals(tar)).toBe(true);
    });

    const tar = findProgram("tar");
    (tar ? test : test.skip).each(["gnu", "pax", "ustar", "v7"])(`an archive of the tar on this machine, --format=%s${tar ? "" : " (there is none)"}`, async (format) => {
      const dir = mkdtempSync(join(tmpdir(), "strata-tar-"));
      try {
        mkdirSync(join(dir, "d"));
        for (let i = 0; i < 50; i++) writeFileSync(join(dir, `d/${i}`), noise(i * 100));
        if (format !== "v7" && format !== "ustar") writeFileSync(join(dir, `d/${"n".repeat(200)}`), "long");
        symlinkSync("d/1", join(dir, "s"));
        writeFileSync(join(dir, "sparse"), "x");
        truncateSync(join(dir, "sparse"), 10 << 20);
        const bytes = execFileSync("tar", ["-c", `--format=${format}`, ...(format === "gnu" || format === "pax" ? ["--sparse", "--xattrs"] : []), "-C", dir, "."], { maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "ignore"] });
        const { id } = await rig().apply(bytes);
        expect((await rig().tar([id])).equals(bytes)).toBe(true);
      } finally { rmSync(dir, { recursive: true }); }
    });

    test("on top of other layers, whose files it deletes and replaces", async () => {
      const layers = [tarOf([{ name: "a", content: "1" }, { name: "d/" }, { name: "d/x", content: "x" }]), tarOf([{ name: "a", content: "2" }, { name: ".wh.d" }]), tarOf([{ name: "d/" }, { name: "d/x", content: "again" }, { name: ".wh.a" }])];
      const chain = await rig().chain(...layers);
      for (let i = 0; i < layers.length; i++) expect((await rig().tar(chain.slice(layers.length - 1 - i))).equals(layers[i]!)).toBe(true);
    });

    test("a lost, shortened or swapped file is DataLoss before the end", async () => {
      const bytes = tarOf([{ name: "d/" }, { name: "d/f", content: noise(3_000_000) }, { name: "g", content: "x" }]);
      const { id } = await rig().apply(bytes);
      const tree = rig().subject.tree(id);
      // A driver that keeps the tar itself has only that to lose.
      const whole = existsSync(join(tree, "layer.tar")), file = whole ? "layer.tar" : "d/f";
      const lost = { code: "DataLoss", message: expect.stringContaining(file) };
      truncateSync(join(tree, file), 100);
      await expect(rig().tar([id])).rejects.toMatchObject(lost);
      unlinkSync(join(tree, file));
      await expect(rig().tar([id])).rejects.toMatchObject(lost);
      symlinkSync("/etc/passwd", join(tree, file));
      await expect(rig().tar([id])).rejects.toMatchObject(lost);
      unlinkSync(join(tree, file));
      if (whole) return;
      renameSync(join(tree, "d"), join(tree, "moved"));
      symlinkSync("/etc", join(tree, "d"));
      await expect(rig().tar([id])).rejects.toMatchObject(lost);
    });
    test("a writable snapshot has no tar", async () => {
      await expect(rig().tar(await rig().create([]))).rejects.toMatchObject({ code: "NotFound" });
    });
    test("a reader that leaves early holds nothing up", async () => {
      const { id } = await rig().apply(tarOf([{ name: "f", content: noise(20 << 20) }]));
      for await (const chunk of await rig().driver.tar(id, [])) { expect((chunk as Buffer).length).toBeGreaterThan(0); break; }
      const unread = await rig().driver.tar(id, []);
      const slow = await rig().driver.tar(id, []);
      slow.read(1);
      expect((await rig().tar([id])).length).toBeGreaterThan(20 << 20);
      unread.destroy();
      slow.destroy();
    });
  });
}
