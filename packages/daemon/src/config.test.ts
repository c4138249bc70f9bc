import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readInvocation, rereadConfig, type Config } from "./config.js";
import { checkRegistries } from "./registries.js";

let dir: string;
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), "strata-config-")); });
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function file(value: unknown): string {
  const path = join(dir, "daemon.json");
  writeFileSync(path, typeof value === "string" ? value : JSON.stringify(value));
  return path;
}
function config(argv: string[], value: unknown = {}): Config {
  const invocation = readInvocation(["--config-file", file(value), ...argv], "0");
  if (invocation.kind === "print") throw new Error("printed");
  return invocation.config;
}

test("defaults", () => {
  const c = config([]);
  expect(c).toMatchObject({ dataRoot: "/var/lib/strata", execRoot: "/run/strata", hosts: [{ kind: "unix", path: "/run/strata/strata.sock" }], liveRestore: true, storageDriver: "", mtu: 1500 });
  expect(Object.isFrozen(c)).toBe(true);
});

test("flags by dockerd's names, short and other names among them", () => {
  expect(config(["-g", "/a"]).dataRoot).toBe("/a");
  expect(config(["--graph", "/b"]).dataRoot).toBe("/b");
  expect(config(["-H", "unix:///x.sock", "-H", "tcp://0.0.0.0:2375", "--host", "fd://"]).hosts).toEqual([{ kind: "unix", path: "/x.sock" }, { kind: "tcp", host: "0.0.0.0", port: 2375 }, { kind: "fd" }]);
  expect(config(["-D", "-l", "warn", "-s", "vfs"])).toMatchObject({ debug: true, logLevel: "warn", storageDriver: "vfs" });
  expect(config(["--live-restore=false", "--iptables=false"])).toMatchObject({ liveRestore: false, iptables: false });
  expect(config(["--add-runtime", "crun=/usr/bin/crun"]).runtimes).toEqual({ crun: "/usr/bin/crun" });
  expect(config(["--default-ulimit", "nofile=10:20"]).defaultUlimits).toEqual([{ Name: "nofile", Soft: 10, Hard: 20 }]);
  expect(config(["--log-opt", "max-size=1m", "--log-opt", "max-file=2"]).logOpts).toEqual({ "max-size": "1m", "max-file": "2" });
});

test("the file has dockerd's keys", () => {
  const c = config([], {
    "data-root": "/d", hosts: ["unix:///s"], "registry-mirrors": ["http://m"], runtimes: { crun: { path: "/c" } }, "log-opts": { "max-size": "1k" },
    "default-ulimits": { nofile: { Name: "nofile", Soft: 1, Hard: 2 } }, "live-restore": false, debug: true,
  });
  expect(c).toMatchObject({ dataRoot: "/d", registryMirrors: ["http://m"], runtimes: { crun: "/c" }, logOpts: { "max-size": "1k" }, liveRestore: false, debug: true });
});

test("metrics are served nowhere unless it is said where", () => {
  expect(config([]).metricsAddr).toBeNull();
  expect(config(["--metrics-addr", "127.0.0.1:9323"]).metricsAddr).toEqual({ host: "127.0.0.1", port: 9323 });
  expect(config([], { "metrics-addr": "[::1]:0" }).metricsAddr).toEqual({ host: "::1", port: 0 });
  expect(config([], { "metrics-addr": ":9323" }).metricsAddr).toEqual({ host: "", port: 9323 });
});

