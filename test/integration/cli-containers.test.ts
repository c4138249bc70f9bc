import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Background, type Daemon, type Result, type TestBed, daemonNeeds, needs, ok, run, setUp } from "../helpers/index.js";

/** `strata cp`, `stats` and `update` beside docker's own. */
const it = needs(...daemonNeeds, "docker");
const program = resolve(__dirname, "../../../packages/cli/bin/strata.js");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});
afterEach(() => daemon.removeContainers());

type Name = "strata" | "docker";
const CLIS: readonly Name[] = ["docker", "strata"];
const env = (): NodeJS.ProcessEnv => ({ ...daemon.env(), STRATA_HOST: `unix://${daemon.socket}` });
const cli = (name: Name, args: readonly string[], input?: Buffer, cwd?: string): Promise<Result> =>
  run(name === "docker" ? "docker" : process.execPath, [...(name === "docker" ? [] : [program]), ...args], { env: env(), ...(input ? { input } : {}), ...(cwd ? { cwd } : {}) });

/** What lies below a folder, with kinds, modes and content. */
const listing = "find . -exec stat -c '%n %F %a %u %N' {} + | sed \"s/'//g\" | sort; find . -type f | sort | xargs cat";

describe("cp", () => {
  it("out of a container, every way that docker's does", async () => {
    await daemon.dockerOk("run", "-d", "--name", "box", "busybox", "sh", "-c", "mkdir -p /d/sub; echo a > /d/a; echo b > /d/sub/b; chmod 640 /d/a; chown 1000:2000 /d/a; ln -s sub /d/link; ln -s /d/a /file; sleep 1000");
    await daemon.dockerOk("exec", "box", "sh", "-c", "while [ ! -L /file ]; do usleep 10000; done");
    const copies: string[][] = [
      ["box:/d", "there"], ["box:/d/", "new"], ["box:/d/.", "there"], ["box:/d/.", "new"], ["box:/d/a", "there"], ["box:/d/a", "file"], ["box:/d/a", "new"], ["box:/d/a", "there/renamed"], ["box:/d/link", "there"], ["-L", "box:/d/link", "there"],
      ["-L", "box:/file", "there"], ["-L", "box:/file", "new"], ["-a", "box:/d", "there"], ["box:/d", "file"], ["box:/d/a", "new/"], ["box:/none", "there"], ["box:/d/a", "no/such/dir"], ["nobody:/x", "there"], ["box:/d/a", "link"], ["there", "there"], ["box:/a", "box:/b"],
    ];
    const [docker, strata] = await Promise.all(CLIS.map(async (name) => {
      const all = [];
      for (const [at, copy] of copies.entries()) {
        const here = bed.path(`out-${name}-${at}`);
        mkdirSync(join(here, "there"), { recursive: true });
        writeFileSync(join(here, "file"), "old");
        symlinkSync("file", join(here, "link"));
        const { code } = await cli(name, ["cp", ...copy], undefined, here);
        all.push({ copy, failed: code !== 0, tree: await ok("sh", ["-c", listing], { cwd: here }) });
      }
      return all;
    }));
    expect(strata).toEqual(docker);
    const tar = bed.path("d.tar");
    writeFileSync(tar, (await cli("strata", ["cp", "box:/d/sub", "-"])).stdout);
    expect(await ok("tar", ["-tf", tar])).toBe("sub/\nsub/b");
  }, 120_000);

  it("into a container, every way that docker's does", async () => {
    const here = bed.path("in");
    mkdirSync(join(here, "dir/sub"), { recursive: true });
    writeFileSync(join(here, "dir/a"), "a", { mode: 0o640 });
    writeFileSync(join(here, "dir/sub/b"), "x".repeat(3_000_000));
    symlinkSync("a", join(here, "dir/link"));
    const copies: string[][] = [
      ["dir", "/there"], ["dir", "/new"], ["dir/.", "/there"], ["dir/", "/there"], ["dir/a", "/there"], ["dir/a", "/new"], ["dir/a", "/file"], ["dir", "/file"], ["dir/a", "/new/"], ["dir/link", "/there"], ["-L", "dir/link", "/there"], ["-L", "dir/link", "/new"],
      ["dir/a", "/door"], ["dir", "/door"], ["none", "/there"], ["dir/a", "/no/such/dir/a"], ["-a", "dir", "/there"],
    ];
    const [docker, strata] = await Promise.all(CLIS.map(async (name) => {
      await daemon.dockerOk("run", "-d", "--name", name, "busybox", "sh", "-c", `for i in $(seq 0 ${copies.length}); do mkdir -p /$i/there; echo old > /$i/file; ln -s there /$i/door; done; touch /made; sleep 1000`);
      await daemon.dockerOk("exec", name, "sh", "-c", "while [ ! -e /made ]; do usleep 10000; done");
      const failed: boolean[] = [];
      for (const [at, copy] of copies.entries()) failed.push((await cli(name, ["cp", ...copy.slice(0, -1), `${name}:/${at}${copy.at(-1)!}`], undefined, here)).code !== 0);
      const trees = await daemon.dockerOk("exec", name, "sh", "-c", "for f in $(find /[0-9]* | sort); do stat -c '%n %F %a %u %s' $f; readlink $f; done; true");
      return copies.map((copy, at) => ({ copy, failed: failed[at], tree: trees.split("\n").filter((line) => line.startsWith(`/${at}/`)) }));
    }));
    expect(strata).toEqual(docker);
    await daemon.dockerOk("create", "--name", "piped", "busybox", "true");
    await ok("tar", ["-C", here, "-cf", bed.path("in.tar"), "dir"]);
    expect(await cli("strata", ["cp", "-", "piped:/tmp"], readFileSync(bed.path("in.tar")))).toMatchObject({ code: 0 });
    expect(await daemon.dockerOk("diff", "piped")).toContain("A /tmp/dir/sub/b");
    expect((await cli("strata", ["cp", "-", "piped:/etc/passwd"], readFileSync(bed.path("in.tar")))).stderr).toContain("must be a directory");
  }, 120_000);
});

