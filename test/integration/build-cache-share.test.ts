import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { busyboxTar, type ContextFile, type Daemon, Dockerd, FaultyRegistry, ledgerRows, ok, open, type Registry, type Result, type TestBed, daemonNeeds, makeContext, needs, run, setUp, tarOfMembers, unmet, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");
const withRegistry = needs(...daemonNeeds, "docker", "registry");
const program = resolve(__dirname, "../../../packages/cli/bin/strata.js");
jest.setTimeout(120_000);

let bed: TestBed;
let daemon: Daemon, other: Daemon;
let registry: Registry | undefined;
setUp(async (made) => {
  bed = made;
  [daemon, other] = [await bed.daemonWithBusybox(), await bed.daemon()];
  registry = unmet(["registry"]) === undefined ? await bed.registry() : undefined;
  // One base for both, by the same ID.
  await daemon.dockerOk("save", "-o", bed.path("base.tar"), "busybox");
  await other.dockerOk("load", "-i", bed.path("base.tar"));
});

const strata = (on: Daemon, ...args: string[]): Promise<Result> => run(process.execPath, [program, ...args], { env: { ...on.env(), STRATA_HOST: `unix://${on.socket}` } });
const context = (files: Readonly<Record<string, ContextFile>>): string => makeContext(bed.folder, files);
async function build(on: Daemon, folder: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await strata(on, "build", "--force-rm", "-t", "built", ...args, folder);
  if (code !== 0) throw new Error(`strata build: ${stderr}\n${stdout}`);
  return stdout;
}
const cached = (output: string): number => output.split("\n").filter((line) => line.includes("Using cache")).length;
const names = async (on: Daemon): Promise<string> => on.dockerOk("images", "-a", "--digests", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}");
/** What the other daemon has of former builds goes. */
async function forget(): Promise<void> {
  await other.docker(["rmi", "-f", ...new Set((await other.dockerOk("images", "-aq", "--no-trunc")).split("\n").filter(Boolean))]);
  await other.dockerOk("builder", "prune", "-af");
  await other.dockerOk("load", "-i", bed.path("base.tar"));
}

const FILES: Readonly<Record<string, ContextFile>> = {
  "a/f": "f\n", "a/g": "g\n",
  Dockerfile: "FROM busybox AS tools\nWORKDIR /t\nRUN --mount=type=cache,target=/c echo tool > /t/tool\nFROM busybox\nARG V=1\nENV E=$V\nCOPY --parents a/f /p/\nRUN --mount=type=bind,source=a,target=/a cat /a/g > /g && date +%N >> /g\nCOPY --from=tools /t/tool /\nRUN rm -r /home && mkdir /d\nCMD cat /g\n",
};

describe("a cache somewhere else", () => {
  const ref = (): string => registry!.name("team/cache:main");

  withRegistry("of all stages lets a fresh daemon do nothing again, and leaves no name behind", async () => {
    const folder = context(FILES), before = await names(daemon);
    await build(daemon, folder, "--cache-to", `type=registry,ref=${ref()},mode=max`);
    const id = (await daemon.inspect("built", "image")).Id as string;
    expect((await names(daemon)).split("\n").filter((line) => line.includes("team/cache"))).toEqual([]);
    expect(before).not.toContain("team/cache");
    await forget();
    expect(cached(await build(other, folder, "--cache-from", `type=registry,ref=${ref()}`))).toBe(9);
    expect((await other.inspect("built", "image")).Id).toBe(id);
    expect(await names(other)).not.toContain("team/cache");
    expect(await other.dockerOk("run", "--rm", "built", "cat", "/tool", "/p/a/f")).toBe("tool\nf");
    // Nobody here saw it done: without the cache it is done.
    expect(cached(await build(other, folder))).toBe(0);
  });

  withRegistry("of the target alone has the target's steps, and changed files miss", async () => {
    const folder = context(FILES);
    await build(daemon, folder, "--cache-to", `type=registry,ref=${registry!.name("team/min:1")}`);
    await forget();
    expect(cached(await build(other, folder, "--cache-from", `type=registry,ref=${registry!.name("team/min:1")}`))).toBe(7);
    writeFileSync(join(folder, "a/g"), "changed\n");
    await forget();
    expect(cached(await build(other, folder, "--cache-from", `type=registry,ref=${registry!.name("team/min:1")}`))).toBe(3);
    await forget();
    expect(cached(await build(other, folder, "--build-arg", "V=2", "--cache-from", `type=registry,ref=${registry!.name("team/min:1")}`))).toBe(1);
  });

  withRegistry("that is taken or left while the daemon is killed leaves nothing", async () => {
    const proxy = await FaultyRegistry.start(bed.netns, registry!.address, 5110), cut = `type=registry,ref=${proxy.name("team/cut:1")}`;
    try {
      const folder = context({ Dockerfile: "FROM busybox\nRUN head -c 3000000 /dev/urandom > /noise\n" });
      await build(daemon, folder, "--cache-to", cut);
      await forget();
      const before = [await names(other), ledgerRows(other)];
      for (const [flag, fault] of [["--cache-from", { on: "GET .*/blobs/", kind: "hold", after: 0 }], ["--cache-to", { on: "PUT .*/manifests/", kind: "status", status: 503, headers: { "Retry-After": "60" } }]] as const) {
        await proxy.faults(fault);
        const under = strata(other, "build", "--force-rm", "--no-cache", flag, cut, folder);
        await until(async () => (await proxy.exchanges()).some(({ method, path }) => new RegExp(fault.on).test(`${method} ${path}`)) || undefined, 60_000, `the registry to be asked: ${fault.on}`);
        expect(await names(other)).not.toContain("team/cut");
        await other.kill9();
        expect((await under).code).not.toBe(0);
        await other.start();
        expect(await names(other)).not.toContain("team/cut");
        await forget();
        await until(async () => JSON.stringify([await names(other), ledgerRows(other)]) === JSON.stringify(before) || undefined, 60_000, () => `a ledger as before: ${ledgerRows(other).join("\n")}`);
      }
    } finally { await proxy.stop(); }
  });

  withRegistry("that is not there is a warning; bad words are refused before anything is done", async () => {
    const folder = context({ Dockerfile: "FROM busybox\nRUN true\n" });
    expect(await build(other, folder, "--cache-from", `type=registry,ref=${registry!.name("team/none:1")}`)).toMatch(/\[WARNING\]: no cache from .*team\/none:1/);
    for (const [flag, message] of [[["--cache-to", "type=gha"], /cacheto: type=gha/], [["--cache-to", "type=registry"], /cacheto: ref is missing/], [["--cache-to", "type=registry,ref=UPPER"], /cacheto: ref/], [["--cache-from", "type=s3,ref=x"], /cachefrom: type=s3/], [["--cache-to", "type=registry,ref=x,mode=mid"], /mode is min or max/]] as const) {
      expect((await strata(other, "build", ...flag, folder)).stderr).toMatch(message);
    }
  });
});

withRegistry("the history of an image that was pulled is enough, as for docker's classic builder", async () => {
  const plain = context({ "a/f": "f\n", Dockerfile: "FROM busybox\nENV A=1\nRUN date +%N > /when\nCOPY a /a/\nWORKDIR /w\nUSER user\n" }), name = registry!.name("team/app:1");
  await build(daemon, plain, "--cache-to", "type=inline");
  await daemon.dockerOk("tag", "built", name);
  await daemon.dockerOk("push", name);
  const id = (await daemon.inspect("built", "image")).Id as string;
  await forget();
  await other.dockerOk("pull", name);
  const classic = await other.docker(["build", "-t", "again", "--cache-from", name, plain], { env: { DOCKER_BUILDKIT: "0" } });
  expect([classic.code, cached(classic.stdout), (await other.inspect("again", "image")).Id]).toEqual([0, 5, id]);
  writeFileSync(join(plain, "a/f"), "other\n");
  expect(cached((await other.docker(["build", "--cache-from", name, plain], { env: { DOCKER_BUILDKIT: "0" } })).stdout)).toBe(2);
});

it("a folder keeps a cache", async () => {
  const folder = context(FILES), cache = bed.path("cache");
  expect((await strata(daemon, "build", "--cache-from", `type=local,src=${cache}`, "--cache-to", `type=local,dest=${cache},mode=max`, folder)).stderr).toContain(`WARNING: no cache in ${cache}`);
  expect(readdirSync(cache)).toEqual(["cache.tar"]);
  expect(await names(daemon)).not.toContain("strata-build-cache");
  await forget();
  expect(cached(await build(other, folder, "--cache-from", `type=local,src=${cache}`))).toBe(9);
  expect(await names(other)).not.toContain("strata-build-cache");
});

describe("--squash", () => {
  const squashed = async (files: Readonly<Record<string, ContextFile>>, ...args: string[]): Promise<{ RootFS: { Layers: string[] }; Id: string }> => {
    await build(daemon, context(files), "--squash", ...args);
    return (await daemon.inspect("built", "image")) as { RootFS: { Layers: string[] }; Id: string };
  };
  const inside = (...command: string[]): Promise<string> => daemon.dockerOk("run", "--rm", "built", ...command);

  it("puts what is above the base in one layer: what was removed is in none, hard links stay", async () => {
    const { RootFS } = await squashed({ big: "x".repeat(200_000), Dockerfile: "FROM busybox\nCOPY big /big\nRUN rm /big && rm -r /home && mkdir /home && echo n > /home/new && echo l > /l && ln /l /m\nENV A=1\nRUN rm /tmp -r\n" });
    expect(RootFS.Layers).toHaveLength(2);
    expect(await inside("sh", "-c", "ls -A /home; ls -d /big /tmp 2>&1; stat -c %h /l; echo $A")).toBe("new\nls: /big: No such file or directory\nls: /tmp: No such file or directory\n2\n1");
    const { json } = await daemon.api("GET", "/images/built/history");
    const history = json as { Size: number; Comment: string; CreatedBy: string }[];
    expect(history.map(({ Size }) => Size > 0)).toEqual([true, false, false, false, false, true]);
    expect(history[0]).toMatchObject({ CreatedBy: "", Comment: expect.stringMatching(/^merge sha256:[0-9a-f]{64} to sha256:[0-9a-f]{64}$/) });
    expect(history[0]!.Size).toBeLessThan(1000);
    expect(existsSync(join(daemon.dataRoot, "tmp")) && readdirSync(join(daemon.dataRoot, "tmp"))).toEqual([]);
  });

  it("takes a file that changed though its size and time are what they were, again and again the same under SOURCE_DATE_EPOCH", async () => {
    const epoch = ["--build-arg", "SOURCE_DATE_EPOCH=1000000000"];
    await build(daemon, context({ f: "one\n", Dockerfile: "FROM busybox\nCOPY f /f\n" }), "-t", "base", ...epoch);
    const files = { f: "two\n", Dockerfile: "FROM base\nCOPY f /f\nRUN echo x > /x\n" };
    const first = await squashed(files, ...epoch);
    expect([first.RootFS.Layers.length, await inside("cat", "/f", "/x")]).toEqual([3, "two\nx"]);
    await daemon.dockerOk("builder", "prune", "-af");
    expect((await squashed(files, "--no-cache", ...epoch)).Id).toBe(first.Id);
  });

  it("from scratch, and of nothing but configuration", async () => {
    expect((await squashed({ f: "f", Dockerfile: "FROM scratch\nCOPY f /f\nCOPY f /g\n" })).RootFS.Layers).toHaveLength(1);
    expect((await squashed({ Dockerfile: "FROM busybox\nENV B=2\n" })).RootFS.Layers).toHaveLength(2);
    expect(await inside("sh", "-c", "echo $B")).toBe("2");
  });
});

needs(...daemonNeeds, "docker", "dockerd")("--squash makes what dockerd makes of it", async () => {
  const tried = await bed.daemon({ flags: ["--experimental"] }), dockerd = await Dockerd.start(bed.netns, bed.path("dd"), ["--experimental"]);
  try {
    const folder = context({ "d/f": "f\n", Dockerfile: "FROM busybox AS one\nCOPY d /d\nRUN rm -r /home /d/f && mkdir /home && echo n > /home/n && chmod 700 /tmp\nENV A=1\nFROM busybox\nCOPY d /e\nRUN echo x >> /etc/passwd\n" });
    const built = async (engine: Daemon | Dockerd, ...args: string[]): Promise<object> => {
      await engine.dockerOk("import", await busyboxTar(), "busybox:latest");
      const { code, stderr } = await engine.docker(["build", "--network", "none", "--squash", "-t", "squashed", ...args, folder], { env: { DOCKER_BUILDKIT: "0" } });
      if (code !== 0) throw new Error(stderr);
      const { RootFS } = (JSON.parse(await engine.dockerOk("inspect", "squashed")) as { RootFS: { Layers: string[] } }[])[0]!;
      const id = await engine.dockerOk("create", "--network", "none", "squashed", "x"), file = bed.path("squashed.tar");
      await engine.dockerOk("export", "-o", file, id);
      await engine.dockerOk("rm", id);
      const tree = (await ok("tar", ["--numeric-owner", "-tvf", file])).split("\n").map((line) => /^(\S+) (\S+) +(\S+) \S+ \S+ (?:\.?\/)?(.*)$/.exec(line)!.slice(1).join(" "))
        .filter((line) => !/ (|\.dockerenv|(dev|proc|sys|bin)\/.*|etc\/(hosts|hostname|resolv\.conf|mtab)( -> .*)?)$/.test(line)).sort();
      const history = (await engine.dockerOk("history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Comment}}", "squashed")).replaceAll(/[0-9a-f]{64}/g, "ID");
      return { layers: RootFS.Layers.length, tree, history };
    };
    for (const args of [[], ["--target", "one"]]) expect(await built(tried, ...args)).toEqual(await built(dockerd, ...args));
  } finally { await dockerd.stop(); }
});

describe("much output", () => {
  it("of a stage whose turn has not come waits for it, and comes whole", async () => {
    const lines = 300_000;
    const output = await build(daemon, context({ Dockerfile: `FROM busybox AS one\nRUN sleep 1\nFROM busybox AS two\nRUN seq ${lines}\nFROM busybox\nCOPY --from=two /bin/true /two\nCOPY --from=one /bin/true /one\n` }), "--no-cache");
    expect(output.split("\n").filter((line) => /^\d+$/.test(line))).toHaveLength(lines);
  });

  it("that nobody reads holds the command back", async () => {
    const lines = 1_000_000, dockerfile = `FROM busybox\nRUN --mount=type=cache,id=slow,target=/c touch /c/begun && seq ${lines} && touch /c/done\n`;
    const response = await open(daemon.socket, "POST", "/build", { query: { nocache: 1, forcerm: 1 }, body: tarOfMembers([{ name: "Dockerfile", data: dockerfile }]), headers: { "Content-Type": "application/x-tar" } });
    const there = (name: string): boolean => readdirSync(join(daemon.dataRoot, "volumes")).some((volume) => existsSync(join(daemon.dataRoot, "volumes", volume, "_data", name)));
    await until(() => (there("begun") ? true : undefined), 60_000, "the command");
    // It would be done long before; a machine that is slower shows nothing wrong.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(there("done")).toBe(false);
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk as string;
    const said = text.split("\r\n").filter(Boolean).map((line) => (JSON.parse(line) as { stream?: string }).stream ?? "").join("");
    expect([said.match(/^\d+$/gm)?.length, said.includes("Successfully built"), there("done")]).toEqual([lines, true, true]);
  });
});
