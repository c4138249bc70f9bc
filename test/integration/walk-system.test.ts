import { request } from "node:http";
import { join } from "node:path";
import { type Daemon, type TestBed, daemonNeeds, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox({ flags: ["--default-address-pool", "base=10.90.0.0/16,size=24", "--label", "tier=test", "--insecure-registry", "registry.example:5000"] });
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.dockerOk("volume", "prune", "-af");
  await daemon.dockerOk("network", "prune", "-f");
}, 60_000);

/** A command line whose words have no spaces; it must succeed. */
const docker = (line: string, ...more: string[]): Promise<string> => daemon.dockerOk(...line.trim().split(" "), ...more);
/** What a command line that must fail says. */
async function refusal(line: string): Promise<string> {
  const { code, stderr } = await daemon.docker(line.split(" "));
  expect([line, code === 0]).toEqual([line, false]);
  return stderr;
}
const nanoseconds = (ms: number): string => `${Math.floor(ms / 1000)}.${String(Math.floor(ms % 1000)).padStart(3, "0")}000000`;

interface Told { readonly status?: string; readonly id?: string; readonly from?: string; readonly Type: string; readonly Action: string; readonly Actor: { readonly ID: string; readonly Attributes: Record<string, string> }; readonly time: number; readonly timeNano: number }
/** What happened since a time, by the CLI, as it came over the wire. */
async function eventsSince(since: string, ...filters: string[]): Promise<Told[]> {
  const text = await docker(`events --since ${since} --until ${nanoseconds(Date.now() + 1)} --format json ${filters.map((f) => `--filter ${f}`).join(" ")}`);
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line) as Told);
}
const line = ({ Type, Action }: Told): string => `${Type} ${Action}`;

