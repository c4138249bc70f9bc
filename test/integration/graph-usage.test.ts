import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Daemon, type DriverName, type Registry, type TestBed, daemonNeeds, emptied, makeContext, needs, needsDrivers, run, setUp, told, until, usageDifferences } from "../helpers/index.js";

jest.setTimeout(180_000);

let bed: TestBed;
let registry: Registry;
const it = needs(...daemonNeeds, "docker", "registry");
setUp(async (made) => {
  bed = made;
  registry = await bed.registry();
});

const classic = { env: { DOCKER_BUILDKIT: "0" } };
async function build(daemon: Daemon, tag: string, files: Readonly<Record<string, string>>): Promise<void> {
  const { code, stdout, stderr } = await daemon.docker(["build", "-q", "-t", tag, makeContext(bed.folder, files)], classic);
  if (code !== 0) throw new Error(`docker build: ${stderr}\n${stdout}`);
}
/** Resolves when what the daemon says and what is on disk agree to the block, kind by kind. */
async function agree(daemon: Daemon, when: string, query: Readonly<Record<string, string | number>> = {}): Promise<void> {
  let found: string[] = [];
  await until(async () => ((found = await usageDifferences(daemon, query)).length === 0 || undefined), 60_000, () => `usage to equal the disk ${when}:\n${found.join("\n")}`);
}
const strata = async (daemon: Daemon, ...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(process.execPath, [resolve(__dirname, "../../../packages/cli/bin/strata.js"), "-H", `unix://${daemon.socket}`, ...args]);
  if (code !== 0) throw new Error(`strata ${args.join(" ")}: ${stderr}`);
  return stdout;
};

describe("usage equals what is on disk, to the block and kind by kind", () => {
  for (const driver of ["erofs", "overlay2", "vfs"] as const satisfies readonly DriverName[]) {
    needsDrivers([driver], ...daemonNeeds, "docker", "registry")(driver, async () => {
      const daemon = await bed.daemonWithBusybox({ storageDriver: driver });
      // A pull with blobs, a commit, a build; a container that runs, one that ran, one that never did; volumes; logs.
      const image = registry.name(`${driver}:1`);
      await daemon.dockerOk("run", "--name", "maker", "busybox", "sh", "-c", "mkdir /d; for i in $(seq 300); do echo $i > /d/f$i; done; head -c 3000000 /dev/urandom > /big; ln /big /hard; head -c 100 /dev/urandom | dd of=/sparse bs=1 seek=50000000 2>/dev/null");
      await daemon.dockerOk("commit", "maker", image);
      await daemon.dockerOk("push", "-q", image);
      await daemon.dockerOk("rmi", image);
      await daemon.dockerOk("pull", "-q", image);
      await build(daemon, "built", { Dockerfile: `FROM ${image}\nCOPY a /a\nRUN rm -r /d; echo 2 > /two\n`, a: "a".repeat(10_000) });
      await daemon.dockerOk("run", "-d", "--name", "runs", "-v", "data:/data", "built", "sh", "-c", "head -c 700000 /dev/urandom | md5sum; head -c 2000000 /dev/urandom > /data/v; head -c 500000 /dev/urandom > /w; mkdir -p /many/x; seq 2000; touch /ready; sleep 1000");
      await daemon.dockerOk("create", "--name", "never", "-v", "/anon", "built");
      await until(async () => ((await daemon.docker(["exec", "runs", "test", "-e", "/ready"])).code === 0 || undefined), 60_000, "what the container writes");
      await agree(daemon, "while a container runs", { refresh: 1 });

      // From here on without being told to measure: the daemon does so by itself.
      await daemon.dockerOk("stop", "-t", "0", "runs");
      await agree(daemon, "after it was stopped");
      const shown = (await daemon.api("GET", "/graph/usage")).json;
      const figure = shown.Owners.Containers.find(({ Name }: { Name: string }) => Name === "runs").Layer;
      expect(figure).toMatchObject({ Exact: true });
      expect(figure.Bytes).toBeGreaterThan(500_000);
      expect(shown.Owners.Volumes.find(({ Name }: { Name: string }) => Name === "data")).toMatchObject({ Exact: true, Containers: 1 });
      for (const { Bytes, ReclaimableBytes } of shown.Kinds) expect([Bytes, ReclaimableBytes].every((n) => n >= 0)).toBe(true);
      const { UniqueBytes, SharedBytes, Bytes: all } = shown.Images as Record<string, number>;
      expect(UniqueBytes! + SharedBytes!).toBe(all);

      // Docker's own account of it.
      const df = (await daemon.dockerOk("system", "df", "-v")).split("\n");
      expect(df.find((line) => line.includes(" runs"))).toMatch(/50\dkB/);
      expect(df.find((line) => line.startsWith("data "))).toMatch(/data +1 +2MB/);
      expect(df.join("\n")).not.toMatch(/N\/A|-\d+(\.\d+)?k?B/);

      // Killed while a container writes.
      await daemon.dockerOk("start", "runs");
      await until(async () => ((await daemon.docker(["exec", "runs", "sh", "-c", "head -c 900000 /dev/urandom > /data/more; head -c 300000 /dev/urandom > /more"])).code === 0 || undefined), 60_000, "a command in it");
      await daemon.kill9();
      await daemon.start();
      await agree(daemon, "after the daemon was killed", { refresh: 1 });
      await daemon.dockerOk("rm", "-f", "runs");
      await agree(daemon, "after the container was removed");
      await daemon.restart();
      await agree(daemon, "after a restart");

      await daemon.dockerOk("rm", "-fv", "never", "maker");
      await daemon.dockerOk("volume", "rm", "data");
      await daemon.dockerOk("image", "prune", "-af");
      await daemon.docker(["builder", "prune", "-af"]);
      await emptied(daemon);
      await agree(daemon, "after everything was removed");
      const { kinds } = await told(daemon);
      expect({ ...kinds, ledger: 0, drivers: 0, directories: 0 }).toEqual(Object.fromEntries(Object.keys(kinds).map((kind) => [kind, 0])));
      await bed.end(daemon);
    });
  }
});

