import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, type TestBed, daemonNeeds, needs, setUp } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
  await daemon.dockerOk("run", "--name", "maker", "busybox", "sh", "-c", "mkdir -p /data/sub; echo inside > /data/sub/file; chown -R 1000:2000 /data; chmod 2750 /data");
  await daemon.dockerOk("commit", "maker", "content");
  await daemon.dockerOk("rm", "maker");
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.dockerOk("volume", "prune", "-af");
}, 60_000);

/** A command line whose words have no spaces; it must succeed. */
const docker = (line: string, ...more: string[]): Promise<string> => daemon.dockerOk(...line.trim().split(" "), ...more);
/** What a command line that must fail says. */
async function refusal(line: string): Promise<string> {
  const { code, stderr } = await daemon.docker(line.split(" "));
  expect([line, code === 0]).toEqual([line, false]);
  return stderr;
}
const names = async (filters = ""): Promise<string[]> => (await docker(`volume ls -q ${filters}`)).split("\n").filter(Boolean).sort();

describe("docker volume create, inspect, ls, rm, update", () => {
  it("take every flag, and tell it again", async () => {
    expect(await docker("volume create -d local --label a=b --label c -o type=tmpfs -o device=tmpfs -o o=size=1m,uid=1000 -o o=size=2m,mode=700 scratch")).toBe("scratch");
    expect(await daemon.inspect("scratch", "volume")).toEqual({
      CreatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/), Driver: "local", Labels: { a: "b", c: "" }, Mountpoint: join(daemon.dataRoot, "volumes/scratch/_data"), Name: "scratch",
      Options: { type: "tmpfs", device: "tmpfs", o: "size=2m,mode=700" }, Scope: "local",
    });
    expect(await docker("run --rm -v scratch:/s busybox sh -c", "df -k /s | tail -1 | awk '{print $2}'; stat -c %a /s")).toBe("2048\n700");
    const anonymous = await docker("volume create");
    expect(await daemon.inspect(anonymous, "volume")).toMatchObject({ Name: expect.stringMatching(/^[0-9a-f]{64}$/), Labels: { "com.docker.volume.anonymous": "" }, Options: null });
    expect(await docker("volume inspect -f {{.Name}}:{{.Driver}} scratch")).toBe("scratch:local");
    expect(await refusal("volume inspect scratch nobody")).toContain("no such volume");
    // Again is the same one, as it is.
    expect(await docker("volume create --label x=y -o type=tmpfs scratch")).toBe("scratch");
    expect((await daemon.inspect("scratch", "volume")).Labels).toEqual({ a: "b", c: "" });
  });

  it("list by every filter", async () => {
    for (const args of ["--label a=b one", "--label a=c two", "three"]) await docker(`volume create ${args}`);
    await docker("create --name holder -v three:/v busybox");
    expect(await names()).toEqual(["one", "three", "two"]);
    expect([await names("--filter dangling=true"), await names("--filter dangling=false"), await names("--filter dangling=1")]).toEqual([["one", "two"], ["three"], ["one", "two"]]);
    expect([await names("--filter driver=local"), await names("--filter driver=odd")]).toEqual([["one", "three", "two"], []]);
    expect([await names("--filter label=a"), await names("--filter label=a=b"), await names("--filter label=a --filter label=b")]).toEqual([["one", "two"], ["one"], []]);
    expect([await names("--filter name=o"), await names("--filter name=^t"), await names("--filter name=one --filter name=two")]).toEqual([["one", "two"], ["three", "two"], ["one", "two"]]);
    expect(await docker("volume ls --format {{.Name}}={{.Driver}}:{{.Scope}}:{{.Labels}} --filter name=one")).toBe("one=local:local:a=b");
    expect(await docker("volume ls")).toMatch(/^DRIVER\s+VOLUME NAME\nlocal\s+one/);
    for (const filter of ["dangling=maybe", "colour=red", "label!=a"]) expect([filter, await refusal(`volume ls --filter ${filter}`)]).toEqual([filter, expect.stringContaining("invalid filter")]);
  });

  it("refuse what cannot be, and leave nothing", async () => {
    await docker("volume create taken");
    const cases: readonly (readonly [string, RegExp])[] = [
      ["-d odd taken", /create taken: error looking up volume plugin odd: plugin "odd" not found/], ["-d odd fresh", /create fresh: error looking up volume plugin odd/], ["x", /create x: volume name is too short/],
      ["../up", /create \.\.\/up: .* includes invalid characters/], ["-o bogus=1 fresh", /create fresh: invalid option: "bogus"/], ["-o type=none fresh", /create fresh: missing required option: "device"/],
      ["-o device=/tmp fresh", /create fresh: missing required option: "type"/], ["-o type=none -o o=bind -o device=relative fresh", /absolute path/], ["-o size=odd fresh", /size/],
      ["--scope single fresh", /ClusterVolumeSpec/], ["--type mount --availability active fresh", /ClusterVolumeSpec/],
    ];
    for (const [args, words] of cases) expect([args, await refusal(`volume create ${args}`)]).toEqual([args, expect.stringMatching(words)]);
    expect(await names()).toEqual(["taken"]);
    expect(existsSync(join(daemon.dataRoot, "volumes/fresh"))).toBe(false);
    expect(await refusal("volume update --availability drain taken")).toContain("can only update cluster volumes");
    const status = async (method: string, path: string, json?: object): Promise<number> => (await daemon.api(method, path, json === undefined ? {} : { json })).status;
    expect(await status("POST", "/volumes/create", { Name: "fresh", Driver: "odd" })).toBe(404);
    expect(await status("POST", "/volumes/create", { Name: 5 })).toBe(400);
    expect(await status("POST", "/volumes/create", { Name: "fresh", DriverOpts: { type: 5 } })).toBe(400);
    expect(await status("POST", "/volumes/create", { Name: "fresh", ClusterVolumeSpec: {} })).toBe(503);
    expect(await status("PUT", "/volumes/taken", { Spec: {} })).toBe(400);
    expect([await status("GET", "/volumes/fresh"), await status("DELETE", "/volumes/fresh"), await status("DELETE", "/volumes/fresh?force=1")]).toEqual([404, 404, 204]);
  });

  it("keep what a container has", async () => {
    const id = await docker("create --name holder -v held:/v busybox");
    expect(await refusal("volume rm held nobody")).toMatch(new RegExp(`remove held: volume is in use - \\[${id}\\][^]*nobody: no such volume`));
    expect(await refusal("volume rm -f held")).toContain("volume is in use");
    expect((await daemon.api("DELETE", "/volumes/held")).status).toBe(409);
    expect(await docker("volume rm -f nobody")).toBe("nobody");
    await docker("rm holder");
    expect(await docker("volume rm held")).toBe("held");
  });
});

