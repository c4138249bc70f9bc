import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, type TestBed, busyboxTar, daemonNeeds, importBusybox, mountsBelow, needs, ok, run, setUp, until, which } from "../helpers/index.js";

const withFuse = needs(...daemonNeeds, "docker", "fuseOverlayfs");
const it = { "overlay": needs(...daemonNeeds, "docker"), "fuse-overlayfs": withFuse, "aufs": withFuse };
const drivers = ["overlay", "fuse-overlayfs", "aufs"] as const;

let bed: TestBed;
setUp((made) => { bed = made; });

/** Files below a folder, with the directories that hold none left out. */
const filesBelow = (folder: string): string[] =>
  (existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : []).filter((name) => !statSync(join(folder, name), { throwIfNoEntry: false })?.isDirectory());
/** Processes whose command line names a folder. */
const served = (folder: string): string[] => readdirSync("/proc").filter((pid) => {
  try { return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("/usr/bin/fuse-overlayfs") && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(folder); } catch { return false; }
});

const work = [
  "echo changed > /etc/passwd", "rm /etc/group", "mkdir -p /srv/a/b", "echo f > /srv/a/b/f", "ln /srv/a/b/f /srv/hard", "ln -s ../nowhere /srv/soft", "mknod /srv/pipe p", "mknod /srv/null c 1 3",
  "cp /bin/busybox /srv/su", "chmod 4755 /srv/su", "chown 1234567:7654321 /srv/a", "rm -r /home", "mkdir /home", "mv /tmp /moved", "touch -d '2001-02-03 04:05:06' /srv/old",
].join(" && ");
const listing = "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /etc/hosts -o -path /etc/hostname -o -path /etc/resolv.conf -o -path /etc/mtab -o -path /.dockerenv \\) -prune -o -type d -o -print | sort | while read f; do stat -c '%n %f %u %g %s %Y %t %T' \"$f\"; done; stat -c '%n %f %u %g' /srv/a";

describe.each(drivers)("%s", (driver) => {
  it[driver]("keeps images and containers, over restarts, and leaves nothing", async () => {
    const daemon = await bed.daemonWithBusybox({ storageDriver: driver });
    const root = join(daemon.dataRoot, driver);
    try {
      expect(await daemon.dockerOk("info", "--format", "{{.Driver}}")).toBe(driver);
      const status = JSON.parse(await daemon.dockerOk("info", "--format", "{{json .DriverStatus}}")) as [string, string][] | null;
      expect((status ?? []).map(([name]) => name)).toEqual({ "overlay": ["Backing Filesystem", "Supports d_type"], "fuse-overlayfs": [], "aufs": ["Root Dir", "Backing Filesystem", "Dirs", "Dirperm1 Supported"] }[driver]);
      const image = await daemon.inspect("busybox", "image");
      expect(image.RootFS.Layers).toEqual([`sha256:${(await ok("sha256sum", [await busyboxTar()])).split(" ")[0]!}`]);
      expect(image.GraphDriver.Name).toBe(driver);
      expect(Object.keys(image.GraphDriver.Data ?? {}).sort()).toEqual({ "overlay": ["RootDir"], "fuse-overlayfs": ["MergedDir", "UpperDir", "WorkDir"], "aufs": [] }[driver]);

      await daemon.dockerOk("run", "--name", "writer", "busybox", "sh", "-c", work);
      const diff = (await daemon.dockerOk("diff", "writer")).split("\n").sort();
      expect(diff).toEqual(["A /moved", "A /srv", "A /srv/a", "A /srv/a/b", "A /srv/a/b/f", "A /srv/hard", "A /srv/null", "A /srv/old", "A /srv/pipe", "A /srv/soft", "A /srv/su", "C /etc", "C /etc/passwd", "D /etc/group", "D /tmp"].sort());
      await daemon.dockerOk("commit", "writer", "written");
      const shown = await daemon.dockerOk("run", "--rm", "written", "sh", "-c", listing);
      expect(shown).toContain("/srv/su 89ed 0 0 ");
      expect(shown).toContain("/srv/a 41ed 1234567 7654321");
      expect(shown).not.toContain("/etc/group");

      // Another driver makes the same of its layers, whose bytes are those of their diff IDs.
      const archive = bed.path(`${driver}.tar`);
      await daemon.dockerOk("save", "-o", archive, "written");
      const folder = bed.path(`${driver}-saved`);
      mkdirSync(folder);
      await ok("tar", ["-xf", archive, "-C", folder]);
      const layers = (JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as { Layers: string[] }[])[0]!.Layers;
      const digests = await Promise.all(layers.map(async (path) => `sha256:${(await ok("sha256sum", [join(folder, path)])).split(" ")[0]!}`));
      expect(digests).toEqual((await daemon.inspect("written", "image")).RootFS.Layers);
      const other = await bed.daemon({ storageDriver: "overlay2" });
      await other.dockerOk("load", "-i", archive);
      expect(await other.dockerOk("run", "--rm", "written", "sh", "-c", listing)).toBe(shown);
      await other.destroy();

      // A running container keeps its tree while the daemon is away, and is the daemon's again afterwards.
      await daemon.dockerOk("run", "-d", "--name", "goes-on", "busybox", "sh", "-c", "i=0; while true; do i=$((i+1)); echo $i > /count; usleep 50000; done");
      const count = async (): Promise<number> => Number(await daemon.dockerOk("exec", "goes-on", "cat", "/count"));
      await until(async () => ((await count()) > 1 ? true : undefined), 10_000, "the first counts");
      const programs = served(root);
      expect(programs).toHaveLength(driver === "overlay" ? 0 : 1);
      const before = await count();
      await daemon.stop();
      expect(served(root)).toEqual(programs);
      await daemon.start();
      await until(async () => ((await count()) > before ? true : undefined), 10_000, "it to count on");
      await daemon.kill9();
      await daemon.start();
      const again = await count();
      await until(async () => ((await count()) > again ? true : undefined), 10_000, "it to count on after a crash");
      expect(served(root)).toEqual(programs);
      expect((await daemon.dockerOk("diff", "goes-on")).split("\n")).toEqual(["A /count"]);
      await daemon.dockerOk("exec", "goes-on", "sh", "-c", "echo kept > /kept; rm /etc/group");
      await daemon.dockerOk("restart", "-t", "0", "goes-on");
      expect(await daemon.dockerOk("exec", "goes-on", "sh", "-c", "cat /kept; ls /etc/group 2>&1 || true")).toMatch(/^kept\n.*No such file/);
      await until(() => (served(root).length === programs.length ? true : undefined), 10_000, "the program of the former mount to end");
      if (driver !== "overlay") {
        // Its program is gone, and the container with it; it can be started again.
        process.kill(Number(served(root)[0]), "SIGKILL");
        expect((await daemon.docker(["exec", "goes-on", "cat", "/kept"])).code).not.toBe(0);
        await daemon.dockerOk("restart", "-t", "0", "goes-on");
        expect(await daemon.dockerOk("exec", "goes-on", "cat", "/kept")).toBe("kept");
      }

      await daemon.dockerOk("rm", "-f", "writer", "goes-on");
      await daemon.dockerOk("rmi", "written", "busybox");
      const left = (): string[] => [...filesBelow(root), ...readdirSync(join(daemon.dataRoot, "trash")), ...mountsBelow(daemon.dataRoot), ...served(root)];
      await until(() => (left().length === 0 ? true : undefined), 20_000, () => `nothing to be left: ${left().join(" ")}`);
    } finally { await daemon.destroy(); }
  }, 180_000);

  it[driver]("runs programs that want much of a file system", async () => {
    const daemon = await bed.daemonWithBusybox({ storageDriver: driver });
    try {
      const sh = (script: string, ...flags: string[]): Promise<string> => daemon.dockerOk("run", "--rm", ...flags, "busybox", "sh", "-c", script);
      expect(await sh("id -u; echo x > /tmp/x 2>&1; cat /etc/passwd | wc -l", "--user", "1000")).toMatch(/^1000\n(?:.*denied\n)?3$/);
      expect(await sh("cp /bin/busybox /su && chmod 4755 /su && ln -s /su /tmp/id && chown 1000 /tmp && (echo '/tmp/id -u' > /s; chmod 755 /s; stat -c %a /su)")).toBe("4755");
      expect(await sh("dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null; md5sum /big; rm /big; ls /big 2>&1 | wc -l")).toContain("7f614da9329cd3aebf59b91aadc30bf0");
      expect(await sh("for i in $(seq 300); do echo $i > /d$i; mv /d$i /e$i; done; ls / | grep -c ^e[0-9]")).toBe("300");
      const results = await Promise.all(Array.from({ length: 6 }, (_, i) => sh(`echo ${i} > /n; sleep 0.2; cat /n`)));
      expect(results).toEqual(["0", "1", "2", "3", "4", "5"]);
    } finally { await daemon.destroy(); }
  }, 120_000);
});