test("proxies as flags, and as members of proxies in the file", () => {
  expect(config(["--http-proxy", "http://a:1", "--no-proxy", "x,y"], { proxies: { "https-proxy": "http://b:2" } })).toMatchObject({ httpProxy: "http://a:1", httpsProxy: "http://b:2", noProxy: "x,y" });
  expect(config([])).toMatchObject({ httpProxy: "", httpsProxy: "", noProxy: "" });
  for (const [argv, message] of [
    [["--https-proxy", "socks5://x"], /unsupported proxy/], [["--registry-mirror", "quay.io=ftp://x"], /invalid mirror: unsupported scheme in "ftp:/], [["--insecure-registry", "http://x"], /insecure registry http:.* is not valid/],
  ] as const) expect(() => checkRegistries(config([...argv]))).toThrow(message);
});

test.each<[string, string[], unknown, RegExp]>([
  ["a proxy twice", ["--no-proxy", "a"], { proxies: { "no-proxy": "b" } }, /"no-proxy" is given both/],
  ["an unknown member of proxies", [], { proxies: { "ftp-proxy": "b" } }, /proxies: there is no option "ftp-proxy"/],
  ["a flag and the file name the same key", ["--mtu", "1400"], { mtu: 1300 }, /"mtu" is given both as a flag \("1400"\) and in the file \(1300\)/],
  ["unknown flag", ["--nonsense"], {}, /unknown option '--nonsense'/],
  ["unknown key", [], { "no-such": 1 }, /there is no option "no-such"/],
  ["stray word", ["word"], {}, /too many arguments/],
  ["a flag's value of the wrong kind", ["--mtu", "big"], {}, /--mtu: "big" is not a whole number/],
  ["a key's value of the wrong kind", [], { mtu: "big" }, /mtu: expected an integer, not "big"/],
  ["boolean that is none", ["--icc=maybe"], {}, /--icc: "maybe" is neither true nor false/],
  ["unknown storage driver", ["-s", "ntfs"], {}, /--storage-driver: "ntfs" is not one of/],
  ["feature of a later version", ["--userns-remap", "default"], {}, /--userns-remap: users are not mapped/],
  ["metrics without a port", ["--metrics-addr", "127.0.0.1"], {}, /--metrics-addr: "127\.0\.0\.1" is not an address with a port/],
  ["metrics on a port beyond the last", [], { "metrics-addr": "127.0.0.1:65536" }, /metrics-addr: "127\.0\.0\.1:65536" is not an address with a port/],
  ["TLS", ["--tls"], {}, /--tls: there is no TLS/],
  ["gc policies", [], { gc: { policies: [{ name: "p", kind: "images", unusedFor: "long" }] } }, /gc: policies\[0\]\.unusedFor: "long" is not a duration/],
  ["a scrub without a time", [], { scrub: { deep: true } }, /scrub: schedule: undefined is not a cron expression/],
  ["a scrub with a rate that is none", [], { scrub: { schedule: "0 3 * * 0", rate: -1 } }, /scrub: rate: -1 is not a number of bytes/],
  ["a scrub with something else", [], { scrub: { schedule: "0 3 * * 0", repair: true } }, /scrub: repair is not one of schedule, rate, deep/],
  ["malformed host", ["-H", "http://x"], {}, /--host: "http:\/\/x" is not unix:/],
  ["malformed file", [], "{", /daemon\.json: /],
  ["a list as file", [], [], /a JSON object is expected/],
  ["malformed address", ["--bip", "10.0.0.1"], {}, /--bip: "10\.0\.0\.1" is not an address with a prefix/],
  ["ulimit above its hard limit", ["--default-ulimit", "nofile=3:2"], {}, /soft limit 3 is above/],
])("%s", (_name, argv, value, message) => {
  expect(() => config(argv, value)).toThrow(message);
});

test("a scrub reads everything, as fast as it goes, unless told otherwise", () => {
  expect(config([], { scrub: { schedule: "0 3 * * 0" } }).scrub).toEqual({ schedule: "0 3 * * 0", deep: true, rate: 0 });
  expect(config([], { scrub: { schedule: "@daily", deep: false, rate: "20m" } }).scrub).toEqual({ schedule: "@daily", deep: false, rate: 20 << 20 });
});

test("a configuration file that was named must exist", () => {
  expect(() => readInvocation(["--config-file", join(dir, "none.json")], "0")).toThrow(/cannot read the configuration file/);
});

test("version, help and validate", () => {
  expect(readInvocation(["--version"], "9.9")).toEqual({ kind: "print", text: "Strata version 9.9\n" });
  expect(readInvocation(["--help"], "1")).toMatchObject({ kind: "print", text: expect.stringContaining("--data-root <dir>") });
  expect(readInvocation(["--validate", "--config-file", file({})], "1").kind).toBe("validate");
});

test("a reload takes the file's new values and keeps the flags'", () => {
  const before = config(["-l", "warn"], { debug: false });
  file({ debug: true, labels: ["a=b"] });
  expect(rereadConfig(before)).toMatchObject({ debug: true, labels: ["a=b"], logLevel: "warn" });
  file({ "log-level": "info" });
  expect(() => rereadConfig(before)).toThrow(/"log-level" is given both/);
});
