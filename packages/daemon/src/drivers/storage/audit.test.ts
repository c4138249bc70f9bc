import { chmodSync, chownSync, closeSync, linkSync, lutimesSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Member } from "../../archive/testing/tar-of.js";
import { WorkerPool } from "../../archive/workers/pool.js";
import { silentLogger } from "../../core/logger.js";
import { AT_FDCWD, lremovexattr, lsetxattr, mknodat } from "../../kernel/libc.js";
import { S_IFCHR } from "../../kernel/stat.js";
import { openOverlay2 } from "./overlay2/overlay2.js";
import { probeOverlay } from "./overlay/probe.js";
import { CAPABILITY } from "./testing/layers-suite.js";
import { Rig, type Subject, vfsRig } from "./testing/rig.js";

const reason = ((): string | undefined => {
  if (process.getuid?.() !== 0) return "needs root: owners, devices, attributes";
  const dir = mkdtempSync(join(tmpdir(), "strata-probe-"));
  try {
    const probe = probeOverlay(join(dir, "overlay2"));
    return probe.ok ? undefined : probe.reason;
  } finally { rmSync(dir, { recursive: true }); }
})();

const mtime = { seconds: 1_000_000_000, nanos: 0 };
const LOWER: Member[] = [{ name: "old/" }, { name: "old/f" }, { name: "gone" }];
const LAYER: Member[] = [
  { name: "d/", mtime, mode: 0o2750 }, { name: "d/f", content: "text", mtime, mode: 0o4755, uid: 5, gid: 6, xattrs: { "user.a": Buffer.from("1"), "security.capability": CAPABILITY } }, { name: "d/g", type: "link", linkName: "d/f" },
  { name: "sparse", size: 4 << 20, sparse: [{ offset: 1 << 20, length: 5 }, { offset: 3 << 20, length: 5 }], content: "helloworld", mtime }, { name: "empty", mtime }, { name: "s", type: "symlink", linkName: "empty", mtime }, { name: "null", type: "char", major: 1, minor: 3, mtime }, { name: "implied/f", mtime },
  { name: ".wh.gone" }, { name: "old/", mtime }, { name: "old/.wh..wh..opq" },
];

function write(file: string, at: number, text: string): void {
  const fd = openSync(file, "r+");
  writeSync(fd, text, at);
  closeSync(fd);
}

