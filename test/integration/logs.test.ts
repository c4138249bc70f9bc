import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, daemonNeeds, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");

let daemon: Daemon;
setUp(async (bed) => { daemon = await bed.daemonWithBusybox(); });
afterEach(async () => {
  await daemon.removeContainers();
});

const said = (name: string, script: string, ...flags: string[]): Promise<string> => daemon.dockerOk("run", "--name", name, ...flags, "busybox", "sh", "-c", script);
const folder = async (name: string): Promise<string> => join(daemon.dataRoot, "containers", (await daemon.inspect(name)).Id as string);

describe.each(["json-file", "local"])("%s", (driver) => {
  it("is read whole, by tail, since, until, stream and with times", async () => {
    await daemon.dockerOk("run", "-d", "--name", "cc", "--log-driver", driver, "busybox", "sh", "-c", "echo one; echo two >&2; sleep 1.2; echo three; sleep 1000");
    await until(async () => ((await daemon.dockerOk("logs", "cc")).includes("three") ? true : undefined), 20_000, "three lines");
    const { stdout, stderr } = await daemon.docker(["logs", "cc"]);
    expect([stdout, stderr]).toEqual(["one\nthree\n", "two\n"]);
    expect(await daemon.dockerOk("logs", "--tail", "1", "cc")).toBe("three");
    const [first, last] = (await daemon.dockerOk("logs", "-t", "cc")).split("\n").map((line) => line.split(" ")[0]!);
    expect(first).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    expect(await daemon.dockerOk("logs", "--since", last!, "cc")).toBe("three");
    expect(await daemon.dockerOk("logs", "--until", first!, "cc")).toMatch(/^one/);
    const follower = daemon.dockerStart("logs", "-f", "--tail", "1", "cc");
    await until(() => (follower.output.includes("three") ? true : undefined), 20_000, "the last line");
    await daemon.dockerOk("kill", "cc");
    expect(await follower.exit).toBe(0);
    expect((await daemon.inspect("cc")).LogPath === "").toBe(driver === "local");
  }, 60_000);

  it("keeps to its sizes, packed on demand, and goes with its container", async () => {
    await said("cc", "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done", "--log-driver", driver, "--log-opt", "max-size=20k", "--log-opt", "max-file=4", "--log-opt", "compress=true");
    const at = await folder("cc"), logs = driver === "local" ? join(at, "local-logs") : at;
    const files = readdirSync(logs).filter((name) => /\.log(\.|$)/.test(name)).sort();
    expect(files).toHaveLength(4);
    expect(files.slice(1).every((name, i) => name.endsWith(`.${i + 1}.gz`))).toBe(true);
    expect(files.reduce((sum, name) => sum + statSync(join(logs, name)).size, 0)).toBeLessThan(80 << 10);
    const kept = (await daemon.dockerOk("logs", "cc")).split("\n");
    expect(kept.length).toBeGreaterThan(500);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => `line ${2000 - kept.length + i}`));
    await daemon.dockerOk("rm", "cc");
    expect(existsSync(at)).toBe(false);
  }, 60_000);

  it("tells what it was told to note, in the mode asked for", async () => {
    await said("cc", "echo hello", "--log-driver", driver, "--label", "colour=light blue", "-e", "STAGE=test", "--log-opt", "labels=colour", "--log-opt", "env-regex=^ST", "--log-opt", "tag={{.Name}}", "--log-opt", "mode=non-blocking", "--log-opt", "max-buffer-size=64k");
    expect(await daemon.dockerOk("logs", "--details", "cc")).toBe("STAGE=test,colour=light%20blue,tag=cc hello");
    expect(await daemon.dockerOk("logs", "cc")).toBe("hello");
  }, 60_000);
});

it("options that mean nothing are refused by name", async () => {
  for (const [driver, option, message] of [
    ["json-file", "wat=1", "unknown log opt 'wat' for json-file log driver"], ["local", "syslog-address=udp://x", "unknown log opt 'syslog-address' for local log driver"],
    ["syslog", "max-size=1m", "unknown log opt 'max-size' for syslog log driver"], ["journald", "wat=1", "unknown log opt 'wat' for journald log driver"],
    ["json-file", "mode=sometimes", "logger: logging mode not supported: sometimes"], ["json-file", "tag={{.Wat}}", "invalid value for tag: {{.Wat}}"],
    ["nowhere", "x=1", "logger: no log driver named 'nowhere' is registered"],
  ] as const) {
    const [key, value] = option.split(/=(.*)/s) as [string, string];
    const { status, json } = await daemon.api("POST", "/containers/create", { json: { Image: "busybox", HostConfig: { LogConfig: { Type: driver, Config: { [key]: value } } } } });
    expect([status, json.message]).toEqual([400, expect.stringContaining(message)]);
  }
  expect(await daemon.dockerOk("ps", "-aq")).toBe("");
  expect(JSON.parse(await daemon.dockerOk("info", "--format", "{{json .Plugins.Log}}"))).toEqual(["journald", "json-file", "local", "syslog"]);
}, 60_000);

it("syslog: lines go out, and docker logs has them too", async () => {
  const server = daemon.netns.start(process.execPath, ["-e", `require("dgram").createSocket("udp4").on("message",(m)=>process.stdout.write(m)).bind(5514,"127.0.0.1",()=>console.log("up"))`]);
  await until(() => (server.output.includes("up") ? true : undefined), 20_000, "the server");
  const flags = ["--log-driver", "syslog", "--log-opt", "syslog-address=udp://127.0.0.1:5514", "--log-opt", "syslog-format=rfc5424", "--log-opt", "tag={{.ImageName}}/{{.Name}}"];
  await said("cc", "echo out; echo err >&2", ...flags);
  await until(() => (server.output.includes("err") && server.output.includes("out\n") ? true : undefined), 20_000, "both lines");
  expect(server.output).toMatch(/^<30>1 \S+Z \S+ busybox\/cc \d+ busybox\/cc - out$/m);
  expect(server.output).toMatch(/^<27>1 \S+Z \S+ busybox\/cc \d+ busybox\/cc - err$/m);
  server.kill("SIGKILL");
  await server.exit;
  expect((await daemon.docker(["logs", "cc"])).stdout).toBe("out\n");
  const refused = await daemon.docker(["run", "--rm", "--log-driver", "syslog", "--log-opt", "syslog-address=tcp://127.0.0.1:5515", "busybox", "true"]);
  expect([refused.code, refused.stderr]).toEqual([125, expect.stringMatching(/failed to initialize logging driver: .*ECONNREFUSED/)]);
  expect(await daemon.dockerOk("ps", "-aq", "--filter", "status=created")).toBe("");
}, 60_000);

const journal = existsSync("/run/systemd/journal/socket");
(journal ? test.skip : it)(`journald is refused clearly where there is no journal${journal ? " (skipped: there is one)" : ""}`, async () => {
  const { code, stderr } = await daemon.docker(["run", "--rm", "--log-driver", "journald", "busybox", "true"]);
  expect([code, stderr]).toEqual([125, expect.stringMatching(/failed to initialize logging driver: journald is not enabled on this host/)]);
  expect(await daemon.dockerOk("ps", "-aq")).toBe("");
}, 60_000);

it("attach and docker run are not held back by mode=non-blocking, and none is not read", async () => {
  expect(await said("cc", "seq 20000 | tail -1", "--log-opt", "mode=non-blocking")).toBe("20000");
  await said("silent", "echo x", "--log-driver", "none");
  expect((await daemon.docker(["logs", "silent"])).stderr).toMatch(/configured logging driver does not support reading/);
}, 60_000);
