import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { answer, FakeDaemon, frame, type FakeJson, type HijackRoute, type Route } from "@strata/client/dist/test-support/fake-daemon.js";
import { commands, type Entry, type Group } from "./commands.js";
import { main } from "./main.js";

let daemon: FakeDaemon | undefined;
let home: string;
beforeEach(() => { home = mkdtempSync(join(tmpdir(), "strata-cli-")); });
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
  rmSync(home, { recursive: true });
});

type Routes = Record<string, Route | FakeJson>;
async function serve(routes: Routes, hijacks: Record<string, HijackRoute> = {}): Promise<FakeDaemon> {
  return (daemon = await FakeDaemon.start(routes, hijacks));
}
async function strata(argv: string[], options: { stdin?: string; env?: NodeJS.ProcessEnv } = {}): Promise<{ code: number; out: string; err: string }> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const stdin = new PassThrough();
  stdin.end(options.stdin ?? "");
  const text = async (stream: PassThrough): Promise<string> => { let all = ""; for await (const chunk of stream) all += String(chunk); return all; };
  const outputs = Promise.all([text(stdout), text(stderr)]);
  const code = await main(argv, { stdin, stdout, stderr }, { HOME: home, DOCKER_HOST: daemon?.host ?? "unix:///nowhere/s.sock", ...options.env });
  stdout.end();
  stderr.end();
  const [out, err] = await outputs;
  return { code, out, err };
}
const created: Route = (_request, response) => answer(response, 201, { Id: "c0ffee", Warnings: [] });
const done: Route = (_request, response) => answer(response, 204, undefined);
const missing = (message: string): Route => (_request, response) => answer(response, 404, { message });

test("every command's file is there, and help needs no daemon", async () => {
  const walk = async (path: string[], group: Group): Promise<void> => {
    for (const [name, entry] of Object.entries<Entry | Group>(group.commands)) {
      const { code, out } = await strata([...path, name, "--help"]);
      expect({ path, name, code }).toEqual({ path, name, code: 0 });
      expect(out).toContain(`Usage:  strata ${[...path, name].join(" ")}`);
      if ("commands" in entry) await walk([...path, name], entry);
    }
  };
  await walk([], { summary: "", commands });
});

describe("bad words", () => {
  test.each([
    [["ps", "--foo"], 125, "unknown flag: --foo\n\nUsage:  strata ps [OPTIONS]\n\nRun 'strata ps --help' for more information\n"],
    [["ps", "x"], 1, "strata: 'strata ps' accepts no arguments\n"],
    [["rename", "x"], 1, "strata: 'strata rename' requires 2 arguments\n"],
    [["rm"], 1, "strata: 'strata rm' requires at least 1 argument\n"],
    [["frobnicate"], 1, "strata: unknown command: strata frobnicate\n"],
    [["image", "frob"], 1, "strata: unknown command: strata image frob\n"],
    [["--frob", "ps"], 125, "unknown flag: --frob\n"],
    [["run", "--name"], 125, "flag needs an argument: --name\n"],
    [["ps", "-f", "x"], 125, "bad format of filter (expected name=value)"],
    [["pull", "UPPER"], 1, "must be lowercase"],
  ])("%p", async (argv, code, message) => {
    const result = await strata(argv);
    expect(result).toMatchObject({ code, out: "" });
    expect(result.err).toContain(message);
  });
});

test("a daemon that is not there", async () => {
  expect(await strata(["ps"])).toEqual({ code: 1, out: "", err: "Cannot connect to the Strata daemon at unix:///nowhere/s.sock. Is stratad running?\n" });
  expect(await strata(["-H", "unix:///else/s.sock", "info"])).toMatchObject({ code: 1, err: "Cannot connect to the Strata daemon at unix:///else/s.sock. Is stratad running?\n" });
  expect(await strata(["run", "x"])).toMatchObject({ code: 125 });
  expect(await strata(["--host=bad", "info"])).toMatchObject({ code: 1, err: expect.stringContaining("unable to parse host") });
});

