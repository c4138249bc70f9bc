import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { newCommand, Options, parseOrExplain } from "../command.js";
import { createOptions, type CreateFlags } from "./flags.js";
import { parseMount, parseTmpfs, parseVolumes } from "./mounts.js";
import { parsePorts } from "./ports.js";
import { buildSpec } from "./spec.js";
import { parseCpus, parseDevice, parseHostEntry, parseRestart, parseSecurity, parseUlimit, readEnvironment, readLabels } from "./values.js";

test.each([
  ["80", { "80/tcp": [["", ""]] }],
  ["8080:80", { "80/tcp": [["", "8080"]] }],
  ["127.0.0.1:8080:80/udp", { "80/udp": [["127.0.0.1", "8080"]] }],
  ["127.0.0.1::80", { "80/tcp": [["127.0.0.1", ""]] }],
  ["[::1]:8080:80", { "80/tcp": [["::1", "8080"]] }],
  ["8000-8001:80-81/SCTP", { "80/sctp": [["", "8000"]], "81/sctp": [["", "8001"]] }],
  ["8000-8010:80", { "80/tcp": [["", "8000-8010"]] }],
  ["7000-7001", { "7000/tcp": [["", ""]], "7001/tcp": [["", ""]] }],
  ["published=8080,target=80,protocol=udp", { "80/udp": [["", "8080"]] }],
])("-p %s", (text, expected: Record<string, string[][]>) => {
  const { exposed, bindings } = parsePorts([text]);
  expect(Object.fromEntries(Object.entries(bindings).map(([key, list]) => [key, list.map((one) => [one.HostIp, one.HostPort])]))).toEqual(expected);
  expect(Object.keys(exposed)).toEqual(Object.keys(expected));
});
test.each(["x", "80:x", "1:2:3:4", "8000-8001:80-82", "70000", "80/xyz", "300.a:1:2", "8080:", "81-80", "frobbed=1"])("-p %s is refused", (text) => {
  expect(() => parsePorts([text])).toThrow();
});
test("two bindings of one port, and --expose", () => {
  expect(parsePorts(["80:80", "81:80"], ["90-91/udp"])).toEqual({
    exposed: { "80/tcp": {}, "90/udp": {}, "91/udp": {} }, bindings: { "80/tcp": [{ HostIp: "", HostPort: "80" }, { HostIp: "", HostPort: "81" }] },
  });
});

test("-v and --tmpfs", () => {
  expect(parseVolumes(["/data", "vol:/x", "/a:/b:ro,z", "./rel:/c"])).toEqual({ volumes: { "/data": {} }, binds: ["vol:/x", "/a:/b:ro,z", `${resolve("rel")}:/c`] });
  expect(() => parseVolumes([""])).toThrow("empty volume");
  expect(parseTmpfs(["/run", "/tmp:size=64m,mode=1777"])).toEqual({ "/run": "", "/tmp": "size=64m,mode=1777" });
});

test.each([
  ["source=v,target=/x", { Type: "volume", Source: "v", Target: "/x" }],
  ["type=bind,src=/a,dst=/b,ro,bind-propagation=rslave", { Type: "bind", Source: "/a", Target: "/b", ReadOnly: true, BindOptions: { Propagation: "rslave" } }],
  ["type=bind,src=/a,dst=/b,readonly=false", { Type: "bind", Source: "/a", Target: "/b", ReadOnly: false }],
  ['type=bind,"src=/a,b",dst=/b', { Type: "bind", Source: "/a,b", Target: "/b" }],
  ["type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=1770", { Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 1048576, Mode: 0o1770 } }],
  ["dst=/x,volume-nocopy,volume-label=a=b,volume-driver=local,volume-opt=o=uid=1,volume-subpath=s", {
    Type: "volume", Target: "/x", VolumeOptions: { NoCopy: true, Labels: { a: "b" }, DriverConfig: { Name: "local", Options: { o: "uid=1" } }, Subpath: "s" },
  }],
  ["type=bind,src=/a,dst=/b,bind-recursive=readonly", { Type: "bind", Source: "/a", Target: "/b", BindOptions: { ReadOnlyForceRecursive: true } }],
])("--mount %s", (text, expected) => {
  expect(parseMount(text)).toEqual(expected);
});
test.each([["type=bind", "target is required"], ["foo=1,dst=/x", "unexpected key 'foo'"], ["src,dst=/x", "must be a key=value pair"], ["dst=/x,ro=perhaps", "invalid value for readonly"], ["type=tmpfs,dst=/x,volume-nocopy", "cannot mix"]])("--mount %s is refused", (text, message) => {
  expect(() => parseMount(text)).toThrow(message);
});

