import { mkdirSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Daemon, type TestBed, daemonNeeds, importBusybox, needs, ok, run, setUp } from "../helpers/index.js";

const strata = resolve(__dirname, "../../../packages/cli/bin/strata.js");
const it = needs(...daemonNeeds, "docker");
const onBtrfs = needs(...daemonNeeds, "docker", "btrfs");
const withProjects = needs(...daemonNeeds, "docker", "projects");

const MB = 1 << 20;
let bed: TestBed;
setUp((made) => { bed = made; });

/** Writes zeros in a container, whose own words come with its exit code. */
const fill = (daemon: Daemon, megabytes: number, file: string, ...options: string[]) =>
  daemon.docker(["run", "--rm", ...options, "busybox", "dd", "if=/dev/zero", `of=${file}`, "bs=64k", `count=${megabytes * 16}`]);
const FULL = /No space left on device|Disk quota exceeded/;

describe("where nothing can be held to a size", () => {
  /** A data root in memory, while `use` runs. */
  const inMemory = async (name: string, use: (dataRoot: string) => Promise<void>): Promise<void> => {
    const dataRoot = bed.path(name);
    mkdirSync(dataRoot);
    await ok("mount", ["-t", "tmpfs", "tmpfs", dataRoot]);
    try { await use(dataRoot); } finally { await run("umount", ["-l", dataRoot]); }
  };

  it("a container's size is refused at its creation with driver and reason, and nothing is left", () => inMemory("tmpfs", async (dataRoot) => {
    const daemon = bed.prepare({ dataRoot, storageDriver: "overlay2" });
    try {
      await daemon.start();
      await importBusybox(daemon);
      const { code, stderr } = await daemon.docker(["create", "--name", "sized", "--storage-opt", "size=10m", "-v", "/anonymous", "busybox"]);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/the storage driver overlay2 cannot limit the size of a container here: the file system \(tmpfs at .*\) has no project quotas/)]);
      const { status, json } = await daemon.api("POST", "/containers/create", { json: { Image: "busybox", HostConfig: { StorageOpt: { size: "10m" } } } });
      expect([status, json.message]).toEqual([400, expect.stringContaining("overlay2 cannot limit")]);
      for (const [StorageOpt, message] of [[{ size: "much" }, 'storage-opt size: "much" is not a size'], [{ other: "1" }, "unknown storage option other"]] as const) {
        const answer = await daemon.api("POST", "/containers/create", { json: { Image: "busybox", HostConfig: { StorageOpt } } });
        expect([answer.status, answer.json.message]).toEqual([400, expect.stringContaining(message)]);
      }
      expect(await daemon.dockerOk("ps", "-aq")).toBe("");
      expect(await daemon.dockerOk("volume", "ls", "-q")).toBe("");
      expect(readdirSync(join(daemon.dataRoot, "containers"))).toEqual([]);
      expect(readdirSync(join(daemon.dataRoot, "overlay2")).filter((name) => name.includes("-init"))).toEqual([]);

      const volume = await daemon.docker(["volume", "create", "-o", "size=10m", "sized"]);
      expect([volume.code, volume.stderr]).toEqual([1, expect.stringMatching(/size: a volume cannot be held to a size here: the file system \(tmpfs at .*\) has no project quotas/)]);
      expect((await daemon.api("POST", "/volumes/create", { json: { Name: "sized", DriverOpts: { size: "10m" } } })).status).toBe(400);
      expect(readdirSync(join(daemon.dataRoot, "volumes"))).toEqual([]);

      // A tmpfs has a size of its own.
      await daemon.dockerOk("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=2m", "memory");
      expect(await fill(daemon, 4, "/v/big", "-v", "memory:/v")).toMatchObject({ code: 1, stderr: expect.stringMatching(FULL) });
    } finally { await daemon.destroy(); }
  }), 180_000);

  it("a size for all containers is refused at the start", () => inMemory("tmpfs2", async (dataRoot) => {
    const refused = bed.prepare({ dataRoot, storageDriver: "overlay2", flags: ["--storage-opt", "overlay2.size=10G"] });
    expect(await refused.launch().exit).toBe(1);
    expect(refused.output).toMatch(/storage-opt overlay2\.size: the storage driver overlay2 cannot limit .*tmpfs/);
  }), 120_000);
});

