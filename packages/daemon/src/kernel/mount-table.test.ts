import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mount, umount } from "./libc.js";
import { mountOf, mountsBelow, parseMountInfo, readMountTable } from "./mount-table.js";

const table = parseMountInfo(`22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 22 0:26 / /data rw,nosuid,relatime - tmpfs tmpfs rw,size=1024k
31 30 0:50 / /data/with\\040space\\011and\\134more ro - overlay overlay rw,lowerdir=/a:/b
32 22 254:0 /volumes/x /database rw shared:3 master:2 - ext4 /dev/vda
33 31 0:51 / /data/with\\040space\\011and\\134more/below rw - proc proc rw
`);

test("lines of mountinfo, escapes undone, with and without optional fields", () => {
  expect(table).toHaveLength(5);
  expect(table[2]).toEqual({ id: 31, parent: 30, target: "/data/with space\tand\\more", root: "/", type: "overlay", source: "overlay", options: ["ro"], superOptions: ["rw", "lowerdir=/a:/b"], shared: false, slave: false });
  expect(table[3]).toMatchObject({ target: "/database", root: "/volumes/x", shared: true, slave: true, source: "/dev/vda" });
});
test("mounts at or below a path, not beside it", () => {
  expect(mountsBelow("/data", table).map((entry) => entry.id)).toEqual([30, 31, 33]);
  expect(mountsBelow("/data/with space\tand\\more", table).map((entry) => entry.id)).toEqual([31, 33]);
  expect(mountsBelow("/dat", table)).toEqual([]);
});
test("the mount that holds a path", () => {
  const holder = (path: string): number | undefined => mountOf(path, table)?.id;
  expect([holder("/etc"), holder("/data"), holder("/data/x/y"), holder("/data/with space\tand\\more/below/1"), holder("/databases")]).toEqual([22, 30, 30, 33, 22]);
});
test("this machine's own", () => expect(mountOf("/proc/self", readMountTable())?.type).toBe("proc"));

const why = process.getuid?.() === 0 ? "" : " (skipped: needs root)";
(why === "" ? test : test.skip)(`a mount point is found whatever its name${why}`, () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "strata a\\b\tc-")));
  mount("none", folder, "tmpfs", 0);
  try {
    expect(mountsBelow(folder).map(({ target, type }) => [target, type])).toEqual([[folder, "tmpfs"]]);
  } finally {
    umount(folder);
    rmSync(folder, { recursive: true });
  }
});