describe("fuse-overlayfs", () => {
  withFuse("is named with its package where it is missing", async () => {
    const daemon = bed.prepare({ storageDriver: "fuse-overlayfs" });
    const empty = bed.path("empty");
    mkdirSync(empty);
    expect(which("fuse-overlayfs")).toBeDefined();
    // A mount namespace in which the program's place holds something that cannot be run.
    writeFileSync(join(empty, "none"), "", { mode: 0o644 });
    const { code, stderr, stdout } = await run("unshare", ["-m", "sh", "-c", `mount --bind ${join(empty, "none")} ${which("fuse-overlayfs")!} && exec ${process.execPath} ${join(__dirname, "../../../packages/daemon/bin/stratad.js")} ${daemon.flags().join(" ")}`], { timeoutMs: 30_000 });
    expect(code).toBe(1);
    expect(`${stderr}${stdout}`).toMatch(/the storage driver fuse-overlayfs does not work here: .*not installed.*package fuse-overlayfs/);
  }, 60_000);

  withFuse("is the best where the data root lies on overlayfs", async () => {
    const folder = bed.path("nested");
    for (const name of ["low", "up", "work", "m"]) mkdirSync(join(folder, name), { recursive: true });
    await ok("mount", ["-t", "overlay", "overlay", "-o", `lowerdir=${folder}/low,upperdir=${folder}/up,workdir=${folder}/work`, join(folder, "m")]);
    try {
      const daemon: Daemon = await bed.daemon({ dataRoot: join(folder, "m/data") });
      try {
        expect(await daemon.dockerOk("info", "--format", "{{.Driver}}")).toBe("fuse-overlayfs");
        await importBusybox(daemon);
        await daemon.dockerOk("run", "--name", "ww", "busybox", "sh", "-c", work);
        expect((await daemon.dockerOk("diff", "ww")).split("\n")).toContain("D /etc/group");
        await daemon.dockerOk("commit", "ww", "written");
        expect(await daemon.dockerOk("run", "--rm", "written", "cat", "/etc/passwd")).toBe("changed");
        await daemon.dockerOk("rm", "ww");
      } finally { await daemon.destroy(); }
      for (const target of mountsBelow(join(folder, "m/data"))) await run("umount", ["-l", target]);
    } finally { await ok("umount", ["-l", join(folder, "m")]); }
  }, 120_000);
});