describe("docker volume prune", () => {
  it("takes anonymous volumes, all with --all, and keeps labels apart", async () => {
    for (const args of ["", "--label keep=1 kept", "--label a=b loose", "used"]) await docker(`volume create ${args}`);
    await docker("create -v used:/v busybox");
    await docker("run --rm -v loose:/v busybox sh -c", "head -c 5000 /dev/zero > /v/f");
    expect(await docker("volume prune -f --filter label=a")).toBe("Total reclaimed space: 0B");
    expect(await docker("volume prune -f")).toMatch(/^Deleted Volumes:\n[0-9a-f]{64}\n\nTotal reclaimed space: 0B$/);
    expect(await names()).toEqual(["kept", "loose", "used"]);
    expect(await docker("volume prune -f --filter all=true --filter label!=keep")).toBe("Deleted Volumes:\nloose\n\nTotal reclaimed space: 5kB");
    expect(await docker("volume prune -af")).toContain("Deleted Volumes:\nkept\n");
    expect(await names()).toEqual(["used"]);
    for (const filter of ["colour=red", "all=maybe"]) expect(await refusal(`volume prune -f --filter ${filter}`)).toContain("invalid filter");
    // Before 1.42 there was no such distinction.
    await docker("volume create older");
    expect((await daemon.api("POST", "/v1.41/volumes/prune")).json).toMatchObject({ VolumesDeleted: ["older"] });
  });
});