describe("volumes with a size", () => {
  const lives = async (daemon: Daemon): Promise<void> => {
    await daemon.dockerOk("volume", "create", "-o", "size=20m", "box");
    expect((await daemon.inspect("box", "volume")).Options).toEqual({ size: "20m" });
    await daemon.dockerOk("run", "--rm", "-v", "box:/v", "busybox", "sh", "-c", "echo kept > /v/first");
    expect(await fill(daemon, 30, "/v/big", "-v", "box:/v")).toMatchObject({ code: 1, stderr: expect.stringMatching(FULL) });
    const data = join(daemon.dataRoot, "volumes/box/_data");
    expect(readFileSync(join(data, "first"), "utf8")).toBe("kept\n");
    expect(statSync(join(data, "big")).size).toBeGreaterThan(15 * MB);

    // It grows: by our command, by the same create again, and stays so over a restart.
    expect(await ok(process.execPath, [strata, "volume", "update", "box", "--size", "40m"], { env: { ...daemon.env(), STRATA_HOST: `unix://${daemon.socket}` } })).toBe("box");
    expect((await daemon.inspect("box", "volume")).Options).toEqual({ size: "40m" });
    expect(await fill(daemon, 30, "/v/big", "-v", "box:/v")).toMatchObject({ code: 0 });
    await daemon.dockerOk("volume", "create", "-o", "size=50m", "box");
    await daemon.restart();
    expect(await fill(daemon, 15, "/v/more", "-v", "box:/v")).toMatchObject({ code: 0 });
    expect(await fill(daemon, 10, "/v/evenmore", "-v", "box:/v")).toMatchObject({ code: 1, stderr: expect.stringMatching(FULL) });

    for (const [body, message] of [[{ Spec: {} }, "no cluster volumes"], [{ Options: { type: "tmpfs", size: "1m" } }, '"type" of a volume cannot be changed'], [{}, "a size is missing"], [{ Options: { size: "-1" } }, "is not a size"]] as const) {
      const answer = await daemon.api("PUT", "/volumes/box", { query: { version: 1 }, json: body });
      expect([answer.status, answer.json.message]).toEqual([400, expect.stringContaining(message)]);
    }
    expect((await daemon.api("PUT", "/volumes/none", { json: { Options: { size: "1m" } } })).status).toBe(404);
    const { status, json } = await daemon.api("PUT", "/volumes/box", { json: { Options: { size: "60m" } } });
    expect([status, json]).toEqual([200, expect.objectContaining({ Name: "box", Options: { size: "60m" } })]);
    await daemon.dockerOk("volume", "rm", "box");
    expect(readdirSync(join(daemon.dataRoot, "volumes"))).toEqual([]);
  };

  onBtrfs("on btrfs", async () => {
    const dataRoot = bed.path("btrfs");
    mkdirSync(dataRoot);
    await ok("truncate", ["-s", "1G", bed.path("image")]);
    await ok("mkfs.btrfs", ["-q", bed.path("image")]);
    await ok("mount", ["-o", "loop", bed.path("image"), dataRoot]);
    const daemon = bed.prepare({ dataRoot });
    try {
      await daemon.start();
      await importBusybox(daemon);
      await lives(daemon);
      await daemon.stop();
      expect(await ok("btrfs", ["subvolume", "list", join(dataRoot, "volumes")])).toBe("");
    } finally {
      await daemon.destroy();
      await run("umount", ["-l", dataRoot]);
    }
  }, 180_000);
  withProjects("by project quotas", async () => lives(await bed.daemonWithBusybox()), 300_000);
});

describe("containers with a size", () => {
  withProjects("overlay2: one of their own, and one for all", async () => {
    const daemon = await bed.daemonWithBusybox({ storageDriver: "overlay2", flags: ["--storage-opt", "overlay2.size=30m"] });
    expect(await fill(daemon, 20, "/big", "--storage-opt", "size=10m")).toMatchObject({ code: 1, stderr: expect.stringMatching(FULL) });
    expect(await fill(daemon, 20, "/big")).toMatchObject({ code: 0 });
    expect(await fill(daemon, 40, "/big")).toMatchObject({ code: 1, stderr: expect.stringMatching(FULL) });
    await daemon.dockerOk("run", "-d", "--name", "sized", "--storage-opt", "size=10m", "busybox", "sleep", "1000");
    expect((await daemon.inspect("sized")).HostConfig.StorageOpt).toEqual({ size: "10m" });
    expect(await daemon.dockerOk("exec", "sized", "df", "-m", "/")).toMatch(/\s10\s/);
    await daemon.restart();
    expect(await daemon.docker(["exec", "sized", "dd", "if=/dev/zero", "of=/big", "bs=64k", "count=320"])).toMatchObject({ code: 1, stderr: expect.stringMatching(FULL) });
    await daemon.dockerOk("rm", "-f", "sized");
  }, 300_000);
});
