import { type Daemon, daemonNeeds, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");

let daemon: Daemon;
setUp(async (bed) => { daemon = await bed.daemonWithBusybox(); });

describe("what the daemon says of itself", () => {
  it("answers a ping with and without a version, with Docker's headers", async () => {
    for (const path of ["/_ping", "/v1.24/_ping", "/v1.51/_ping"]) {
      const { status, headers, text } = await daemon.api("GET", path);
      expect([status, text]).toEqual([200, "OK"]);
      expect(headers["api-version"]).toMatch(/^1\.\d+$/);
      expect(headers).toMatchObject({ ostype: "linux", "docker-experimental": "false", "builder-version": expect.any(String) });
      expect((await daemon.api("HEAD", path)).headers["content-type"]).toMatch(/^text\/plain/);
    }
    expect((await daemon.api("GET", "/v1.10/_ping")).status).toBe(400);
    expect((await daemon.api("GET", "/v9.99/containers/json")).status).toBe(400);
    const { status, json } = await daemon.api("GET", "/no/such/page");
    expect([status, json]).toEqual([404, { message: "page not found" }]);
  });

  it("serves version and info", async () => {
    const version = JSON.parse(await daemon.dockerOk("version", "--format", "json")) as { Server: Record<string, string> };
    expect(version.Server).toMatchObject({ Os: "linux", Arch: "amd64", ApiVersion: expect.stringMatching(/^1\./) });
    const info = JSON.parse(await daemon.dockerOk("info", "--format", "json"));
    expect(info).toMatchObject({ OSType: "linux", Driver: expect.stringMatching(/^(erofs|overlay2)$/), DockerRootDir: daemon.dataRoot, Images: 1, NCPU: expect.any(Number), MemTotal: expect.any(Number) });
    expect(info.DriverStatus).toEqual(expect.arrayContaining([["Backing Filesystem", expect.any(String)], ["Supports d_type", "true"]]));
    expect(info.ServerErrors ?? []).toEqual([]);
    expect(await daemon.dockerOk("info")).toMatch(/Storage Driver: (erofs|overlay2)\n\s+Backing Filesystem: \w+/);
  });
});

describe("events", () => {
  it("tell a container's life live, and again when asked for the past", async () => {
    const since = Math.floor(Date.now() / 1000) - 1;
    const live = daemon.dockerStart("events", "--format", "{{.Type}} {{.Action}} {{index .Actor.Attributes \"name\"}} {{index .Actor.Attributes \"exitCode\"}}", "--filter", "type=container");
    await until(async () => {
      await daemon.dockerOk("run", "--rm", "--name", "probe", "busybox", "true");
      return live.output.includes("destroy probe") ? true : undefined;
    }, 20_000, "the stream's start");
    live.output = "";
    await daemon.docker(["run", "--rm", "--name", "told", "busybox", "sh", "-c", "exit 3"]);
    await live.waitFor(/destroy told/);
    live.kill("SIGKILL");
    const told = live.output.split("\n").filter((line) => line.includes(" told")).map((line) => line.trim());
    expect(told).toEqual(["container create told", "container attach told", "container start told", "container die told 3", "container destroy told"]);
    const past = (await daemon.dockerOk("events", "--since", String(since), "--until", String(Math.floor(Date.now() / 1000) + 1), "--filter", "container=told", "--format", "{{.Action}}")).split("\n");
    expect(past).toEqual(["create", "attach", "start", "die", "destroy"]);
  }, 60_000);

  it("tell of images, volumes and networks", async () => {
    const since = String(Date.now() / 1000);
    await daemon.dockerOk("tag", "busybox", "seen:1");
    await daemon.dockerOk("rmi", "seen:1");
    await daemon.dockerOk("volume", "create", "seen");
    await daemon.dockerOk("volume", "rm", "seen");
    await daemon.dockerOk("network", "create", "seen");
    await daemon.dockerOk("network", "rm", "seen");
    const events = (await daemon.dockerOk("events", "--since", since, "--until", String(Date.now() / 1000 + 1), "--format", "{{.Type}} {{.Action}}")).split("\n");
    expect(events).toEqual(["image tag", "image untag", "volume create", "volume destroy", "network create", "network destroy"]);
  });
});

describe("disk use", () => {
  it("adds up, and prunes give it back", async () => {
    await daemon.dockerOk("run", "--name", "big", "-v", "data:/data", "busybox", "sh", "-c", "head -c 1000000 /dev/zero > /big; head -c 500000 /dev/zero > /data/f");
    const size = async (): Promise<{ rw: number; root: number }> => {
      const [{ SizeRw, SizeRootFs }] = (await daemon.api("GET", "/containers/json", { query: { all: 1, size: 1 } })).json as [{ SizeRw: number; SizeRootFs: number }];
      return { rw: SizeRw, root: SizeRootFs };
    };
    const { Size } = await daemon.inspect("busybox", "image");
    const { rw, root } = await size();
    expect(rw).toBeGreaterThanOrEqual(1_000_000);
    expect(rw).toBeLessThan(1_100_000);
    expect(root - rw).toBe(Size);
    const df = (await daemon.api("GET", "/v1.41/system/df")).json;
    expect(df.LayersSize).toBe(Size);
    expect(df.Images).toEqual([expect.objectContaining({ RepoTags: ["busybox:latest"], Containers: 1 })]);
    expect(df.Containers).toEqual([expect.objectContaining({ Names: ["/big"], SizeRw: rw })]);
    expect(df.Volumes).toEqual([expect.objectContaining({ Name: "data", UsageData: { RefCount: 1, Size: expect.any(Number) } })]);
    expect(df.Volumes[0].UsageData.Size).toBeGreaterThanOrEqual(500_000);
    expect(await daemon.dockerOk("system", "df")).toMatch(/^Images\s+1\s+1\s+/m);

    expect(await daemon.dockerOk("container", "prune", "-f")).toMatch(/Total reclaimed space: 1(\.\d+)?MB/);
    expect(await daemon.dockerOk("system", "prune", "-af", "--volumes")).toMatch(/Total reclaimed space: /);
    expect(await daemon.dockerOk("images", "-aq")).toBe("");
  });
});