test("ps and its aliases", async () => {
  const summary = {
    Id: "a".repeat(64), Names: ["/web", "/other/link"], Image: "busybox", ImageID: "sha256:1", Command: "sh -c 'sleep 1000000'", Created: Math.trunc(Date.now() / 1000) - 125, State: "running", Status: "Up 2 minutes",
    Ports: [{ IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" }], Labels: { b: "2", a: "1" }, Mounts: [], NetworkSettings: { Networks: { bridge: {} } }, HostConfig: {},
  };
  const { requests } = await serve({ "GET /containers/json": [summary] });
  const { out } = await strata(["ps", "-f", "status=running", "-f", "label=a"]);
  expect(out).toBe("CONTAINER ID   IMAGE     COMMAND                  CREATED         STATUS         PORTS                  NAMES\n" +
    `${"a".repeat(12)}   busybox   "sh -c 'sleep 100000…"   2 minutes ago   Up 2 minutes   0.0.0.0:8080->80/tcp   web\n`);
  expect(JSON.parse(requests.at(-1)!.query.get("filters")!)).toEqual({ status: ["running"], label: ["a"] });
  expect((await strata(["container", "ls", "-q"])).out).toBe(`${"a".repeat(12)}\n`);
  expect((await strata(["container", "list", "--format", "{{.Names}} {{.Labels}} {{.Networks}}"])).out).toBe("web a=1,b=2 bridge\n");
  expect((await strata(["ps", "-a", "-s", "--no-trunc", "--format", "{{.ID}} {{.Names}}"])).out).toBe(`${"a".repeat(64)} web,other/link\n`);
  expect(requests.at(-1)!.query.get("size")).toBe("1");
});

test("several names: those that work are printed, the others told", async () => {
  await serve({ "POST /containers/a/stop": done, "POST /containers/b/stop": missing("No such container: b"), "POST /containers/c/stop": done });
  expect(await strata(["stop", "-t", "3", "a", "b", "c"])).toEqual({ code: 1, out: "a\nc\n", err: "Error response from daemon: No such container: b\n" });
  expect(daemon!.requests.at(-1)!.query.get("t")).toBe("3");
});

describe("run", () => {
  const running = (code: number): Routes => {
    let end: (() => void) | undefined;
    return {
      "POST /containers/create": created,
      "POST /containers/c0ffee/wait": (_request, response) => { response.writeHead(200).flushHeaders(); end = () => response.end(JSON.stringify({ StatusCode: code })); },
      "POST /containers/c0ffee/start": (request, response) => { void done(request, response); end?.(); },
    };
  };

  test("attaches, waits, starts; the exit code is the container's", async () => {
    await serve(running(3), { "POST /containers/c0ffee/attach": (_request, socket) => { socket.end(Buffer.concat([frame(1, "out\n"), frame(2, "err\n")])); } });
    expect(await strata(["run", "--rm", "img", "sh", "-c", "x", "--flag"])).toEqual({ code: 3, out: "out\n", err: "err\n" });
    expect(daemon!.calls).toEqual(["POST /containers/create", "POST /containers/c0ffee/attach", "POST /containers/c0ffee/wait", "POST /containers/c0ffee/start"]);
    expect(JSON.parse(String(daemon!.requests[1]!.body))).toMatchObject({ Cmd: ["sh", "-c", "x", "--flag"], HostConfig: { AutoRemove: true } });
    expect(daemon!.requests.find(({ path }) => path.endsWith("/wait"))!.query.get("condition")).toBe("removed");
  });

  test("standard input is passed on and half-closed", async () => {
    await serve(running(0), {
      "POST /containers/c0ffee/attach": (_request, socket) => {
        let input = "";
        socket.on("data", (chunk) => { input += String(chunk); });
        socket.on("end", () => { socket.end(frame(1, input.toUpperCase())); });
      },
    });
    expect(await strata(["run", "-i", "img"], { stdin: "some input" })).toEqual({ code: 0, out: "SOME INPUT", err: "" });
  });

  test("-d prints the ID; --cidfile keeps it", async () => {
    await serve(running(0));
    const cidfile = join(home, "cid");
    expect(await strata(["run", "-d", "--cidfile", cidfile, "--name", "n", "img"])).toEqual({ code: 0, out: "c0ffee\n", err: "" });
    expect(readFileSync(cidfile, "utf8")).toBe("c0ffee");
    expect(daemon!.requests[1]!.query.get("name")).toBe("n");
    expect((await strata(["run", "-d", "--cidfile", cidfile, "img"])).err).toContain("container ID file found");
  });

  test("pulls what is missing, unless told not to", async () => {
    let pulled = false;
    const routes: Routes = {
      ...running(0),
      "POST /containers/create": (request, response) => (pulled ? created(request, response) : answer(response, 404, { message: "No such image: img:latest" })),
      "POST /images/create": (_request, response) => { pulled = true; response.end('{"status":"Pulling"}\n'); },
    };
    await serve(routes);
    expect(await strata(["run", "-d", "--pull", "never", "img"])).toMatchObject({ code: 125, err: expect.stringContaining("strata: Error response from daemon: No such image: img:latest\n\nRun 'strata run --help'") });
    expect(await strata(["run", "-d", "img"])).toEqual({ code: 0, out: "c0ffee\n", err: "Unable to find image 'img:latest' locally\nPulling\n" });
  });

  test("an image of another platform is pulled again", async () => {
    let pulled = "";
    await serve({
      ...running(0),
      "POST /containers/create": (request, response) => (pulled ? created(request, response) : answer(response, 404, { message: "image with reference img was found but its platform (linux/amd64) does not match the specified platform (linux/arm64)" })),
      "POST /images/create": (request, response) => { pulled = request.query.get("platform") ?? ""; response.end(); },
    });
    expect(await strata(["run", "-d", "--platform", "linux/arm64", "img"])).toMatchObject({ code: 0, out: "c0ffee\n" });
    expect(pulled).toBe("linux/arm64");
  });

  test.each([['exec: "x": executable file not found in $PATH', 127], ["permission denied", 126], ["no space left", 125]])("a start that fails with %s", async (message, code) => {
    await serve(
      { ...running(0), "POST /containers/c0ffee/start": (_request, response) => answer(response, 400, { message }) },
      { "POST /containers/c0ffee/attach": () => undefined },
    );
    expect(await strata(["run", "img"])).toMatchObject({ code, err: expect.stringContaining(message) });
  });

  test("a terminal needs a terminal", async () => {
    expect(await strata(["run", "-it", "img"])).toEqual({ code: 1, out: "", err: "the input device is not a TTY\n" });
    expect(await strata(["exec", "-it", "c", "sh"])).toMatchObject({ code: 1, err: "the input device is not a TTY\n" });
  });
});

test("exec ends with the process's code", async () => {
  await serve(
    { "POST /containers/c/exec": (_request, response) => answer(response, 201, { Id: "e" }), "GET /exec/e/json": { ExitCode: 42 } },
    { "POST /exec/e/start": (_request, socket) => { socket.end(frame(1, "done\n")); } },
  );
  expect(await strata(["exec", "-e", "A=1", "-w", "/", "c", "cmd", "-x"])).toEqual({ code: 42, out: "done\n", err: "" });
  expect(JSON.parse(String(daemon!.requests[1]!.body))).toMatchObject({ Cmd: ["cmd", "-x"], Env: ["A=1"], WorkingDir: "/", Tty: false, AttachStdin: false });
});

test("logs come apart", async () => {
  await serve({ "GET /containers/c/json": { Id: "c1", Config: { Tty: false } }, "GET /containers/c1/logs": (_request, response) => void response.end(Buffer.concat([frame(1, "o\n"), frame(2, "e\n")])) });
  expect(await strata(["logs", "-n", "5", "-t", "c"])).toEqual({ code: 0, out: "o\n", err: "e\n" });
  expect(Object.fromEntries(daemon!.requests.at(-1)!.query)).toEqual({ stdout: "1", stderr: "1", timestamps: "1", tail: "5" });
});

test("inspect finds any kind, prints what it found and tells what it did not", async () => {
  await serve({ "GET /volumes/v": { Name: "v", Labels: { a: "b" } }, "GET /containers/c/json": { Id: "c" } });
  expect(await strata(["inspect", "v", "c", "none"])).toEqual({ code: 1, out: `${JSON.stringify([{ Name: "v", Labels: { a: "b" } }, { Id: "c" }], null, 4)}\n`, err: "Error: No such object: none\n" });
  expect(await strata(["inspect", "-f", "{{.Labels.a}}", "v"])).toEqual({ code: 0, out: "b\n", err: "" });
  expect(await strata(["inspect", "--type", "container", "v"])).toMatchObject({ code: 1, out: "[]\n" });
  expect(await strata(["inspect", "--type", "x", "v"])).toMatchObject({ code: 1, err: expect.stringContaining("unknown type") });
});

test("pull shows its lines, and fails with an error among them", async () => {
  await serve({
    "POST /images/create": (request, response) => {
      response.write('{"status":"Pulling from library/x","id":"latest"}\n{"status":"Downloading","id":"a","progressDetail":{"current":1,"total":2}}\n{"status":"Pull complete","id":"a"}\n');
      response.end(request.query.get("tag") === "bad" ? '{"errorDetail":{"message":"denied"},"error":"denied"}\n' : "");
    },
  });
  expect(await strata(["pull", "x"])).toEqual({ code: 0, out: "Using default tag: latest\nlatest: Pulling from library/x\na: Pull complete\ndocker.io/library/x:latest\n", err: "" });
  expect(await strata(["pull", "-q", "h:5000/x:1"])).toEqual({ code: 0, out: "h:5000/x:1\n", err: "" });
  expect(await strata(["pull", "x:bad"])).toMatchObject({ code: 1, err: "Error response from daemon: denied\n" });
});

test("save, load and import take and give files", async () => {
  await serve({
    "GET /images/get": (_request, response) => void response.end("the archive"), "POST /images/load": (request, response) => void response.end(`{"stream":"Loaded ${String(request.body)}\\n"}\n`),
    "POST /images/create": (request, response) => void response.end(`{"status":"sha256:${request.body.length}"}\n`),
  });
  const file = join(home, "a.tar");
  expect(await strata(["save", "-o", file, "a", "b"])).toEqual({ code: 0, out: "", err: "" });
  expect(readFileSync(file, "utf8")).toBe("the archive");
  expect((await strata(["save", "a"])).out).toBe("the archive");
  expect((await strata(["load", "-i", file])).out).toBe("Loaded the archive\n");
  expect((await strata(["load"], { stdin: "piped" })).out).toBe("Loaded piped\n");
  expect((await strata(["import", "-c", "CMD x", "-", "img:1"], { stdin: "12345" })).out).toBe("sha256:5\n");
  expect(await strata(["load", "-i", join(home, "none")])).toMatchObject({ code: 1, err: `open ${join(home, "none")}: no such file or directory\n` });
  expect(await strata(["save", "-o", join(home, "no", "dir"), "a"])).toMatchObject({ code: 1, err: expect.stringContaining("does not exist") });
});

test("prunes ask first", async () => {
  await serve({ "POST /containers/prune": { ContainersDeleted: ["a", "b"], SpaceReclaimed: 1234 } });
  expect(await strata(["container", "prune"], { stdin: "n\n" })).toMatchObject({ code: 0, err: "" });
  expect(daemon!.calls).toEqual([]);
  expect((await strata(["container", "prune"], { stdin: "y\n" })).out).toContain("Deleted Containers:\na\nb\n\nTotal reclaimed space: 1.234kB\n");
  expect((await strata(["container", "prune", "-f"])).out).toBe("Deleted Containers:\na\nb\n\nTotal reclaimed space: 1.234kB\n");
});

test("layers stand below their parents", async () => {
  const copy = { Driver: "overlay2", Snapshot: "s", DiskBytes: 4096, DiskInodes: 2 };
  const layer = (ChainId: string, Parent: string | null, Images: string[], TopOf: string[], Created: string) => ({
    ChainId: `sha256:${ChainId.repeat(64)}`, DiffId: `sha256:${"d".repeat(64)}`, Parent: Parent && `sha256:${Parent.repeat(64)}`, ...copy, Size: 1000, TarSize: 10_240,
    Copies: ChainId === "c" ? [copy, { ...copy, Driver: "vfs" }] : [copy], Created,
    LastUsed: new Date(Date.now() - 7_200_000).toISOString(), Images, TopOf, ImageNames: Images.includes("i1") ? ["one:1"] : [], Containers: Images.length,
  });
  await serve({
    "GET /layers": [
      layer("c", "a", ["i2"], ["i2"], "2026-01-03T00:00:00Z"), layer("a", null, ["i1", "i2"], [], "2026-01-01T00:00:00Z"),
      layer("b", "a", ["i1"], [], "2026-01-02T00:00:00Z"), layer("d", "b", ["i1"], ["i1"], "2026-01-04T00:00:00Z"),
    ],
    "GET /images/json": [{ Id: "i1", RepoTags: ["one:1"] }, { Id: "i2", RepoTags: [] }],
  });
  const { out } = await strata(["layers"]);
  expect(out.split("\n").map((line) => line.slice(0, 24).trimEnd())).toEqual(["LAYER                DIF", "aaaaaaaaaaaa         ddd", "├─ bbbbbbbbbbbb      ddd", "│  └─ dddddddddddd   ddd", "└─ cccccccccccc      ddd", ""]);
  expect(out).toMatch(/^LAYER +DIFF ID +SIZE +ON DISK +DRIVER +SHARED BY +CONTAINERS +CREATED +LAST USED +IMAGES\naaaaaaaaaaaa +dddddddddddd +1kB +4.1kB +overlay2 +2 images +2 +\d+ (months|years) ago +2 hours ago +\n/);
  expect(out).toMatch(/cccccccccccc +dddddddddddd +1kB +8.19kB +overlay2, vfs +1 image +1 .* i2\n/);
  expect((await strata(["layers", "--format", "{{.ID}} {{.Images}}"])).out).toBe("aaaaaaaaaaaa \nbbbbbbbbbbbb \ndddddddddddd one:1\ncccccccccccc i2\n");
  expect((await strata(["layers", "--format", "{{.ImageNames}} {{.Inodes}} {{.TarSize}}"])).out).toBe("one:1 2 10.2kB\none:1 2 10.2kB\none:1 2 10.2kB\n 4 10.2kB\n");
  expect((await strata(["layers", "-q", "--no-trunc", "--filter", "driver=vfs", "-f", "unused=true"])).out.split("\n")[0]).toBe(`sha256:${"a".repeat(64)}`);
  expect(daemon!.requests.map(({ query }) => query.get("filters")).filter((text) => text !== null).at(-1)).toBe('{"driver":["vfs"],"unused":["true"]}');
});

describe("credentials", () => {
  const auth: Routes = { "POST /auth": { Status: "Login Succeeded", IdentityToken: "" }, "POST /images/create": (_request, response) => void response.end() };
  const sent = (): unknown => { const header = daemon!.requests.at(-1)!.headers["x-registry-auth"]; return header === undefined ? undefined : JSON.parse(Buffer.from(String(header), "base64url").toString()); };

  test("login keeps them, pull sends them, logout forgets them", async () => {
    await serve(auth);
    expect(await strata(["login", "-u", "me", "--password-stdin", "reg:5000"], { stdin: "s3cret:x\n" })).toMatchObject({ code: 0, out: "Login Succeeded\n" });
    const file = join(home, ".docker", "config.json");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ auths: { "reg:5000": { auth: Buffer.from("me:s3cret:x").toString("base64") } } });
    await strata(["pull", "reg:5000/x"]);
    expect(sent()).toMatchObject({ username: "me", password: "s3cret:x", serveraddress: "reg:5000" });
    await strata(["pull", "other:5000/x"]);
    expect(sent()).toBeUndefined();
    expect((await strata(["logout", "reg:5000"])).out).toBe("Removing login credentials for reg:5000\n");
    expect((await strata(["logout", "reg:5000"])).out).toBe("Not logged in to reg:5000\n");
    await strata(["pull", "reg:5000/x"]);
    expect(sent()).toBeUndefined();
  });

  test("a refused login keeps nothing", async () => {
    await serve({ "POST /auth": (_request, response) => answer(response, 401, { message: "unauthorized" }) });
    expect(await strata(["login", "-u", "me", "-p", "x"])).toMatchObject({ code: 1, err: expect.stringContaining("Error response from daemon: unauthorized") });
    expect(() => statSync(join(home, ".docker"))).toThrow();
  });

  test("a helper program is asked", async () => {
    await serve(auth);
    const helper = join(home, "docker-credential-fake");
    writeFileSync(helper, `#!/bin/sh\nread server\nif [ "$1" = get ] && [ "$server" = reg:5000 ]; then echo '{"Username":"<token>","Secret":"tok"}'; else echo "credentials not found in native keychain"; exit 1; fi\n`);
    chmodSync(helper, 0o755);
    const config = join(home, "conf");
    mkdirSync(config);
    writeFileSync(join(config, "config.json"), '{"credHelpers":{"reg:5000":"fake"},"credsStore":"fake"}');
    const env = { PATH: `${home}:${process.env["PATH"] ?? ""}` };
    await strata(["--config", config, "pull", "reg:5000/x"], { env });
    expect(sent()).toEqual({ identitytoken: "tok", serveraddress: "reg:5000" });
    await strata(["--config", config, "pull", "x"], { env });
    expect(sent()).toBeUndefined();
  });
});

