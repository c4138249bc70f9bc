import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, daemonNeeds, importBusybox, needs, ok, TestBed, unmet } from "../helpers/index.js";

const wanted = [...daemonNeeds, "docker", "loop", "btrfs"] as const;
const it = needs(...wanted);

describe("a data root on btrfs", () => {
  let bed: TestBed, disk: string, daemon: Daemon;
  if (unmet(wanted) === undefined) {
    beforeAll(async () => {
      bed = await TestBed.create();
      disk = bed.path("disk");
      mkdirSync(disk);
      await ok("truncate", ["-s", "2G", bed.path("image")]);
      await ok("mkfs.btrfs", ["-q", bed.path("image")]);
      await ok("mount", ["-o", "loop", bed.path("image"), disk]);
      daemon = bed.prepare({ dataRoot: join(disk, "data"), storageDriver: "btrfs", flags: ["--storage-opt", "btrfs.min_space=1m"] });
      await daemon.start();
      await importBusybox(daemon);
    });
    afterAll(async () => {
      await daemon.destroy();
      await ok("umount", [disk]);
      await bed.close();
    });
  }
  const subvolumes = (): string[] => readdirSync(join(disk, "data/btrfs/subvolumes"));

  it("imports, runs, tells changes and commits", async () => {
    expect(await daemon.dockerOk("info", "--format", "{{.Driver}} {{.DriverStatus}}")).toMatch(/^btrfs \[\[Btrfs ?\] \[Quota disabled\]\]/);
    await daemon.dockerOk("run", "--name", "first", "busybox", "sh", "-c", "echo hello >/etc/new && rm /etc/group");
    expect((await daemon.dockerOk("diff", "first")).trim().split("\n").sort()).toEqual(["A /etc/new", "C /etc", "D /etc/group"]);
    expect((await daemon.inspect("first")).GraphDriver).toMatchObject({ Name: "btrfs" });
    expect(subvolumes()).toHaveLength(3);
    await daemon.dockerOk("commit", "first", "changed");
    expect(await daemon.dockerOk("run", "--rm", "changed", "sh", "-c", "cat /etc/new; ls /etc")).toBe("hello\nhostname\nhosts\nmtab\nnew\npasswd\nresolv.conf");
  });

  it("limits what a container writes", async () => {
    const fill = (size: string, mib: number) => daemon.docker(["run", "--rm", "--storage-opt", `size=${size}`, "busybox", "dd", "if=/dev/zero", "of=/fill", "bs=1M", `count=${mib}`]);
    const full = await fill("20m", 40);
    expect(full.code).not.toBe(0);
    expect(full.stderr).toContain("quota exceeded");
    expect((await fill("20m", 10)).code).toBe(0);
    const tooSmall = await fill("100k", 1);
    expect(tooSmall.stderr).toContain("btrfs.min_space");
    expect(await daemon.dockerOk("info", "--format", "{{.DriverStatus}}")).toContain("[Quota enabled]");
  });

  it("what it stored runs and goes under another driver", async () => {
    await daemon.dockerOk("rm", "first");
    await daemon.stop();
    for (const driver of ["overlay2", "vfs"]) {
      const other = bed.prepare({ dataRoot: join(disk, "data"), storageDriver: driver });
      await other.start();
      expect(await other.dockerOk("info", "--format", "{{.Driver}}")).toBe(driver);
      expect(await other.dockerOk("run", "--name", `by-${driver}`, "changed", "cat", "/etc/new")).toBe("hello");
      expect((await other.inspect(`by-${driver}`)).GraphDriver.Name).toBe("btrfs");
      await other.dockerOk("rm", `by-${driver}`);
      if (driver === "vfs") {
        await other.dockerOk("rmi", "changed", "busybox");
        await other.dockerOk("image", "prune", "-af");
        for (let tries = 0; subvolumes().length > 0 && tries < 100; tries++) await new Promise((later) => setTimeout(later, 100));
        expect(subvolumes()).toEqual([]);
      }
      await other.stop();
    }
    expect(existsSync(join(disk, "data/vfs/dir")) ? readdirSync(join(disk, "data/vfs/dir")) : []).toEqual([]);
    expect(await ok("btrfs", ["subvolume", "list", disk])).toBe("");
  });
});