describe("docker info, version", () => {
  it("tell what the daemon is, completely and of the right types", async () => {
    const info = JSON.parse(await docker("info --format json")) as Record<string, unknown>;
    const [text, number, yes] = [expect.any(String) as unknown, expect.any(Number) as unknown, expect.any(Boolean) as unknown];
    expect(info).toMatchObject({
      ID: text, Containers: 0, ContainersRunning: 0, ContainersPaused: 0, ContainersStopped: 0, Images: 1, Driver: text, DriverStatus: expect.arrayContaining([[text, text]]),
      Plugins: { Volume: expect.arrayContaining(["local"]), Network: ["bridge", "host", "ipvlan", "macvlan", "null"], Authorization: null, Log: expect.arrayContaining(["json-file", "local"]) },
      MemoryLimit: yes, SwapLimit: yes, CpuCfsPeriod: yes, CpuCfsQuota: yes, CPUShares: yes, CPUSet: yes, PidsLimit: yes, OomKillDisable: yes, IPv4Forwarding: true, Debug: false, NFd: number, NGoroutines: number,
      SystemTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/), LoggingDriver: "json-file", CgroupDriver: text, CgroupVersion: expect.stringMatching(/^[12]$/), NEventsListener: 0, KernelVersion: text, OperatingSystem: text,
      OSVersion: text, OSType: "linux", Architecture: text, IndexServerAddress: "https://index.docker.io/v1/", NCPU: number, MemTotal: number, DockerRootDir: daemon.dataRoot, HttpProxy: text, HttpsProxy: text, NoProxy: text,
      RegistryConfig: { InsecureRegistryCIDRs: expect.arrayContaining(["127.0.0.0/8"]), IndexConfigs: { "docker.io": { Official: true, Secure: true }, "registry.example:5000": { Secure: false } }, Mirrors: [] },
      Name: text, Labels: ["tier=test"], ExperimentalBuild: false, ServerVersion: text, Runtimes: expect.any(Object), DefaultRuntime: text, Swarm: { LocalNodeState: "inactive", ControlAvailable: false, RemoteManagers: null },
      LiveRestoreEnabled: true, Isolation: "", InitBinary: text, ContainerdCommit: { ID: text }, RuncCommit: { ID: text }, InitCommit: { ID: text }, SecurityOptions: expect.arrayContaining([expect.stringMatching(/^name=seccomp/)]),
      DefaultAddressPools: [{ Base: "10.90.0.0/16", Size: 24 }], CDISpecDirs: [],
    });
    expect(info["Runtimes"]).toHaveProperty(info["DefaultRuntime"] as string);
    expect(await docker("plugin ls -q")).toBe("");
    expect(await docker("info")).toMatch(/Default Address Pools:\s+Base: 10\.90\.0\.0\/16, Size: 24/);
    expect((await daemon.api("GET", "/v1.51/info")).json.FirewallBackend).toEqual({ Driver: expect.stringMatching(/^(nftables|iptables|none)$/) });
    const old = (await daemon.api("GET", "/v1.40/info")).json;
    expect(old).toMatchObject({ KernelMemory: false, BridgeNfIptables: yes, RegistryConfig: { AllowNondistributableArtifactsCIDRs: null } });
    expect(old).not.toHaveProperty("FirewallBackend");
    expect(await docker("system info --format {{.Driver}}")).toBe(info["Driver"]);
  });

  it("give networks parts of the address pools", async () => {
    expect((await daemon.inspect("bridge", "network")).IPAM.Config).toEqual([{ Subnet: "10.90.0.0/24", Gateway: "10.90.0.1" }]);
    for (const name of ["a", "b"]) await docker(`network create ${name}`);
    expect([(await daemon.inspect("a", "network")).IPAM.Config, (await daemon.inspect("b", "network")).IPAM.Config]).toEqual([[{ Subnet: "10.90.1.0/24", Gateway: "10.90.1.1" }], [{ Subnet: "10.90.2.0/24", Gateway: "10.90.2.1" }]]);
  });

  it("count who follows events", async () => {
    const live = daemon.dockerStart("events");
    try {
      await until(async () => ((await docker("info --format {{.NEventsListener}}")) === "1" ? true : undefined), 20_000, "a listener");
    } finally { live.kill("SIGKILL"); }
    await until(async () => ((await docker("info --format {{.NEventsListener}}")) === "0" ? true : undefined), 20_000, "nobody to listen");
  });

  it("tell versions", async () => {
    const { Client, Server } = JSON.parse(await docker("version --format json")) as { Client: { ApiVersion: string }; Server: Record<string, unknown> };
    expect(Server).toMatchObject({
      Platform: { Name: expect.stringMatching(/^Strata/) }, Version: expect.any(String), ApiVersion: "1.51", MinAPIVersion: "1.24", GitCommit: expect.any(String), GoVersion: expect.any(String), Os: "linux", Arch: expect.any(String),
      KernelVersion: expect.any(String), BuildTime: expect.stringMatching(/^\d{4}-/), Components: expect.arrayContaining([expect.objectContaining({ Name: "Engine", Details: expect.objectContaining({ ApiVersion: "1.51" }) })]),
    });
    expect(Client.ApiVersion).toMatch(/^1\.\d+$/);
    expect(await docker("version")).toMatch(/Server: Strata[^]*Engine:[^]*API version:\s+1\.51 \(minimum version 1\.24\)/);
  });
});