describe("volumes in containers", () => {
  it("are filled from the image, owner and mode of the directory too, unless that is not wanted", async () => {
    expect(await docker("run --rm -v filled:/data content stat -c", "%u:%g %a", "/data", "/data/sub/file")).toBe("1000:2000 2750\n1000:2000 644");
    expect(await docker("run --rm -v bare:/data:nocopy content ls /data")).toBe("");
    expect(await docker("run --rm --mount type=volume,src=plain,dst=/data,volume-nocopy content ls /data")).toBe("");
    expect(await docker("run --rm --mount type=volume,src=filled,dst=/x,volume-subpath=sub,readonly busybox cat /x/file")).toBe("inside");
    expect(await refusal("run --rm --mount type=volume,src=filled,dst=/x,volume-subpath=nobody busybox true")).toContain("no such file or directory");
    expect(await refusal("run --rm --mount type=volume,src=filled,dst=/x,volume-subpath=../up busybox true")).toMatch(/subpath/i);
    await docker("run --rm --mount type=volume,src=made,dst=/x,volume-label=q=r,volume-driver=local,volume-opt=type=tmpfs,volume-opt=device=tmpfs busybox true");
    expect(await daemon.inspect("made", "volume")).toMatchObject({ Labels: { q: "r" }, Options: { type: "tmpfs", device: "tmpfs" } });
    const cases: readonly (readonly [string, RegExp])[] = [
      ["-v filled:/x:odd", /invalid mode: odd/], ["-v filled:rel", /mount path must be absolute/], ["-v filled:/", /destination can't be '\/'/i], ["--mount type=volume,src=filled", /target/i],
      ["-v filled:/x --mount type=volume,src=bare,dst=/x", /Duplicate mount point: \/x/i],
    ];
    for (const [args, words] of cases) expect([args, await refusal(`run --rm ${args} busybox true`)]).toEqual([args, expect.stringMatching(words)]);
  });

  it("are mounts of whatever kind the kernel has, and say what it refused", async () => {
    const host = bed.path("host");
    mkdirSync(host);
    writeFileSync(join(host, "f"), "from the host\n");
    await docker(`volume create -o type=none -o o=bind -o device=${host} bound`);
    expect(await docker("run --rm -v bound:/b busybox cat /b/f")).toBe("from the host");
    const cases: readonly (readonly [string, string, RegExp])[] = [
      // Without an NFS in the kernel, what would be passed to it is told.
      ["nfs", "-o type=nfs -o o=addr=127.0.0.1,rw,nfsvers=4 -o device=:/export", /failed to mount local volume: mount :\/export:\S+\/volumes\/nfs\/_data, data: addr=127\.0\.0\.1,nfsvers=4: (no such device|[a-z ]+)/],
      ["named", "-o type=nfs -o o=addr=localhost -o device=:/export", /mount :\/export:\S+, data: addr=(127\.0\.0\.1|::1): /],
      ["lost", "-o type=nfs -o o=addr=no.such.host.invalid -o device=:/export", /error resolving passed in network volume address: no\.such\.host\.invalid/],
      ["ext", "-o type=ext4 -o device=/dev/no-such-device", /failed to mount local volume: mount \/dev\/no-such-device:\S+: no such file or directory/],
      ["gone", "-o type=none -o o=bind -o device=/no/such/place", /failed to mount local volume: mount \/no\/such\/place:\S+: no such file or directory/],
    ];
    for (const [name, options, words] of cases) {
      await docker(`volume create ${options} ${name}`);
      expect([name, await refusal(`run --rm -v ${name}:/v busybox true`)]).toEqual([name, expect.stringMatching(words)]);
    }
    expect(await docker("ps -aq")).toBe("");
  });
});