test("environment and labels, with files", () => {
  const directory = mkdtempSync(join(tmpdir(), "strata-env-"));
  try {
    const file = join(directory, "env");
    writeFileSync(file, "# a comment\nA=1\n\n  B=two words=x\nHOME\nABSENT\n");
    expect(readEnvironment(["C=3", "USER", "EMPTY="], [file], { HOME: "/h", USER: "me" })).toEqual(["A=1", "B=two words=x", "HOME=/h", "C=3", "USER=me", "EMPTY="]);
    expect(readLabels(["x=y=z", "bare"], [])).toEqual({ x: "y=z", bare: "" });
    writeFileSync(file, "bad name=1\n");
    expect(() => readEnvironment([], [file], {})).toThrow("contains whitespaces");
    writeFileSync(file, '{ "defaultAction": "SCMP_ACT_ALLOW" }');
    expect(parseSecurity([`seccomp=${file}`, "seccomp=unconfined", "no-new-privileges", "label:disable"])).toEqual(['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}', "seccomp=unconfined", "no-new-privileges", "label:disable"]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("single values", () => {
  expect(parseRestart("on-failure:3")).toEqual({ Name: "on-failure", MaximumRetryCount: 3 });
  expect(parseRestart("always")).toEqual({ Name: "always", MaximumRetryCount: 0 });
  expect(() => parseRestart("on-failure:x")).toThrow("must be an integer");
  expect(parseUlimit("nofile=1:2")).toEqual({ Name: "nofile", Soft: 1, Hard: 2 });
  expect(parseUlimit("core=-1")).toEqual({ Name: "core", Soft: -1, Hard: -1 });
  expect(() => parseUlimit("nofile=3:2")).toThrow("less than or equal");
  expect(parseDevice("/dev/a:/dev/b:r")).toEqual({ PathOnHost: "/dev/a", PathInContainer: "/dev/b", CgroupPermissions: "r" });
  expect(parseDevice("/dev/a:rw")).toEqual({ PathOnHost: "/dev/a", PathInContainer: "/dev/a", CgroupPermissions: "rw" });
  expect(() => parseDevice("/dev/a:/b:x")).toThrow("invalid device");
  expect(parseHostEntry("a:1.2.3.4")).toBe("a:1.2.3.4");
  expect(parseHostEntry("a=[::1]")).toBe("a:::1");
  expect(parseCpus("1.5")).toBe(1_500_000_000);
  expect(() => parseCpus("x")).toThrow("rational");
});

function flagsOf(...argv: string[]): { flags: CreateFlags; words: string[] } {
  const program = newCommand("run", true);
  createOptions(new Options(program));
  const { args, options } = parseOrExplain(program, true, argv, "Usage", "run");
  return { flags: options as unknown as CreateFlags, words: args };
}

describe("the request", () => {
  const spec = (...argv: string[]) => {
    const { flags, words } = flagsOf(...argv);
    return buildSpec(flags, words[0]!, words.slice(1), {});
  };

  test("a command's own flags pass through", () => {
    const { request } = spec("-it", "--rm=true", "-p8080:80", "-eA=1", "--name", "--odd", "img", "ls", "-l", "--rm", "-it");
    expect(request).toMatchObject({ Image: "img", Cmd: ["ls", "-l", "--rm", "-it"], Tty: true, OpenStdin: true, StdinOnce: true, Env: ["A=1"], HostConfig: { AutoRemove: true } });
  });

  test("defaults leave things to the image and the daemon", () => {
    const { request, attach } = spec("img");
    expect(JSON.parse(JSON.stringify(request))).toEqual({
      Image: "img", AttachStdin: false, AttachStdout: true, AttachStderr: true, Tty: false, OpenStdin: false, StdinOnce: false,
      HostConfig: { AutoRemove: false, NetworkMode: "default", PublishAllPorts: false, RestartPolicy: { Name: "no", MaximumRetryCount: 0 }, ReadonlyRootfs: false, Privileged: false, LogConfig: { Type: "", Config: {} } },
    });
    expect(attach).toEqual({ stdin: false, stdout: true, stderr: true });
  });

  test("limits, mounts, rights", () => {
    const { request } = spec("-m", "64m", "--cpus", ".5", "--memory-swap=-1", "--ulimit", "nofile=5", "--cap-add", "NET_ADMIN", "--security-opt", "no-new-privileges", "--tmpfs", "/t", "-v", "/a:/b",
      "--mount", "type=tmpfs,dst=/m", "--device", "/dev/x", "--add-host", "h:1.2.3.4", "--log-driver", "none", "--sysctl", "a=1", "--entrypoint", "", "--stop-timeout", "3", "--health-cmd", "true", "--health-interval", "1m30s", "img");
    expect(request).toMatchObject({
      Entrypoint: [""], StopTimeout: 3, Healthcheck: { Test: ["CMD-SHELL", "true"], Interval: 90e9 },
      HostConfig: {
        Memory: 67108864, NanoCpus: 5e8, MemorySwap: -1, Ulimits: [{ Name: "nofile", Soft: 5, Hard: 5 }], CapAdd: ["NET_ADMIN"], SecurityOpt: ["no-new-privileges"], Tmpfs: { "/t": "" }, Binds: ["/a:/b"],
        Mounts: [{ Type: "tmpfs", Target: "/m" }], Devices: [{ PathOnHost: "/dev/x" }], ExtraHosts: ["h:1.2.3.4"], LogConfig: { Type: "none" }, Sysctls: { a: "1" },
      },
    });
  });

  test("block I/O", () => {
    expect(spec("--blkio-weight", "10", "--blkio-weight-device", "/dev/a:20", "--device-read-bps", "/dev/a:1mb", "--device-write-iops", "/dev/a:9", "img").request.HostConfig).toMatchObject({
      BlkioWeight: 10, BlkioWeightDevice: [{ Path: "/dev/a", Weight: 20 }], BlkioDeviceReadBps: [{ Path: "/dev/a", Rate: 1048576 }], BlkioDeviceWriteIOps: [{ Path: "/dev/a", Rate: 9 }],
    });
    expect(() => spec("--device-read-bps", "a:1", "img")).toThrow('invalid argument "a:1" for "--device-read-bps" flag: bad format');
  });

  test("networks", () => {
    expect(spec("--network", "host", "img").request.HostConfig?.NetworkMode).toBe("host");
    expect(spec("--network", "host", "img").request.NetworkingConfig).toBeUndefined();
    expect(spec("--network", "n", "--network-alias", "web", "--ip", "10.0.0.5", "img").request.NetworkingConfig?.EndpointsConfig).toMatchObject({ n: { Aliases: ["web"], IPAMConfig: { IPv4Address: "10.0.0.5" } } });
    expect(Object.keys(spec("--network", "name=a,alias=x", "--net", "b", "img").request.NetworkingConfig?.EndpointsConfig ?? {})).toEqual(["a", "b"]);
  });

  test("contradictions", () => {
    expect(() => spec("--rm", "--restart", "always", "img")).toThrow("conflicting options");
    expect(() => spec("--no-healthcheck", "--health-cmd", "x", "img")).toThrow("conflicts");
    expect(() => spec("-a", "stdfoo", "img")).toThrow("valid streams");
    const { flags } = flagsOf("-a", "stdout", "img");
    expect(() => buildSpec(flags, "img", [], {}, true)).toThrow("cannot specify both --attach and --detach");
  });

  test("attachments", () => {
    expect(spec("-a", "STDOUT", "img").attach).toEqual({ stdin: false, stdout: true, stderr: false });
    expect(spec("-i", "-a", "stderr", "img").attach).toEqual({ stdin: true, stdout: false, stderr: true });
  });

  test.each([
    [["--foo", "img"], "unknown flag: --foo"],
    [["-y", "img"], "unknown shorthand flag: 'y' in -y"],
    [["-ity", "img"], "unknown shorthand flag: 'y' in -ity"],
    [["--name"], "flag needs an argument: --name"],
    [["-p"], "flag needs an argument: 'p' in -p"],
    [["-m", "5x", "img"], 'invalid argument "5x" for "-m, --memory" flag: invalid size: \'5x\''],
    [["--rm=perhaps", "img"], 'invalid argument "perhaps" for "--rm" flag: strconv.ParseBool: parsing "perhaps": invalid syntax'],
  ])("%p", (argv, message) => {
    expect(() => flagsOf(...argv)).toThrow(message);
  });

  test("booleans can be denied, short flags written with =", () => {
    expect(flagsOf("--rm", "--rm=false", "img").flags.rm).toBe(false);
    expect(flagsOf("-p=80:80", "-itp", "81:81", "img")).toMatchObject({ flags: { publish: ["80:80", "81:81"], interactive: true, tty: true }, words: ["img"] });
    expect(flagsOf("--name=--rm", "--", "img", "-x")).toMatchObject({ flags: { name: "--rm" }, words: ["img", "-x"] });
  });
});
