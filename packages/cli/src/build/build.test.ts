import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import { answer, FakeDaemon, type FakeRequest, type Route } from "@strata/client/dist/test-support/fake-daemon.js";
import { main } from "../main.js";
import { openContext } from "./context.js";
import { packContext } from "./pack.js";

let root: string;
beforeEach(() => { root = mkdtempSync(join(tmpdir(), "strata-build-")); });
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>, under = root): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(under, name)), { recursive: true });
    writeFileSync(join(under, name), content);
  }
}
const bytes = async (stream: Readable): Promise<Buffer> => Buffer.concat(await stream.toArray() as Buffer[]);
/** What GNU tar finds in an archive. */
const tar = (archive: Buffer, ...args: string[]): string => execFileSync("tar", [...args], { input: archive, env: { ...process.env, TZ: "UTC", LC_ALL: "C.UTF-8" }, maxBuffer: 1 << 26 }).toString();
const names = (archive: Buffer): string[] => tar(archive, "-tf", "-", "--quoting-style=literal").split("\n").filter((line) => line !== "");
const pack = async (...patterns: string[]): Promise<string[]> => names(await bytes(packContext(root, patterns)));

describe("packing", () => {
  test("every kind of file, root's, with its mode, time and content, as another tar reads it", async () => {
    const long = `${"d".repeat(120)}/${"f".repeat(140)}`;
    write({ "a": "one", "dir/b": "x".repeat(700_000), "sp ace/ü": "", [long]: "long" });
    chmodSync(join(root, "a"), 0o4751);
    utimesSync(join(root, "a"), 1000, 1_000_000_000.7);
    symlinkSync(`../${"t".repeat(130)}`, join(root, "dir/link"));
    linkSync(join(root, "a"), join(root, "dir/hard"));
    execFileSync("mkfifo", [join(root, "pipe")]);
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0x41])]), "bytes");
    const archive = await bytes(packContext(root, []));
    expect(archive.length % 512).toBe(0);
    const lines = tar(archive, "-tvf", "-", "--numeric-owner", "--full-time", "--quoting-style=escape").split("\n");
    expect(lines).toContainEqual(expect.stringMatching(/^-rwsr-x--x 0\/0 +3 2001-09-09 01:46:40 a$/));
    expect(lines).toContainEqual(expect.stringMatching(/^prw-.* pipe$/));
    expect(lines).toContainEqual(expect.stringMatching(/^hrwsr-x--x 0\/0 +0 .* dir\/hard link to a$/));
    expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^lrwxrwxrwx 0/0 .* dir/link -> \\.\\./t{130}$`)));
    expect(lines).toContainEqual(expect.stringMatching(/ \\377A$/));
    expect(names(archive)).toEqual(expect.arrayContaining(["dir/", "dir/b", "sp ace/", "sp ace/ü", long, `${"d".repeat(120)}/`]));
    expect(tar(archive, "-xOf", "-", "dir/b")).toBe("x".repeat(700_000));
    expect(tar(archive, "-xOf", "-", long)).toBe("long");
    expect(await bytes(packContext(root, []))).toEqual(archive);
  });

  test.each<[string[], string[]]>([
    [[], ["a/", "a/b/", "a/b/c", "a/d", "e/", "e/f.md", "g.md"]],
    [["a"], ["e/", "e/f.md", "g.md"]],
    [["**/*.md"], ["a/", "a/b/", "a/b/c", "a/d", "e/"]],
    // What is taken back brings the directories that it lies in, and only those.
    [["*", "!a/b"], ["a/", "a/b/", "a/b/c"]], [["*", "!a/b/c"], ["a/", "a/b/", "a/b/c"]], [["*", "!**/*.md"], ["e/", "e/f.md", "g.md"]], [["*", "!nothing/x"], []],
    [["a/*", "!a/d"], ["a/", "a/d", "e/", "e/f.md", "g.md"]], [["*", "!e", "e/f.md"], ["e/"]],
  ])("without %j", async (patterns, expected) => {
    write({ "a/b/c": "1", "a/d": "2", "e/f.md": "3", "g.md": "4" });
    expect(await pack(...patterns)).toEqual(expected);
  });

  test("a file that goes along stands in for one of its name", async () => {
    write({ a: "old", b: "b" });
    const archive = await bytes(packContext(root, [], [{ name: "a", content: Buffer.from("new") }]));
    expect(names(archive)).toEqual(["b", "a"]);
    expect(tar(archive, "-xOf", "-", "a")).toBe("new");
  });

  test("a thousand files", async () => {
    write(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`d${i % 10}/f${i}`, String(i)])));
    expect(await pack()).toHaveLength(1010);
  });
});

describe("contexts", () => {
  const open = async (where: string, file?: string, stdin = ""): Promise<{ dockerfile: string; archive: Buffer }> => {
    const context = await openContext(where, file, Readable.from(stdin === "" ? [] : [Buffer.from(stdin)], { objectMode: false }), root);
    if (!("tar" in context)) throw new Error("a URL");
    return { dockerfile: context.dockerfile, archive: await bytes(context.tar) };
  };

  test("a directory, with its Dockerfile or dockerfile", async () => {
    write({ "c/dockerfile": "FROM a", "c/x": "" });
    expect((await open("c")).dockerfile).toBe("dockerfile");
    write({ "c/Dockerfile": "FROM b" });
    const { dockerfile, archive } = await open("c");
    expect([dockerfile, ...names(archive)]).toEqual(["Dockerfile", "Dockerfile", "dockerfile", "x"]);
  });

  test("-f is relative to the working directory; the Dockerfile and .dockerignore go along though ignored", async () => {
    write({ "c/sub/D[1]": "FROM a", "c/x": "", "c/.dockerignore": "*\n" });
    const { dockerfile, archive } = await open("c", "c/sub/D[1]");
    expect([dockerfile, ...names(archive)]).toEqual(["sub/D[1]", ".dockerignore", "sub/", "sub/D[1]"]);
  });

  test("<Dockerfile>.dockerignore counts before .dockerignore", async () => {
    write({ "Dockerfile": "FROM a", "other/D": "FROM b", "other/D.dockerignore": "x\n", ".dockerignore": "y\n", x: "", y: "" });
    expect(names((await open(".")).archive)).toEqual([".dockerignore", "Dockerfile", "other/", "other/D", "other/D.dockerignore", "x"]);
    expect(names((await open(".", "other/D")).archive)).toEqual([".dockerignore", "Dockerfile", "other/", "other/D", "other/D.dockerignore", "y"]);
  });

  test.each([["from stdin", "-", "FROM stdin\n"], ["outside the context", "out/D", ""]])("a Dockerfile %s goes along under a name that .dockerignore hides", async (_, file, stdin) => {
    write({ "c/Dockerfile": "FROM inside", "c/x": "", "c/.dockerignore": "x\n", "out/D": "FROM stdin\n" });
    const { dockerfile, archive } = await open("c", file, stdin);
    expect(dockerfile).toMatch(/^\.dockerfile\.[0-9a-f]{20}$/);
    expect(names(archive)).toEqual(["Dockerfile", ".dockerignore", dockerfile]);
    expect(tar(archive, "-xOf", "-", dockerfile)).toBe("FROM stdin\n");
    expect(tar(archive, "-xOf", "-", ".dockerignore")).toBe(`x\n\n${dockerfile}\n`);
  });

  test("- is a Dockerfile alone, or a tar as it is", async () => {
    const alone = await open("-", undefined, "FROM x\n");
    expect([alone.dockerfile, ...names(alone.archive), tar(alone.archive, "-xOf", "-", "Dockerfile")]).toEqual(["Dockerfile", "Dockerfile", "FROM x\n"]);
    write({ "D": "FROM y" });
    for (const flag of ["-cf", "-czf"]) {
      const given = execFileSync("tar", ["-C", root, flag, "-", "D"]);
      const context = await openContext("-", "D", Readable.from([given.subarray(0, 100), given.subarray(100)], { objectMode: false }));
      expect(context.dockerfile).toBe("D");
      expect("tar" in context && (await bytes(context.tar)).equals(given)).toBe(true);
    }
  });

  test.each(["https://host/x.tar", "http://host/D", "git://host/r.git#main:d", "ssh://git@host/r", "git@host:r.git", "github.com/a/b"])("%s is the daemon's to fetch", async (url) => {
    expect(await openContext(url, undefined, Readable.from([]), root)).toEqual({ remote: url, dockerfile: "Dockerfile" });
  });

  test.each<[string, string | undefined, string, RegExp]>([
    ["nowhere", undefined, "", /^unable to prepare context: path "nowhere" not found$/], ["file", undefined, "", /context must be a directory/], [".", undefined, "", /cannot locate Dockerfile: ".*\/Dockerfile"/], [".", "gone", "", /cannot locate Dockerfile: ".*\/gone"/],
    ["-", "-", "", /can't use stdin for both/], ["-", "D", "FROM x", /ambiguous Dockerfile source/], ["https://x/y", "-", "", /is in it/], ["bad", undefined, "", /error reading .dockerignore: syntax error in pattern/],
  ])("%s with -f %s is refused", async (where, file, stdin, message) => {
    write({ file: "", "bad/Dockerfile": "FROM x", "bad/.dockerignore": "a[\n" });
    await expect(open(where, file, stdin)).rejects.toThrow(message);
  });
});

describe("strata build", () => {
  let daemon: FakeDaemon | undefined;
  afterEach(async () => { await daemon?.stop(); daemon = undefined; });
  let seen: FakeRequest[] = [];
  const answering = (text: string, status = 200): Route => (_request, response) => {
    if (status === 200) response.end(text);
    else answer(response, status, { message: text });
  };
  async function strata(argv: string[], route: Route, env: NodeJS.ProcessEnv = {}): Promise<{ code: number; out: string; err: string }> {
    await daemon?.stop();
    daemon = await FakeDaemon.start({ "POST /build": route });
    const stdout = new PassThrough(), stderr = new PassThrough(), stdin = new PassThrough();
    stdin.end("");
    const outputs = Promise.all([bytes(stdout), bytes(stderr)]);
    const code = await main(argv, { stdin, stdout, stderr }, { HOME: root, PATH: process.env["PATH"], DOCKER_HOST: daemon.host, ...env });
    stdout.end();
    stderr.end();
    const [out, err] = await outputs;
    seen = daemon.requests.filter(({ method }) => method === "POST");
    return { code, out: out.toString(), err: err.toString() };
  }
  const good = '{"stream":"Step 1/1 : FROM x\\n"}\n{"aux":{"ID":"sha256:abc"}}\n{"stream":"Successfully built abc\\n"}\n';

  test("sends what the flags say, and shows the stream", async () => {
    write({ "Dockerfile": "FROM x", ".docker/config.json": JSON.stringify({ auths: { "r.example": { auth: Buffer.from("u:p").toString("base64") } } }) });
    const flags = ["-t", "a:1", "-t", "b", "--build-arg", "A=1", "--build-arg", "B", "--build-arg", "C", "--label", "l=v", "--target", "t", "--no-cache", "--pull", "--cache-from", "c,d", "--network", "none", "--platform", "linux/arm64",
      "--squash", "--add-host", "h=1.2.3.4", "-m", "64m", "--memory-swap", "-1", "--cpu-shares", "5", "--cpu-period", "6", "--cpu-quota", "7", "--cpuset-cpus", "0", "--cpuset-mems", "0", "--shm-size", "1m", "--ulimit", "nofile=5:6",
      "--rm=false", "--force-rm", "--iidfile", join(root, "id"), "--cgroup-parent", "cg"];
    const { code, out, err } = await strata(["build", ...flags, root], answering(good), { B: "two" });
    expect({ code, out, err }).toEqual({ code: 0, out: "Step 1/1 : FROM x\nSuccessfully built abc\n", err: "" });
    expect(readFileSync(join(root, "id"), "utf8")).toBe("sha256:abc");
    const { query, headers, body } = seen[0]!;
    expect(query.getAll("t")).toEqual(["a:1", "b"]);
    expect(Object.fromEntries(query)).toEqual({
      dockerfile: "Dockerfile", t: "b", buildargs: '{"A":"1","B":"two","C":null}', labels: '{"l":"v"}', target: "t", nocache: "1", pull: "1", cachefrom: '["c","d"]', networkmode: "none", platform: "linux/arm64", squash: "1", extrahosts: "h:1.2.3.4",
      memory: "67108864", memswap: "-1", cpushares: "5", cpuperiod: "6", cpuquota: "7", cpusetcpus: "0", cpusetmems: "0", shmsize: "1048576", ulimits: '[{"Name":"nofile","Soft":5,"Hard":6}]', rm: "0", forcerm: "1", cgroupparent: "cg", version: "1",
    });
    expect(JSON.parse(Buffer.from(String(headers["x-registry-config"]), "base64url").toString())).toEqual({ "r.example": { username: "u", password: "p", serveraddress: "r.example" } });
    expect(names(body)).toContain("Dockerfile");
  });

  test("-q prints the ID alone, --compress packs", async () => {
    write({ "Dockerfile": "FROM x" });
    expect(await strata(["build", "-q", "--compress", root], answering('{"stream":"sha256:abc\\n"}\n'))).toEqual({ code: 0, out: "sha256:abc\n", err: "" });
    expect(names(gunzipSync(seen[0]!.body))).toEqual(["Dockerfile"]);
  });

  test("a URL goes to the daemon", async () => {
    expect((await strata(["build", "-f", "x/D", "https://h/r.git#v1"], answering(good))).code).toBe(0);
    expect(Object.fromEntries(seen[0]!.query)).toMatchObject({ remote: "https://h/r.git#v1", dockerfile: "x/D" });
    expect(seen[0]!.body.length).toBe(0);
  });

  test("a failed step's status is the exit code; what was built before leaves no ID", async () => {
    write({ "Dockerfile": "FROM x", id: "old" });
    const failed = '{"stream":"Step 1\\n"}\n{"errorDetail":{"code":7,"message":"The command \'x\' returned a non-zero code: 7"},"error":"x"}\n';
    expect(await strata(["build", "--iidfile", join(root, "id"), root], answering(failed))).toEqual({ code: 7, out: "Step 1\n", err: "The command 'x' returned a non-zero code: 7\n" });
    expect(() => readFileSync(join(root, "id"))).toThrow(/ENOENT/);
    expect(await strata(["build", "-q", root], answering(failed))).toEqual({ code: 7, out: "", err: "Step 1\nThe command 'x' returned a non-zero code: 7\n" });
    expect(await strata(["build", root], answering("dockerfile parse error on line 1: x", 400))).toEqual({ code: 1, out: "", err: "Error response from daemon: dockerfile parse error on line 1: x\n" });
  });

  test("a link to nowhere is a link", async () => {
    write({ "Dockerfile": "FROM x" });
    symlinkSync("/nowhere", join(root, "dangling"));
    expect((await strata(["build", root], answering(good))).code).toBe(0);
    expect(names(seen[0]!.body)).toEqual(["Dockerfile", "dangling"]);
  });

  (process.getuid?.() === 0 ? test.skip : test)("a file that cannot be read ends the build with its name (root reads everything)", async () => {
    write({ "Dockerfile": "FROM x", "x": "" });
    chmodSync(join(root, "x"), 0);
    expect(await strata(["build", root], answering(good))).toEqual({ code: 1, out: "", err: `checking context: no permission to read from '${root}/x'\n` });
  });

  test.each<[string[], RegExp]>([[["build"], /requires 1 argument/], [["build", "--build-arg", "=x", "."], /invalid environment variable: =x/], [["build", "--ulimit", "x", "."], /invalid ulimit argument/], [["build", "-m", "much", "."], /invalid size/]])("%j is refused", async (argv, message) => {
    const { code, err } = await strata(argv, answering(good));
    expect(code).not.toBe(0);
    expect(err).toMatch(message);
    expect(seen).toEqual([]);
  });
});