describe("docker events", () => {
  it("tell of everything, with Docker's words and attributes", async () => {
    const since = nanoseconds(Date.now());
    const id = await docker("run -d --name one --label q=r -v evv:/v busybox sleep 1000");
    await docker("exec one true");
    await docker("exec one sh -c", "exit 0");
    await docker("pause one");
    await docker("unpause one");
    await docker("top one");
    await docker("cp one:/etc/passwd -");
    await docker("cp", join(daemon.folder, "log"), "one:/tmp/log");
    await docker(`export -o ${bed.path("one.tar")} one`);
    await docker("commit --message note one made:1");
    await docker("rename one two");
    await docker("update --memory 100m --memory-swap 100m two");
    await docker("kill -s USR1 two");
    await docker("restart -t 0 two");
    await docker("stop -t 0 two");
    await docker("rm -v two");
    await docker("network create evn");
    await docker("create --name three --network evn busybox");
    await docker("network rm -f evn");
    await docker("rm three");
    await docker("volume rm evv");
    await docker("tag made:1 made:2");
    await docker(`save -o ${bed.path("made.tar")} made:2`);
    await docker("rmi made:1 made:2");
    for (const what of ["container", "network", "volume", "image"]) await docker(`${what} prune -f`);
    const all = await eventsSince(since);
    expect(all.filter((e) => e.Type === "container" && e.Actor.ID === id).map((e) => e.Action)).toEqual([
      "create", "start", "exec_create: true ", "exec_start: true ", "exec_die", "exec_create: sh -c exit 0", "exec_start: sh -c exit 0", "exec_die", "pause", "unpause", "top", "archive-path", "extract-to-dir", "export", "pause",
      ...["unpause", "commit"], "rename", "update", "kill", "kill", "kill", "die", "stop", "start", "restart", "kill", "kill", "die", "stop", "destroy",
    ]);
    const found = (action: string): Told | undefined => all.find((e) => line(e).startsWith(action));
    expect(found("container create")).toMatchObject({ status: "create", id, from: "busybox", Actor: { ID: id, Attributes: { image: "busybox", name: "one", q: "r" } } });
    expect(found("container exec_die")?.Actor.Attributes).toEqual({ execID: expect.stringMatching(/^[0-9a-f]{64}$/), exitCode: "0", image: "busybox", name: "one", q: "r" });
    expect(found("container commit")?.Actor.Attributes).toMatchObject({ comment: "note", imageID: expect.stringMatching(/^sha256:/), imageRef: "made:1" });
    expect(found("container rename")?.Actor.Attributes).toMatchObject({ name: "two", oldName: "/one" });
    expect(found("container kill")?.Actor.Attributes).toMatchObject({ signal: "10" });
    expect(found("container die")?.Actor.Attributes).toMatchObject({ exitCode: expect.stringMatching(/^\d+$/), execDuration: expect.stringMatching(/^\d+$/) });
    expect(found("image tag")).toMatchObject({ status: "tag", Actor: { ID: expect.stringMatching(/^sha256:/), Attributes: { name: "made:1", q: "r" } } });
    expect(found("network connect")?.Actor.Attributes).toEqual({ container: id, name: "bridge", type: "bridge" });
    expect(found("volume mount")?.Actor).toEqual({ ID: "evv", Attributes: { container: id, destination: "/v", driver: "local", propagation: "", "read/write": "true" } });
    const rest = all.filter((e) => e.Type !== "container").map(line);
    expect([...new Set(rest)].sort()).toEqual([
      "image delete", "image prune", "image save", "image tag", "image untag", "network connect", "network create", "network destroy", "network disconnect", "network prune", "volume create", "volume destroy", "volume mount",
      ...["volume prune", "volume unmount"],
    ]);
    for (const what of ["container", "network", "volume", "image"]) expect(found(`${what} prune`)?.Actor).toEqual({ ID: "", Attributes: { reclaimed: expect.stringMatching(/^\d+$/) } });
    expect(all.map((e) => e.timeNano)).toEqual([...all.map((e) => e.timeNano)].sort((a, b) => a - b));
    expect(new Set(all.map((e) => e.timeNano)).size).toBe(all.length);
  }, 60_000);

  it("are chosen by every filter and every form of time", async () => {
    const start = Date.now(), since = nanoseconds(start);
    await docker("run --name first --label q=r busybox true");
    await docker("run --name second busybox true");
    await docker("network create evn");
    await docker("volume create evv");
    const id = await docker("inspect -f {{.Id}} first");
    const chosen = async (...filters: string[]): Promise<string[]> => (await eventsSince(since, ...filters)).map((e) => `${line(e)} ${e.Actor.Attributes["name"] ?? e.Actor.ID}`);
    const of = (name: string): string[] => ["create", "attach", "start", "die"].map((action) => `container ${action} ${name}`);
    expect(await chosen("container=first")).toEqual(of("first"));
    expect([await chosen(`container=${id.slice(0, 12)}`), await chosen("label=q=r"), await chosen("label=q", "type=container")]).toEqual([of("first"), of("first"), of("first")]);
    expect(await chosen("container=first", "container=second", "event=die")).toEqual(["container die first", "container die second"]);
    expect(await chosen("type=network", "event=create")).toEqual(["network create evn"]);
    expect([await chosen("network=evn"), await chosen("volume=evv"), await chosen("type=volume", "type=network", "event=create")]).toEqual([["network create evn"], ["volume create evv"], ["network create evn", "volume create evv"]]);
    expect(await chosen("image=busybox", "event=create", "event=start")).toEqual(["container create first", "container start first", "container create second", "container start second"]);
    expect([await chosen("scope=swarm"), (await chosen("scope=local")).length > 8, await chosen("daemon=nobody"), await chosen("event=oom")]).toEqual([[], true, [], []]);
    const count = async (from: string, to = nanoseconds(Date.now() + 1)): Promise<number> => (await docker(`events --since ${from} --until ${to} --filter container=first --format x`)).split("\n").filter(Boolean).length;
    const seconds = Math.floor(start / 1000);
    const forms = [String(seconds), since, new Date(start).toISOString(), new Date(start - 1000).toISOString().replace(/\.\d+Z$/, "Z"), "10m", "1h30m"];
    expect(await Promise.all(forms.map((form) => count(form)))).toEqual(forms.map(() => 4));
    expect(await count("0", since)).toBe(0);
    expect(await count("10m", "9m")).toBe(0);
    for (const query of ["since=odd", "until=odd", "filters=odd", "filters=%7B%22colour%22%3A%5B%22red%22%5D%7D"]) expect([query, (await daemon.api("GET", `/events?${query}`)).status]).toEqual([query, 400]);
    expect(await refusal("events --since odd")).toMatch(/odd/);
  }, 60_000);

  it("begin before there is one, and end when they are to", async () => {
    const answered = await new Promise<number>((resolve, reject) => {
      const asked = request({ socketPath: daemon.socket, path: "/events" }, (response) => { resolve(response.statusCode ?? 0); asked.destroy(); });
      asked.on("error", reject).end();
    });
    expect(answered).toBe(200);
    expect(await docker(`system events --since 0 --until ${nanoseconds(Date.now() + 200)} --filter event=never`)).toBe("");
  });
});

