import { chownSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { type Background, type TestBed, call, daemonNeeds, needs, run, setUp, until } from "../helpers/index.js";

const it = needs("root", "netns");
const withContainers = needs(...daemonNeeds, "docker");
const withUsers = needs("root", "netns", "setpriv", "curl");
const stratad = resolve(__dirname, "../../../packages/daemon/bin/stratad.js");

let bed: TestBed;
setUp((made) => { bed = made; });

/** Runs the daemon to its end, which must come by itself. */
const stratadEnds = (...flags: string[]): ReturnType<typeof run> => run(process.execPath, [stratad, ...flags], { timeoutMs: 20_000 });

describe("the socket", () => {
  withUsers("belongs to the group, mode 0660: a user outside is refused, one inside works", async () => {
    const group = 54_321;
    const daemon = await bed.daemon({ flags: ["--group", String(group)] });
    for (let folder = dirname(daemon.socket); folder.startsWith(bed.folder); folder = dirname(folder)) await run("chmod", ["o+x", folder]);
    const { mode, uid, gid } = statSync(daemon.socket);
    expect([mode & 0o7777, uid, gid]).toEqual([0o660, 0, group]);
    const ask = (...groups: string[]): ReturnType<typeof run> => run("setpriv", ["--reuid=12345", "--regid=12345", ...groups, "curl", "-sS", "--unix-socket", daemon.socket, "http://d/_ping"]);
    expect(await ask(`--groups=${group}`)).toMatchObject({ code: 0, stdout: "OK" });
    expect(await ask("--clear-groups")).toMatchObject({ code: 7, stdout: "", stderr: expect.stringMatching(/connect|denied/i) });
    await daemon.destroy();
  });

  it("of a dead daemon is replaced, and goes when the daemon stops", async () => {
    const daemon = await bed.daemon();
    await daemon.kill9();
    expect(existsSync(daemon.socket)).toBe(true);
    await daemon.start();
    expect(await daemon.stop()).toBe(0);
    expect(existsSync(daemon.socket)).toBe(false);
  });

  it("of somebody who still listens is left alone", async () => {
    const daemon = bed.prepare();
    const server = createServer().listen(daemon.socket);
    await until(() => existsSync(daemon.socket) || undefined, 5_000, "the socket");
    try {
      const second = daemon.launch();
      expect(await second.exit).toBe(1);
      expect(second.output).toContain(daemon.socket);
      expect(existsSync(daemon.socket)).toBe(true);
    } finally {
      server.close();
    }
  });
});

describe("starting", () => {
  it("prints one line when ready, that says where and with what", async () => {
    const daemon = bed.prepare();
    const process = daemon.launch();
    const [line] = await process.waitFor(/^.*s\.sock.*$/m);
    expect(line).toMatch(/erofs|overlay2|vfs/);
    await until(async () => ((await call(daemon.socket, "GET", "/_ping").catch(() => undefined))?.status === 200 ? true : undefined), 5_000, "an answer");
    await daemon.destroy();
  });

  it("through npm start: in the foreground, with the flags, the signals and the exit code passed on", async () => {
    const daemon = bed.prepare();
    const npmStart = (...flags: string[]): Background => bed.netns.start("npm", ["start", "--", ...flags], { cwd: resolve(__dirname, "../../..") });
    const start = npmStart(...daemon.flags());
    await until(async () => ((await call(daemon.socket, "GET", "/_ping").catch(() => undefined))?.status === 200 ? true : undefined), 60_000, () => `an answer:\n${start.output}`, () => start.ended);
    start.kill("SIGTERM");
    expect(await start.exit).toBe(0);
    expect(existsSync(daemon.socket)).toBe(false);
    const wrong = npmStart("--no-such-flag");
    expect(await wrong.exit).toBe(1);
    expect(wrong.output).toContain("--no-such-flag");
    await daemon.destroy();
  });

  it("refuses a data root that another daemon has", async () => {
    const first = await bed.daemon();
    const second = bed.prepare({ dataRoot: first.dataRoot });
    const process = second.launch();
    expect(await process.exit).toBe(1);
    expect(process.output).toContain(first.dataRoot);
    expect(process.output).toMatch(/in use|another|locked/i);
    expect((await first.api("GET", "/_ping")).status).toBe(200);
    await first.destroy();
  });

  it("names an unknown flag, key or value, and touches nothing", async () => {
    const root = bed.path("untouched");
    const config = bed.path("daemon.json");
    const at = ["--data-root", root, "--exec-root", join(root, "exec"), "-H", `unix://${join(root, "s")}`];
    const cases: [string[], RegExp][] = [
      [[...at, "--no-such-flag"], /--no-such-flag/],
      [[...at, "--storage-driver", "no-such-driver"], /no-such-driver/],
      [[...at, "-H", "gopher://x"], /gopher/],
      [[...at, "--config-file", bed.path("absent.json")], /absent\.json/],
    ];
    for (const [flags, words] of cases) {
      const { code, stderr } = await stratadEnds(...flags);
      expect([code, stderr]).toEqual([1, expect.stringMatching(words)]);
    }
    for (const [text, words] of [
      [`{"no-such-key": 1}`, /no-such-key/], [`{"mtu": "wide"}`, /mtu/], ["{ broken", /daemon\.json/], [`{"data-root": "/elsewhere"}`, /data-root/], [`{"log-opts": {"max-size": "wide"}}`, /max-size/],
    ] as const) {
      writeFileSync(config, text);
      const { code, stderr } = await stratadEnds(...at, "--config-file", config);
      expect([code, stderr]).toEqual([1, expect.stringMatching(words)]);
    }
    const daemon = await bed.daemon();
    const { code, stderr } = await stratadEnds(...at, "--pidfile", join(daemon.folder, "pid"));
    expect([code, stderr]).toEqual([1, expect.stringContaining(`pid file of another daemon, which runs (${daemon.pid})`)]);
    expect(existsSync(root)).toBe(false);
  }, 60_000);

  it("checks a configuration with --validate and says its version", async () => {
    writeFileSync(bed.path("good.json"), `{"debug": true, "mtu": 1400}`);
    expect((await stratadEnds("--config-file", bed.path("good.json"), "--validate")).code).toBe(0);
    expect((await stratadEnds("--version"))).toMatchObject({ code: 0, stdout: expect.stringMatching(/\d+\.\d+\.\d+/) });
  });

  it("does not start as a plain user", async () => {
    const folder = bed.path("plain");
    mkdirSync(folder);
    chownSync(folder, 12_345, 12_345);
    await run("chmod", ["o+x", bed.folder]);
    const { code, stderr } = await run("setpriv", ["--reuid=12345", "--regid=12345", "--clear-groups", process.execPath, stratad, "--data-root", join(folder, "data"), "--exec-root", join(folder, "exec"), "-H", `unix://${join(folder, "s")}`], { timeoutMs: 20_000 });
    expect(code).toBe(1);
    expect(stderr).toMatch(/root/);
  });
});

describe("stopping", () => {
  withContainers("leaves containers running, and finds them again", async () => {
    const daemon = await bed.daemonWithBusybox();
    const id = await daemon.dockerOk("run", "-d", "--name", "lasting", "busybox", "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done");
    const { Pid } = (await daemon.inspect(id)).State;
    expect(await daemon.stop()).toBe(0);
    expect(existsSync(`/proc/${Pid as number}`)).toBe(true);
    await daemon.start();
    expect((await daemon.inspect(id)).State).toMatchObject({ Running: true, Pid });
    await daemon.dockerOk("stop", "-t", "0", id);
    const lines = (await daemon.dockerOk("logs", id)).split("\n").map(Number);
    expect(lines).toEqual(lines.map((_, i) => i + 1));
    await daemon.destroy();
  });

  withContainers("runs what should always run at its next start", async () => {
    const daemon = await bed.daemonWithBusybox();
    await daemon.dockerOk("run", "-d", "--name", "always", "--restart", "always", "busybox", "sleep", "1000");
    await daemon.dockerOk("run", "-d", "--name", "stopped", "--restart", "unless-stopped", "busybox", "sleep", "1000");
    await daemon.dockerOk("stop", "-t", "0", "stopped");
    const { Pid } = (await daemon.inspect("always")).State;
    await daemon.kill9();
    process.kill(Pid as number, "SIGKILL");
    await until(() => (existsSync(`/proc/${Pid as number}`) ? undefined : true), 5_000, "its end");
    await daemon.start();
    await until(async () => ((await daemon.inspect("always")).State.Running as boolean) || undefined, 10_000, "its start");
    expect((await daemon.inspect("stopped")).State.Running).toBe(false);
    await daemon.destroy();
  });
});
