import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, type TestBed, daemonNeeds, mountsBelow, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});
afterEach(async () => {
  await daemon.removeContainers();
  const left = (await daemon.dockerOk("volume", "ls", "-q")).split("\n").filter(Boolean);
  if (left.length > 0) await daemon.dockerOk("volume", "rm", ...left);
  expect(mountsBelow(join(daemon.dataRoot, "volumes"))).toEqual([]);
  expect(mountsBelow(join(daemon.execRoot, "subpaths"))).toEqual([]);
});

const output = (...args: string[]): Promise<string> => daemon.dockerOk("run", "--rm", ...args);
const mounted = (name: string): boolean => mountsBelow(join(daemon.dataRoot, "volumes", name)).length > 0;

describe("volumes with type, o and device", () => {
  it("bind a directory of the host while in use", async () => {
    const host = bed.path("host");
    mkdirSync(host);
    writeFileSync(join(host, "f"), "from the host\n");
    await daemon.dockerOk("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", `device=${host}`, "--label", "kind=bind", "box");
    expect(mounted("box")).toBe(false);
    await daemon.dockerOk("run", "-d", "--name", "one", "-v", "box:/v", "busybox", "sleep", "1000");
    await daemon.dockerOk("run", "-d", "--name", "two", "-v", "box:/v", "busybox", "sleep", "1000");
    expect(mounted("box")).toBe(true);
    expect(await daemon.dockerOk("exec", "one", "sh", "-c", "cat /v/f; echo back > /v/g")).toBe("from the host");
    expect(readFileSync(join(host, "g"), "utf8")).toBe("back\n");
    await daemon.dockerOk("rm", "-f", "one");
    expect([mounted("box"), await daemon.dockerOk("exec", "two", "cat", "/v/g")]).toEqual([true, "back"]);
    await daemon.kill9();
    await daemon.start();
    await daemon.dockerOk("stop", "-t", "0", "two");
    expect(mounted("box")).toBe(false);
    expect((await daemon.inspect("box", "volume")).Options).toEqual({ type: "none", o: "bind", device: host });
    await daemon.dockerOk("rm", "two");
    await daemon.dockerOk("volume", "rm", "box");
    expect(readdirSync(host).sort()).toEqual(["f", "g"]);
  }, 60_000);

  it("are a tmpfs with what mount(8) takes", async () => {
    await daemon.dockerOk("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=1000,mode=750,rw,noexec,defaults", "mem");
    expect(await output("-v", "mem:/v", "busybox", "sh", "-c", "stat -c '%u %a' /v; df -k /v | tail -1 | awk '{print $2}'; touch /v/x")).toBe("1000 750\n1024");
    expect(await output("-v", "mem:/v", "busybox", "ls", "/v")).toBe("");
  }, 60_000);

  it("that cannot be mounted say so, and leave nothing mounted", async () => {
    await daemon.dockerOk("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device=/no/such/place", "lost");
    await daemon.dockerOk("volume", "create", "-o", "type=wat", "-o", "device=x", "odd");
    for (const [name, message] of [["lost", /error while mounting volume '.*\/lost\/_data': failed to mount local volume: mount \/no\/such\/place:.*\/lost\/_data: no such file/], ["odd", /failed to mount local volume: mount x:.*(no such device|ENODEV)/i]] as const) {
      const { code, stderr } = await daemon.docker(["run", "--rm", "-v", `${name}:/v`, "busybox", "true"]);
      expect([code, stderr]).toEqual([expect.any(Number), expect.stringMatching(message)]);
      expect(code).toBeGreaterThanOrEqual(125);
    }
    expect(await daemon.dockerOk("ps", "-aq")).toBe("");
    expect((await daemon.docker(["volume", "create", "-o", "type=tmpfs", "half"])).stderr).toMatch(/missing required option: "device"/);
  }, 60_000);
});