describe("with one daemon", () => {
  let daemon: Daemon;
  beforeAll(async () => {
    if (existsSync("/usr/local/bin/docker")) daemon = await bed.daemonWithBusybox();
  }, 120_000);
  afterEach(() => daemon?.removeContainers());

  interface Node { Kind: string; Key: string; Name: string }
  const why = async (name: string): Promise<{ Kind: string; Held: boolean; Paths: Node[][] }[]> => {
    const { status, json } = await daemon.api("GET", `/graph/why/${name}`);
    expect([name, status]).toEqual([name, 200]);
    return json as never;
  };
  /** Paths of the one thing that has the name, as words. */
  const paths = async (name: string, kind?: string): Promise<string[]> => {
    const found = (await why(name)).filter(({ Kind }) => kind === undefined || Kind === kind);
    expect(found).toHaveLength(1);
    return found[0]!.Paths.map((path) => path.map(({ Kind, Name, Key }) => `${Kind} ${Kind === "layer" || Kind === "image" || Kind === "build-record" ? Key.slice(0, 15) : Name}`).join(" > "));
  };

  it("why: names, containers, child images and records hold; nothing is held by nothing", async () => {
    const busybox = (await daemon.inspect("busybox", "image")) as { Id: string; RootFS: { Layers: string[] } };
    const id = busybox.Id.slice(0, 15), base = ((await daemon.api("GET", "/layers")).json as { ChainId: string; DiffId: string; Snapshot: string }[])[0]!;
    const layer = `layer ${base.ChainId.slice(0, 15)}`;
    expect(await paths("busybox")).toEqual([`tag busybox:latest > image ${id}`]);
    expect(await paths("docker.io/library/busybox:latest")).toEqual(await paths(busybox.Id, "image"));
    expect(await paths(busybox.Id.slice(7, 19), "image")).toEqual(await paths("busybox"));
    expect(await paths(base.DiffId, "layer")).toEqual([`tag busybox:latest > image ${id} > ${layer}`]);
    expect(await paths(base.Snapshot)).toEqual([expect.stringMatching(`^tag busybox:latest > image ${id} > ${layer} > snapshot `)]);

    await daemon.dockerOk("create", "--name", "box", "-v", "held:/v", "busybox");
    await daemon.dockerOk("volume", "create", "free");
    expect(await paths("busybox")).toEqual([`tag busybox:latest > image ${id}`, `container box > image ${id}`]);
    expect(await paths("held")).toEqual(["container box > volume held"]);
    expect(await paths("free")).toEqual(["volume free"]);
    expect(await paths("box")).toEqual(["container box"]);
    expect(await strata(daemon, "why", "held", "free", "box")).toBe("volume held\n  container box (created) → this\n\nvolume free: nothing uses it; it stays until it is removed or pruned\n\ncontainer box (created): nothing uses it; it stays until it is removed or pruned\n");
    expect(JSON.parse(await strata(daemon, "why", "--format", "json", "free"))).toEqual(await why("free"));

    await build(daemon, "child", { Dockerfile: "FROM busybox\nRUN echo 1 > /one\n" });
    const [top] = ((await daemon.api("GET", "/layers", { query: { filters: JSON.stringify({ image: ["child"] }) } })).json as { ChainId: string; Parent: string | null }[]).filter(({ Parent }) => Parent !== null);
    await daemon.dockerOk("rmi", "child");
    expect(await paths(top!.ChainId)).toEqual([expect.stringMatching(/^build-record [0-9a-f]+ > layer /)]);
    expect(await paths(base.ChainId)).toEqual(expect.arrayContaining([expect.stringMatching(`^build-record .* > layer .* > ${layer}$`)]));
    await daemon.dockerOk("builder", "prune", "-af");
    await until(async () => ((await daemon.api("GET", `/graph/why/${top!.ChainId}`)).status === 404 || undefined), 60_000, "the layer to go");

    await daemon.dockerOk("tag", "busybox", "other:1");
    await daemon.dockerOk("rmi", "busybox");
    expect(await paths(busybox.Id, "image")).toEqual([`tag other:1 > image ${id}`, `container box > image ${id}`]);
    await daemon.dockerOk("tag", "other:1", "busybox");
    await daemon.dockerOk("rmi", "other:1");
    expect((await daemon.api("GET", "/graph/why/no/such/thing")).json).toEqual({ message: expect.stringContaining("nothing is called no/such/thing") });
    await daemon.dockerOk("volume", "rm", "free");
  });

  it("what is used last is known, thing by thing, and survives restarts", async () => {
    interface Owners { Images: { Id: string; Names: string[]; LastUsed: string }[]; Volumes: { Name: string; LastUsed: string }[]; BuildCache: { LastUsed: string }[] }
    const owners = async (): Promise<Owners> => (await daemon.api("GET", "/graph/usage")).json.Owners;
    const image = async (name = "busybox:latest"): Promise<number> => Date.parse((await owners()).Images.find(({ Names }) => Names.includes(name))!.LastUsed);
    const volume = async (name: string): Promise<number> => Date.parse((await owners()).Volumes.find(({ Name }) => Name === name)!.LastUsed);
    const [base] = (await daemon.api("GET", "/layers", { query: { filters: JSON.stringify({ image: ["busybox"] }) } })).json as { ChainId: string }[];
    const layer = async (): Promise<number> => Date.parse(((await daemon.api("GET", `/layers/${base!.ChainId}`)).json as { LastUsed: string }).LastUsed);
    /** Runs something that is a use, or is none. */
    const uses = async (what: string, action: () => Promise<unknown>, measure: () => Promise<number> = image): Promise<void> => {
      const before = await measure();
      await action();
      expect([what, (await measure()) > before]).toEqual([what, true]);
    };
    const leaves = async (what: string, action: () => Promise<unknown>, measure: () => Promise<number> = image): Promise<void> => {
      const before = await measure();
      await action();
      expect([what, (await measure()) - before]).toEqual([what, 0]);
    };
    const d = (...args: string[]) => (): Promise<string> => daemon.dockerOk(...args);
    await uses("create", d("create", "--name", "box", "-v", "used:/v", "busybox", "sleep", "1000"));
    await uses("start", d("start", "box"));
    await uses("start, of the volume", d("restart", "-t", "0", "box"), () => volume("used"));
    await leaves("exec", d("exec", "box", "true"));
    await leaves("inspect", d("inspect", "box", "busybox"));
    await leaves("a list", d("images"));
    await uses("stop", d("stop", "-t", "0", "box"));
    await daemon.dockerOk("start", "box");
    await uses("stop, of the volume", d("stop", "-t", "0", "box"), () => volume("used"));
    await uses("tag", d("tag", "busybox", registry.name("used:1")));
    await uses("push", d("push", "-q", registry.name("used:1")));
    await uses("pull", d("pull", "-q", registry.name("used:1")));
    await daemon.dockerOk("save", "-o", join(bed.folder, "saved.tar"), "busybox");
    await uses("load", d("load", "-q", "-i", join(bed.folder, "saved.tar")));
    await uses("FROM", () => build(daemon, "grown", { Dockerfile: "FROM busybox\nRUN echo 1 > /one\n" }));
    await uses("FROM, all from the cache", () => build(daemon, "grown", { Dockerfile: "FROM busybox\nRUN echo 1 > /one\n" }));
    await uses("the record of a step", () => build(daemon, "grown", { Dockerfile: "FROM busybox\nRUN echo 1 > /one\n" }), async () => Math.max(...(await owners()).BuildCache.map(({ LastUsed }) => Date.parse(LastUsed))));
    await uses("COPY --from", () => build(daemon, "copied", { Dockerfile: "FROM scratch\nCOPY --from=busybox /etc/passwd /\n" }));
    await uses("a container of what was made from it, of the layer", d("run", "--rm", "grown", "true"), layer);
    const before = [await image(), await layer(), await volume("used")];
    await daemon.restart();
    expect([await image(), await layer(), await volume("used")]).toEqual(before);
    await daemon.kill9();
    await daemon.start();
    expect([await image(), await layer(), await volume("used")]).toEqual(before);
    const lines = (await strata(daemon, "df", "-v")).split("\n");
    expect(lines.find((line) => line.startsWith("KIND"))).toMatch(/^KIND +COUNT +ON DISK +INODES +RECLAIMABLE +MEASURED$/);
    expect(lines.find((line) => line.startsWith("VOLUME"))).toMatch(/LAST USED/);
    expect(lines.find((line) => line.startsWith("used "))).toMatch(/seconds? ago|minute/);
    expect(lines.find((line) => line.startsWith("total "))).toBeDefined();
  });

  it("docker's account has the shape of the version that is asked for", async () => {
    await build(daemon, "grown", { Dockerfile: "FROM busybox\nRUN echo 1 > /one\n" });
    const df = async (version: string, query = {}): Promise<Record<string, unknown>> => (await daemon.api("GET", `/v${version}/system/df`, { query })).json as Record<string, unknown>;
    const old = await df("1.41"), now = await df("1.51");
    expect(old["BuilderSize"]).toBeGreaterThan(0);
    expect(now).not.toHaveProperty("BuilderSize");
    expect((old["Images"] as { VirtualSize: number; Size: number }[]).every(({ VirtualSize, Size }) => VirtualSize === Size)).toBe(true);
    expect((now["Images"] as object[]).every((image) => !("VirtualSize" in image))).toBe(true);
    expect((old["BuildCache"] as object[]).every((record) => !("Parents" in record))).toBe(true);
    expect((now["BuildCache"] as object[]).every((record) => !("Parent" in record))).toBe(true);
    expect(await df("1.51", { type: "volume" })).toMatchObject({ LayersSize: 0, Images: null, Containers: null, BuildCache: null });
    expect((await df("1.41", { type: "volume" }))["Images"]).toHaveLength((old["Images"] as object[]).length);
    for (const { UsageData } of now["Volumes"] as { UsageData: { Size: number; RefCount: number } }[]) expect(UsageData.Size).toBeGreaterThanOrEqual(0);
  });
});
