import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, TestBed, VolumePlugin, daemonNeeds, needs, open, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");

const name = `strata-test-${process.pid}`;
let bed: TestBed;
let daemon: Daemon;
let plugin: VolumePlugin;
beforeAll(async () => {
  bed = await TestBed.create();
  daemon = await bed.daemonWithBusybox();
  plugin = new VolumePlugin(`/run/docker/plugins/${name}.sock`, bed.path("plugin"));
  mkdirSync(bed.path("plugin"));
  await plugin.start();
}, 120_000);
afterAll(async () => {
  await plugin.stop();
  await bed.close();
}, 60_000);
afterEach(async () => {
  await daemon.removeContainers();
  const left = (await daemon.dockerOk("volume", "ls", "-q")).split("\n").filter(Boolean);
  if (left.length > 0) await daemon.dockerOk("volume", "rm", ...left);
  plugin.calls.length = 0;
});
const output = (...args: string[]): Promise<string> => daemon.dockerOk("run", "--rm", ...args);
const users = (volume: string): number => plugin.volumes.get(volume)!.users.size;

describe("volumes of a plugin", () => {
  it("are made, told, used and removed", async () => {
    expect(await daemon.dockerOk("volume", "create", "-d", name, "-o", "colour=red", "--label", "a=b", "far")).toBe("far");
    expect(plugin.volumes.get("far")!.options).toEqual({ colour: "red" });
    expect(await daemon.dockerOk("info", "--format", "{{join .Plugins.Volume \" \"}}")).toBe(`local ${name}`);
    expect(await daemon.inspect("far", "volume")).toMatchObject({ Name: "far", Driver: name, Scope: "global", Status: { users: 0 }, Labels: { a: "b" }, Options: { colour: "red" }, Mountpoint: "" });
    expect(await output("-v", "far:/v", "busybox", "sh", "-c", "echo one > /v/f; cat /v/f")).toBe("one");
    expect(readFileSync(bed.path("plugin/far/f"), "utf8")).toBe("one\n");
    expect(plugin.calls.filter((call) => /^(Mount|Unmount)/.test(call))).toEqual(["Mount far", "Unmount far"]);
    expect(await daemon.dockerOk("volume", "ls", "-q", "--filter", `driver=${name}`)).toBe("far");
    await daemon.dockerOk("create", "--name", "holder", "-v", "far:/v", "busybox", "true");
    expect((await daemon.docker(["volume", "rm", "far"])).stderr).toMatch(/volume is in use/);
    await daemon.dockerOk("rm", "holder");
    await daemon.dockerOk("volume", "rm", "far");
    expect([plugin.volumes.has("far"), await daemon.dockerOk("volume", "ls", "-q")]).toEqual([false, ""]);
  }, 60_000);

  it("are mounted once for each container, and stay so over a daemon that was killed", async () => {
    await daemon.dockerOk("run", "-d", "--name", "one", "--volume-driver", name, "-v", "far:/v", "busybox", "sleep", "1000");
    await daemon.dockerOk("run", "-d", "--name", "two", "--mount", `type=volume,src=far,dst=/v,volume-driver=${name}`, "busybox", "sleep", "1000");
    expect(users("far")).toBe(2);
    expect((await daemon.inspect("one")).Mounts[0]).toMatchObject({ Type: "volume", Name: "far", Driver: name, Destination: "/v" });
    expect((await daemon.inspect("far", "volume")).Mountpoint).toBe(bed.path("plugin/far"));
    await daemon.kill9();
    await daemon.start();
    expect(users("far")).toBe(2);
    await daemon.dockerOk("stop", "-t", "0", "one");
    expect(users("far")).toBe(1);
    await daemon.dockerOk("rm", "-f", "two");
    expect(users("far")).toBe(0);
  }, 60_000);

  it("are given back when a copy out of them was cut short by kill -9", async () => {
    await daemon.dockerOk("run", "--name", "maker", "--volume-driver", name, "-v", "far:/v", "busybox", "dd", "if=/dev/zero", "of=/v/big", "bs=1M", "count=8");
    await daemon.dockerOk("run", "-d", "--name", "user", "-v", "far:/v", "busybox", "sleep", "1000");
    expect(users("far")).toBe(1);
    // The answer is not read: the copy waits in the middle.
    const copy = await open(daemon.socket, "GET", "/containers/maker/archive", { query: { path: "/v/big" } });
    copy.on("error", () => undefined);
    expect(users("far")).toBe(2);
    await daemon.kill9();
    await daemon.start();
    await until(() => (users("far") === 1 ? true : undefined), 20_000, "the copy's use to be over");
    await daemon.dockerOk("rm", "-f", "user");
    expect(users("far")).toBe(0);
  }, 60_000);

  it("without a name go with their container", async () => {
    await output("--volume-driver", name, "-v", "/v", "busybox", "touch", "/v/x");
    expect(plugin.volumes.size).toBe(0);
  }, 60_000);

  it("that the plugin made itself are seen, and used", async () => {
    await daemon.dockerOk("volume", "create", "-d", name, "far");
    await daemon.dockerOk("volume", "rm", "far");
    plugin.volumes.set("own", { options: {}, users: new Set() });
    mkdirSync(bed.path("plugin/own"));
    expect(await daemon.dockerOk("volume", "ls", "--format", "{{.Driver}} {{.Name}}")).toBe(`${name} own`);
    expect(await output("-v", "own:/v", "busybox", "sh", "-c", "touch /v/f; ls /v")).toBe("f");
    plugin.volumes.delete("own");
    rmSync(bed.path("plugin/own"), { recursive: true });
    expect(await daemon.dockerOk("volume", "ls", "-q")).toBe("");
  }, 60_000);

  it("what a plugin refuses is said in its words, and leaves nothing", async () => {
    plugin.refuse.set("Create", "the disk is full");
    expect((await daemon.docker(["volume", "create", "-d", name, "far"])).stderr).toMatch(/VolumeDriver.Create: the disk is full/);
    plugin.refuse.clear();
    expect(await daemon.dockerOk("volume", "ls", "-q")).toBe("");
    plugin.refuse.set("Mount", "no such host");
    const { code, stderr } = await daemon.docker(["run", "--rm", "--volume-driver", name, "-v", "far:/v", "busybox", "true"]);
    expect([code, stderr]).toEqual([125, expect.stringMatching(/VolumeDriver.Mount: no such host/)]);
    plugin.refuse.clear();
    plugin.refuse.set("Remove", "busy");
    expect((await daemon.docker(["volume", "rm", "far"])).stderr).toMatch(/VolumeDriver.Remove: busy/);
    plugin.refuse.clear();
    expect((await daemon.docker(["volume", "create", "-d", "no-such-plugin", "x"])).stderr).toMatch(/plugin "no-such-plugin" not found/);
    expect((await daemon.docker(["volume", "create", "-d", "local", "far"])).stderr).toMatch(/already exists/);
  }, 60_000);

  it("a plugin that is gone is told; by force its volume is forgotten", async () => {
    await daemon.dockerOk("volume", "create", "-d", name, "far");
    await plugin.stop();
    expect((await daemon.docker(["run", "--rm", "-v", "far:/v", "busybox", "true"])).stderr).toMatch(/plugin .* not found/);
    expect(await daemon.dockerOk("volume", "ls", "-q")).toBe("far");
    expect((await daemon.docker(["volume", "rm", "far"])).code).toBe(1);
    await daemon.dockerOk("volume", "rm", "-f", "far");
    expect(await daemon.dockerOk("volume", "ls", "-q")).toBe("");
    plugin.volumes.clear();
    await plugin.start();
  }, 60_000);

  it("a plugin is found by a specification as well", async () => {
    const other = new VolumePlugin(bed.path("o.sock"), bed.path("plugin"));
    await other.start();
    const spec = `/etc/docker/plugins/${name}-spec.json`;
    const had = existsSync("/etc/docker/plugins"), hadDocker = existsSync("/etc/docker");
    mkdirSync("/etc/docker/plugins", { recursive: true });
    try {
      writeFileSync(spec, JSON.stringify({ Name: `${name}-spec`, Addr: `unix://${bed.path("o.sock")}` }));
      expect(await output("--volume-driver", `${name}-spec`, "-v", "there:/v", "busybox", "sh", "-c", "touch /v/f; ls /v")).toBe("f");
      expect(other.volumes.has("there")).toBe(true);
      expect(existsSync(join(bed.path("plugin"), "there/f"))).toBe(true);
      await daemon.dockerOk("volume", "rm", "there");
    } finally {
      rmSync(spec, { force: true });
      if (!had) rmSync(hadDocker ? "/etc/docker/plugins" : "/etc/docker", { recursive: true });
      await other.stop();
    }
  }, 60_000);
});