describe("a part of a volume", () => {
  const part = (subpath: string, ...more: string[]): string => ["type=volume,src=box,dst=/v", `volume-subpath=${subpath}`, ...more].join(",");
  const fill = (script: string): Promise<string> => output("-v", "box:/v", "busybox", "sh", "-ec", `cd /v; ${script}`);

  it("is all that the container sees: a directory or a file", async () => {
    await fill("mkdir -p a/b; echo inside > a/b/f; echo outside > f");
    expect(await output("--mount", part("a/b"), "busybox", "sh", "-c", "ls /v; cat /v/f; echo more > /v/g; ls -d /v/../f 2>/dev/null || true")).toBe("f\ninside");
    expect(await output("--mount", part("a/b/f", "readonly"), "busybox", "sh", "-c", "cat /v; echo x > /v || true")).toBe("inside");
    expect(await fill("ls a/b")).toBe("f\ng");
    expect(readdirSync(daemon.execRoot).includes("subpaths") ? readdirSync(join(daemon.execRoot, "subpaths")) : []).toEqual([]);
  }, 60_000);

  it("goes on over a daemon that was killed, and the volume's files are not touched", async () => {
    await fill("mkdir a; echo kept > a/f");
    await daemon.dockerOk("run", "-d", "--name", "cc", "--mount", part("a"), "busybox", "sleep", "1000");
    const { Mounts, HostConfig } = await daemon.inspect("cc");
    expect([Mounts[0].Name, Mounts[0].Destination, HostConfig.Mounts[0].VolumeOptions.Subpath]).toEqual(["box", "/v", "a"]);
    await daemon.kill9();
    await daemon.start();
    expect(await daemon.dockerOk("exec", "cc", "cat", "/v/f")).toBe("kept");
    await daemon.dockerOk("restart", "-t", "0", "cc");
    expect(await daemon.dockerOk("exec", "cc", "cat", "/v/f")).toBe("kept");
    const { Pid } = (await daemon.inspect("cc")).State;
    await daemon.kill9();
    process.kill(Pid as number, "SIGKILL");
    await daemon.start();
    await until(async () => ((await daemon.inspect("cc")).State.Status === "exited" ? true : undefined), 20_000, "its end");
    await daemon.dockerOk("rm", "cc");
    expect(await fill("cat a/f")).toBe("kept");
  }, 60_000);

  it("does not lead out of the volume", async () => {
    await fill("mkdir a; ln -s / root; ln -s ../../.. up; ln -s a way");
    for (const path of ["/a", "../a", "a/../../b"]) {
      const { code, stderr } = await daemon.docker(["run", "--rm", "--mount", part(path), "busybox", "true"]);
      expect([code, stderr]).toEqual([125, expect.stringMatching(/subpath must be a relative path within the volume/)]);
    }
    for (const path of ["root/etc", "up/etc", "missing"]) {
      const { code, stderr } = await daemon.docker(["run", "--rm", "--mount", part(path), "busybox", "ls", "/v"]);
      // The CLI makes 127 of these words.
      expect([code, stderr]).toEqual([127, expect.stringMatching(/cannot access path .*no such file or directory/)]);
    }
    expect(await output("--mount", part("root"), "busybox", "ls", "/v")).toBe("a\nroot\nup\nway");
    expect(await output("--mount", part("way"), "busybox", "ls", "/v")).toBe("");
    symlinkSync("/etc", join(daemon.dataRoot, "volumes/box/_data/host"));
    expect((await daemon.docker(["run", "--rm", "--mount", part("host"), "busybox", "true"])).code).toBe(127);
    expect(existsSync(join(daemon.execRoot, "subpaths")) ? readdirSync(join(daemon.execRoot, "subpaths")) : []).toEqual([]);
  }, 60_000);
});

it("mounts and their ends are told", async () => {
  const since = String(Math.floor(Date.now() / 1000));
  const id = await daemon.dockerOk("run", "-d", "-v", "heard:/v:ro", "busybox", "true");
  await daemon.dockerOk("wait", id);
  const told = async (): Promise<{ Action: string; Actor: { ID: string; Attributes: unknown } }[]> =>
    (await daemon.dockerOk("events", "--since", since, "--until", String(Math.floor(Date.now() / 1000) + 1), "--filter", "volume=heard", "--format", "{{json .}}")).split("\n").map((line) => JSON.parse(line) as Awaited<ReturnType<typeof told>>[number]);
  const events = await until(async () => ((await told()).length >= 3 ? told() : undefined), 20_000, "an unmount");
  expect(events.map(({ Action, Actor }) => [Action, Actor.Attributes])).toEqual([
    ["create", { driver: "local" }], ["mount", { driver: "local", container: id, destination: "/v", "read/write": "false", propagation: "" }], ["unmount", { driver: "local", container: id }],
  ]);
}, 60_000);

it("volumes are found by every filter, and pruned by label", async () => {
  await daemon.dockerOk("volume", "create", "--label", "a=1", "one");
  await daemon.dockerOk("volume", "create", "--label", "a=2", "two");
  await daemon.dockerOk("create", "--name", "cc", "-v", "/anonymous", "-v", "two:/t", "busybox", "true");
  const found = async (...filters: string[]): Promise<string[]> => (await daemon.dockerOk("volume", "ls", "-q", ...filters.flatMap((f) => ["--filter", f]))).split("\n").filter(Boolean);
  expect(await found("driver=local", "label=a")).toEqual(["one", "two"]);
  expect(await found("label=a=2")).toEqual(["two"]);
  expect(await found("dangling=true")).toEqual(["one"]);
  expect(await found("label=com.docker.volume.anonymous")).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
  expect((await daemon.docker(["volume", "ls", "--filter", "colour=red"])).stderr).toMatch(/invalid filter 'colour'/);
  await daemon.dockerOk("rm", "cc");
  await daemon.dockerOk("volume", "prune", "-f", "--filter", "label=a");
  expect(await found()).toHaveLength(3);
  await daemon.dockerOk("volume", "prune", "-f");
  expect(await found()).toEqual(["one", "two"]);
  const { json } = await daemon.api("POST", "/volumes/prune", { query: { filters: JSON.stringify({ all: ["1"], label: ["a=1"] }) } });
  expect(json).toMatchObject({ VolumesDeleted: ["one"] });
  expect(await found()).toEqual(["two"]);
}, 60_000);
