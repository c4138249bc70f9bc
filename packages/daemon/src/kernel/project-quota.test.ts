import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { mountOne, unmountSync } from "./mount.js";
import { probeProjectQuotas } from "./project-quota.js";
import { findProgram, run } from "./spawn.js";

const root = process.getuid?.() === 0;
/** Tests of a file system that this machine cannot make or mount are left out. */
const on = (type: string): typeof test.skip => {
  const known = readFileSync("/proc/filesystems", "utf8").split(/\s+/).includes(type) || existsSync(`/lib/modules/${release()}/kernel/fs/${type}`);
  const lacking = findProgram(`mkfs.${type}`) === undefined ? `no mkfs.${type}` : known ? undefined : `this kernel has no ${type}`;
  return ((name: string, work: () => Promise<void>) => (lacking === undefined ? test(name, work) : test.skip(`${name} (skipped: ${lacking})`, work))) as typeof test.skip;
};

(root ? describe : describe.skip)(`why a file system holds no directory to a size${root ? "" : " (skipped: needs root)"}`, () => {
  let dir: string, mounted: string;
  beforeEach(() => { dir = mkdtempSync(join(tmpdir(), "strata-projects-")); mounted = join(dir, "mounted"); mkdirSync(mounted); });
  afterEach(() => { unmountSync(mounted); rmSync(dir, { recursive: true }); });
  const image = async (megabytes: number, ...make: string[]): Promise<void> => {
    const file = join(dir, "image");
    await run("truncate", ["-s", `${megabytes}M`, file]);
    await run(make[0]!, [...make.slice(1), file]);
    await run("mount", ["-o", "loop", file, mounted]);
  };
  const reason = (): string => { const probe = probeProjectQuotas(join(mounted, "data")); return probe.ok ? "it does" : probe.reason; };

  test("tmpfs", () => {
    mountOne({ type: "tmpfs", source: "tmpfs", options: [] }, mounted);
    expect(reason()).toBe(`the file system (tmpfs at ${mounted}) has no project quotas; xfs and ext4 have them`);
    expect(readdirSync(join(mounted, "data"))).toEqual([]);
  });
  on("btrfs")("btrfs", async () => {
    await image(128, "mkfs.btrfs", "-q");
    expect(reason()).toMatch(/^the file system \(btrfs at .*\) has no project quotas/);
  });
  on("xfs")("xfs mounted without the option", async () => {
    await image(320, "mkfs.xfs", "-q");
    expect(reason()).toBe(`xfs at ${mounted} is mounted without pquota`);
  });
  on("ext4")("ext4 without them", async () => {
    await image(16, "mkfs.ext4", "-q");
    writeFileSync(join(mounted, "other"), "");
    expect(reason()).toMatch(/^ext4 at .* is mounted without prjquota, or was made without them/);
    expect(readdirSync(mounted).sort()).toEqual(["data", "lost+found", "other"]);
  });
});