it("stats: the same columns, once and for as long as anything is there", async () => {
  await daemon.dockerOk("run", "-d", "--name", "box", "-m", "64m", "busybox", "sleep", "1000");
  await daemon.dockerOk("create", "--name", "idle", "busybox", "true");
  const format = "{{.Name}} {{.PIDs}} {{.NetIO}} {{.BlockIO}}";
  const figures = (text: string): string => text.replace(/[\d.]+[kMG]?i?B/g, "N");
  for (const args of [["box", "idle"], ["-a"]]) {
    const [docker, strata] = await Promise.all(CLIS.map((name) => cli(name, ["stats", "--no-stream", "--format", format, ...args])));
    expect({ args, lines: figures(strata!.stdout).split("\n").sort() }).toEqual({ args, lines: figures(docker!.stdout).split("\n").sort() });
  }
  const table = (await cli("strata", ["stats", "--no-stream", "box"])).stdout.split("\n");
  expect(table[0]).toMatch(/^CONTAINER ID +NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS$/);
  expect(table[1]).toMatch(/^[0-9a-f]{12} +box +[\d.]+% +[\d.]+[KM]?i?B \/ 64MiB +[\d.]+% +[\d.]+k?B \/ [\d.]+k?B +[\d.]+k?M?B \/ [\d.]+k?M?B +1$/);
  expect(await cli("strata", ["stats", "--no-stream", "nobody"])).toMatchObject({ code: 1, stderr: expect.stringContaining("No such container: nobody") });
  const following = new Background(process.execPath, [program, "stats", "--format", "{{.Name}} {{.PIDs}}.", "box"], { env: env() });
  await following.waitFor(/box 1\./);
  await daemon.dockerOk("rm", "-f", "box");
  expect(await following.exit).toBe(0);
});

it("update: limits and restart policy", async () => {
  await daemon.dockerOk("run", "-d", "--name", "box", "-m", "64m", "busybox", "sleep", "1000");
  expect(await cli("strata", ["update", "-m", "100m", "--memory-swap", "200m", "--cpus", "0.5", "--pids-limit", "40", "--restart", "on-failure:3", "box"])).toMatchObject({ code: 0, stdout: "box\n" });
  expect((await daemon.inspect("box")).HostConfig).toMatchObject({ Memory: 100 << 20, MemorySwap: 200 << 20, NanoCpus: 5e8, PidsLimit: 40, RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 } });
  expect((await cli("strata", ["update", "box"])).stderr).toContain("you must provide one or more flags");
  expect((await cli("strata", ["update", "-m", "1m", "box"])).stderr).toContain("Minimum memory limit allowed is 6MB");
});