type Change = readonly [name: string, change: (at: (path: string) => string) => void, found: string];
/** What names alone tell; a change that moves the time of its directory says so, too. */
const ANYWHERE: readonly Change[] = [
  ["mode", (at) => chmodSync(at("d/f"), 0o755), "/d/f has mode 755, not 4755"],
  ["mode of a directory", (at) => chmodSync(at("d"), 0o777), "/d has mode 777, not 2750"],
  ["owner", (at) => { chownSync(at("empty"), 1, 2); }, "/empty belongs to 1:2, not 0:0"],
  ["time", (at) => utimesSync(at("empty"), 1, 1_000_000_001), "/empty is of 2001-09-09T01:46:41.000Z, not 2001-09-09T01:46:40.000Z"],
  ["time of a symlink", (at) => lutimesSync(at("s"), 1, 7), "/s is of 1970-01-01T00:00:07.000Z, not 2001-09-09T01:46:40.000Z"],
  ["time of a directory", (at) => utimesSync(at("d"), 1, 7), "/d is of 1970-01-01T00:00:07.000Z, not 2001-09-09T01:46:40.000Z"],
  ["attribute", (at) => lsetxattr(at("d/f"), "user.a", Buffer.from("2")), "/d/f has another attribute user.a"],
  ["attribute that is gone", (at) => lremovexattr(at("d/f"), "user.a"), "/d/f has no attribute user.a"],
  ["capability that is gone", (at) => lremovexattr(at("d/f"), "security.capability"), "/d/f has no attribute security.capability"],
  ["target of a symlink", (at) => { unlinkSync(at("s")); symlinkSync("/etc/shadow", at("s")); lutimesSync(at("s"), 1, mtime.seconds); }, "/s leads to \"/etc/shadow\", not \"empty\""],
  ["device", (at) => { unlinkSync(at("null")); mknodat(AT_FDCWD, at("null"), S_IFCHR | 0o644, 256 + 1); utimesSync(at("null"), 1, mtime.seconds); }, "/null is device 1:1, not 1:3"],
  ["empty file that is gone", (at) => unlinkSync(at("empty")), "/empty is missing"],
  ["kind", (at) => { unlinkSync(at("empty")); mkdirSync(at("empty")); }, "/empty is of another kind"],
  ["length of an empty file", (at) => { writeFileSync(at("empty"), "x"); utimesSync(at("empty"), 1, mtime.seconds); }, "/empty has 1 bytes, not 0"],
  ["what a sparse file holds", (at) => { write(at("sparse"), 3 << 20, "w0rld"); utimesSync(at("sparse"), 1, mtime.seconds); }, "/sparse holds other bytes"],
  ["what fills the hole of a sparse file", (at) => { write(at("sparse"), 2 << 20, "x"); utimesSync(at("sparse"), 1, mtime.seconds); }, "/sparse holds other bytes"],
  ["a hard link that is another file", (at) => { unlinkSync(at("implied/f")); linkSync(at("empty"), at("implied/f")); utimesSync(at("implied"), 0, 0); }, "/implied/f is a hard link to another file"],
];
const IN_OVERLAYS: readonly Change[] = [
  ["an attribute more", (at) => lsetxattr(at("d"), "user.b", Buffer.from("2")), "/d has an attribute user.b, which is not in the tar"],
  ["a file more", (at) => writeFileSync(at("implied/more"), ""), "/implied is of "],
  ["a mark that is gone", (at) => unlinkSync(at("gone")), "/gone is missing"],
  ["an opaque mark that is gone", (at) => lremovexattr(at("old"), "trusted.overlay.opaque"), "/old does not hide what lies below"],
  ["an opaque mark more", (at) => lsetxattr(at("d"), "trusted.overlay.opaque", Buffer.from("y")), "/d hides what lies below"],
  ["mode of a directory that only its files name", (at) => chmodSync(at("implied"), 0o700), "/implied has mode 700, not 755"],
  ["mode of the root", (at) => chmodSync(at("."), 0o700), "/ has mode 700, not 755"],
];

const subjects: readonly (readonly [string, (workers: WorkerPool) => Promise<Rig>, readonly Change[]])[] = [
  ["vfs", async (workers) => vfsRig(workers), ANYWHERE],
  ["overlay2", (workers) => Rig.open(async (dataRoot): Promise<Subject> => {
    const root = join(dataRoot, "overlay2");
    return { driver: await openOverlay2({ root, trash: join(dataRoot, "trash"), workers, options: new Map(), report: () => undefined, logger: silentLogger }), crashes: [], tree: (id) => join(root, id, "diff") };
  }, workers), [...ANYWHERE, ...IN_OVERLAYS]],
];

(reason === undefined ? describe : describe.skip).each(subjects)(`an audit of a layer on %s${reason === undefined ? "" : ` (skipped: ${reason})`}`, (_, open, changes) => {
  let workers: WorkerPool, rig: Rig;
  beforeAll(() => { workers = new WorkerPool({ idleMs: 60_000 }); });
  afterAll(() => workers.close());
  beforeEach(async () => { rig = await open(workers); });
  afterEach(async () => { try { expect(await rig.leftovers()).toEqual([]); } finally { await rig.destroy(); } });

  test.each(changes)("finds: %s", async (_name, change, found) => {
    const [id, ...parents] = await rig.chain(LOWER, LAYER);
    change((path) => join(rig.subject.tree(id!), path));
    const { detail, mend } = await rig.driver.audit(id!, parents) ?? {};
    expect(detail).toContain(`its files are not what its tar says: ${found}`);
    expect(mend).toBeUndefined();
  });

  test("tells a few, and how many more there are", async () => {
    const [id] = await rig.chain(["a", "b", "c", "d", "e"].map((name) => ({ name })));
    for (const name of "abcde") rmSync(join(rig.subject.tree(id!), name));
    expect((await rig.driver.audit(id!, []))!.detail).toBe("its files are not what its tar says: /a is missing; /b is missing; /c is missing; and 2 more");
  });
});