test("version and info as templates", async () => {
  await serve({ "GET /version": { Version: "9.9", ApiVersion: "1.51", MinAPIVersion: "1.24", Os: "linux", Arch: "amd64", KernelVersion: "6", Components: [], Platform: { Name: "Strata" } }, "GET /info": { ID: "x", Driver: "overlay2", DriverStatus: [["Backing Filesystem", "extfs"]], MemTotal: 1, Warnings: ["careful"] } });
  expect((await strata(["version", "--format", "{{.Server.Version}}"])).out).toBe("9.9\n");
  expect((await strata(["version"])).out).toContain("Server: Strata\n Engine:\n  Version:          9.9\n");
  expect((await strata(["info", "-f", "{{.Driver}}"])).out).toBe("overlay2\n");
  expect(await strata(["info"])).toMatchObject({ out: expect.stringContaining(" Storage Driver: overlay2\n  Backing Filesystem: extfs\n"), err: "careful\n" });
  expect((await strata(["--version"])).out).toMatch(/^Strata version \d/);
});

test("events, a line each", async () => {
  await serve({ "GET /events": (_request, response) => void response.end('{"Type":"container","Action":"start","Actor":{"ID":"c","Attributes":{"name":"n","image":"i"}},"scope":"local","time":1763696411,"timeNano":1763696411500000000}\n') });
  expect((await strata(["events", "--since", "1h"])).out).toBe("2025-11-21T03:40:11.500000000Z container start c (image=i, name=n)\n");
  expect(Number(daemon!.requests.at(-1)!.query.get("since"))).toBeLessThan(Date.now() / 1000 - 3500);
  expect((await strata(["events", "--format", "{{.Type}} {{.Actor.Attributes.name}} {{.Status}}"])).out).toBe("container n \n");
});