describe("docker system df, prune", () => {
  const sums = async (): Promise<Record<string, { count: string; active: string; size: string }>> => Object.fromEntries((await docker("system df --format", "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}")).split("\n").map((row) => {
    const [type = "", count = "", active = "", size = ""] = row.split("|");
    return [type, { count, active, size }];
  }));

  it("count shared bytes once and nothing twice", async () => {
    const { Size } = await daemon.inspect("busybox", "image");
    await docker("run --name base busybox sh -c", "head -c 300000 /dev/zero > /b");
    await docker("commit base one:1");
    await docker("run --name base2 one:1 sh -c", "head -c 400000 /dev/zero > /c");
    await docker("commit base2 two:1");
    await docker("rmi -f one:1");
    await docker("run -d --name busy -v dfv:/v two:1 sh -c", "head -c 200000 /dev/zero > /v/f; exec sleep 1000");
    const of = async (type: string, version = "1.51"): Promise<Record<string, { SharedSize: number; Size: number; Containers: number; RepoTags: string[] }[]> & { LayersSize: number }> => (await daemon.api("GET", `/v${version}/system/df`, { query: { type } })).json;
    const { Images, LayersSize } = await of("image");
    expect(LayersSize).toBe((Size as number) + 700_000);
    // The one in between has no name, and is but a step to the other.
    expect(Images!.map(({ RepoTags, SharedSize, Size: size, Containers }) => [RepoTags, SharedSize, size - SharedSize, Containers])).toEqual([[["two:1"], Size, 700_000, 1], [["busybox:latest"], Size, 0, 1]]);
    await until(async () => ((await sums())["Local Volumes"]?.size === "200kB" ? true : undefined), 20_000, "the volume's bytes");
    expect(await sums()).toEqual({
      Images: { count: "2", active: "2", size: expect.stringMatching(/^2\.\d+MB$/) }, Containers: { count: "3", active: "1", size: "700kB" }, "Local Volumes": { count: "1", active: "1", size: "200kB" }, "Build Cache": { count: "0", active: "0", size: "0B" },
    });
    const verbose = await docker("system df -v");
    expect(verbose).toMatch(/two\s+1\s+[0-9a-f]{12}\s.*\s700kB\s+1$/m);
    expect(verbose).toMatch(/^dfv\s+1\s+200kB$/m);
    expect(verbose).not.toMatch(/N\/A|-\d/);
    const json = JSON.parse(await docker("system df -v --format json")) as Record<string, unknown[]>;
    expect([json["Images"]?.length, json["Containers"]?.length, json["Volumes"]?.length, json["BuildCache"]?.length]).toEqual([2, 3, 1, 0]);
    expect((await daemon.api("GET", "/v1.51/system/df", { query: { type: "volume" } })).json).toMatchObject({ Images: null, Containers: null, Volumes: [{ Name: "dfv", UsageData: { RefCount: 1, Size: 200_000 } }], BuildCache: null });
    expect((await daemon.api("GET", "/system/df", { query: { type: "odd" } })).status).toBe(400);
    const shape = async (version: string): Promise<[boolean, boolean]> => { const { BuilderSize, Images: [image] } = (await daemon.api("GET", `/v${version}/system/df`)).json as { BuilderSize?: number; Images: [{ VirtualSize?: number }] }; return [BuilderSize === 0, image.VirtualSize !== undefined]; };
    expect([await shape("1.41"), await shape("1.43"), await shape("1.51")]).toEqual([[true, true], [false, true], [false, false]]);
    await docker("rm -fv busy base base2");
    await docker("volume rm dfv");
    await docker("rmi two:1");
    expect((await of("image")).LayersSize).toBe(Size);
  }, 60_000);

  it("prune gives back what it says, by label and age", async () => {
    await docker("run --name old --label keep=1 busybox sh -c", "head -c 500000 /dev/zero > /f");
    await docker("run --name other -v /anonymous busybox sh -c", "head -c 300000 /dev/zero > /f");
    await docker("network create unused");
    await docker("volume create named");
    expect(await docker("system prune -f --filter until=1h")).toBe("Total reclaimed space: 0B");
    expect(await docker("container prune -f --filter label!=keep")).toMatch(/^Deleted Containers:\n[0-9a-f]{64}\n\nTotal reclaimed space: 300kB$/);
    expect(await docker("container prune -f --filter label=keep=2")).toBe("Total reclaimed space: 0B");
    expect(await docker("system prune -f --volumes --filter label!=none")).toMatch(/Deleted Containers:\n[0-9a-f]{64}\n\nDeleted Networks:\nunused\n\nDeleted Volumes:\n[0-9a-f]{64}\n\nTotal reclaimed space: 500kB/);
    expect(await docker("volume ls -q")).toBe("named");
    await docker("tag busybox again:1");
    expect(await docker("image prune -f")).toBe("Total reclaimed space: 0B");
    expect(await docker("builder prune -f")).toBe("Total reclaimed space: 0B");
    for (const args of ["system prune -f --filter colour=red", "container prune -f --filter until=someday", "image prune -f --filter colour=red", "container prune -f --filter until=1h --filter until=2h"]) expect([args, await refusal(args)]).toEqual([args, expect.stringMatching(/filter/)]);
    await docker("rmi again:1");
  }, 60_000);
});
