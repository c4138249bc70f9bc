import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { Background, busyboxTar, type ContextFile, type Daemon, ok, type Result, TestBed, daemonNeeds, makeContext, needs, run as execute, tarOfMembers, unmet, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");
const withGit = needs(...daemonNeeds, "docker", "git");
jest.setTimeout(120_000);

/** No loopback address, so that a proxy counts for it; nobody listens there. */
const ELSEWHERE = "10.213.77.1";
const WEB = "http://127.0.0.1:8490";
const PROXY = 8491;

let bed: TestBed;
let daemon: Daemon;
let web: string;
const running: Background[] = [];
beforeAll(async () => {
  bed = await TestBed.create();
  web = bed.path("web");
  mkdirSync(web);
  await bed.netns.ok("ip", ["address", "add", `${ELSEWHERE}/32`, "dev", "lo"]);
  daemon = await bed.daemonWithBusybox({ flags: ["--http-proxy", `http://127.0.0.1:${PROXY}`, "--build-source-limit", "3m"] });
  running.push(bed.netns.start("busybox", ["httpd", "-f", "-p", "127.0.0.1:8490", "-h", web]));
  // Answers for every host, with what it was asked for.
  const proxy = `require("http").createServer((q, r) => { r.setHeader("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT"); r.setHeader("Content-Disposition", 'attachment; filename="told.txt"');
    r.end(q.url.endsWith(".tar") ? require("fs").readFileSync(${JSON.stringify(await busyboxTar())}) : "proxied " + q.url + " " + (q.headers.authorization ?? "-") + "\\n"); }).listen(${PROXY}, "127.0.0.1")`;
  running.push(bed.netns.start(process.execPath, ["-e", proxy]));
  await bed.netns.fetch(`http://127.0.0.1:${PROXY}/`);
}, 120_000);
afterAll(async () => {
  for (const one of running) {
    one.kill("SIGKILL");
    await one.exit;
  }
  await bed.close();
}, 60_000);
afterEach(() => daemon.removeContainers());

const classic = { env: { DOCKER_BUILDKIT: "0" } };
const context = (files: Readonly<Record<string, ContextFile>>): string => makeContext(bed.folder, files);
const tryBuild = (folder: string, ...args: string[]): Promise<Result> => daemon.docker(["build", "--force-rm", "-t", "built", ...args, folder], classic);
async function build(folder: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await tryBuild(folder, ...args);
  if (code !== 0) throw new Error(`docker build: ${stderr}\n${stdout}`);
  return stdout;
}
const run = async (...command: string[]): Promise<string> => `${await daemon.dockerOk("run", "--rm", "built", ...command)}\n`;
const leftovers = async (): Promise<string[]> => [
  ...readdirSync(join(daemon.dataRoot, "tmp")), ...(await daemon.dockerOk("ps", "-aq")).split("\n").filter((line) => line !== ""), ...(existsSync(join(daemon.execRoot, "build-secrets")) ? readdirSync(join(daemon.execRoot, "build-secrets")) : []),
];

describe("files of web servers", () => {
  it("come through the daemon's proxy, with the server's time and name, and credentials of the URL", async () => {
    await build(context({ Dockerfile: `FROM busybox\nADD http://${ELSEWHERE}/file.txt /f\nADD http://user:pass@${ELSEWHERE}/dir/ /named/\n` }));
    const basic = Buffer.from("user:pass").toString("base64");
    expect(await run("sh", "-c", "cat /f /named/told.txt; stat -c %Y /f")).toBe(`proxied http://${ELSEWHERE}/file.txt -\nproxied http://${ELSEWHERE}/dir/ Basic ${basic}\n946684800\n`);
    expect(await daemon.dockerOk("history", "--no-trunc", "built")).not.toContain("pass");
  });

  it("are imported that way, too", async () => {
    expect(await daemon.dockerOk("import", `http://${ELSEWHERE}/root.tar`, "imported")).toContain("sha256:");
    expect(await daemon.dockerOk("run", "--rm", "imported", "/bin/echo", "from", "afar")).toBe("from afar");
    for (const [fromSrc, message] of [[`${WEB}/gone`, /404/], ["ftp://127.0.0.1/x", /only URLs of http/], ["http://127.0.0.1:1/x", /connection refused/]] as const) {
      expect((await daemon.api("POST", "/images/create", { query: { fromSrc } })).text).toMatch(message);
    }
  });

  it("a checksum, also of a variable, is for them alone", async () => {
    writeFileSync(join(web, "sum"), "summed\n");
    const sum = createHash("sha256").update("summed\n").digest("hex");
    await build(context({ Dockerfile: `FROM busybox\nARG SUM=sha256:${sum}\nADD --checksum=$SUM ${WEB}/sum /s\n` }));
    expect((await tryBuild(context({ a: "a", Dockerfile: `FROM busybox\nADD --checksum=sha256:${sum} a /a\n` }))).stderr).toMatch(/line 2.*--checksum/s);
  });
});

describe("what is too large", () => {
  const bomb = (): Buffer => gzipSync(tarOfMembers([{ name: "Dockerfile", data: "FROM busybox\nCOPY zeros /\n" }, { name: "zeros", data: Buffer.alloc(8 << 20) }]));
  const post = (body: Buffer, query = {}): ReturnType<Daemon["api"]> => daemon.api("POST", "/build", { query, body, headers: { "Content-Type": "application/x-tar" } });

  it("a context that unpacks to more than may be is refused, and nothing of it stays", async () => {
    const body = bomb();
    expect(body.length).toBeLessThan(100_000);
    expect(await post(body)).toMatchObject({ status: 400, json: { message: expect.stringMatching(/the context has more than 3145728 bytes when it is unpacked: build-source-limit/) } });
    expect(await leftovers()).toEqual([]);
  });

  it("an archive in it, a download, a remote context and a remote Dockerfile likewise", async () => {
    const folder = context({ Dockerfile: "FROM busybox\nADD bomb.tar.gz /\n" });
    writeFileSync(join(folder, "bomb.tar.gz"), bomb());
    expect((await tryBuild(folder)).stderr).toMatch(/line 2.*bomb\.tar\.gz has more than 3145728 bytes/s);
    writeFileSync(join(web, "big"), Buffer.alloc(4 << 20, "x"));
    writeFileSync(join(web, "bomb.tar.gz"), bomb());
    expect((await tryBuild(context({ Dockerfile: `FROM busybox\nADD ${WEB}/big /b\n` }))).stderr).toMatch(/line 2.*big has more than 3145728 bytes/s);
    expect((await daemon.api("POST", "/build", { query: { remote: `${WEB}/bomb.tar.gz` } }))).toMatchObject({ status: 400, json: { message: expect.stringContaining("3145728") } });
    expect((await daemon.api("POST", "/build", { query: { remote: `${WEB}/big` } }))).toMatchObject({ status: 400, json: { message: expect.stringContaining("3145728") } });
    expect(await leftovers()).toEqual([]);
  });
});

describe("git repositories", () => {
  const GIT = "git://127.0.0.1:9419";
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@b", GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@b" };
  let first = "";
  beforeAll(async () => {
    if (unmet([...daemonNeeds, "git"]) !== undefined) return;
    const git = (folder: string, ...args: string[]): Promise<string> => ok("git", ["-C", folder, ...args], { env });
    const repository = async (name: string, files: Readonly<Record<string, ContextFile>>): Promise<string> => {
      const folder = context(files);
      await git(folder, "init", "-q", "-b", "main");
      await git(folder, "add", "-A");
      await git(folder, "commit", "-q", "-m", "one");
      await git(folder, "remote", "add", "origin", join(web, name));
      return folder;
    };
    const publish = async (folder: string, name: string): Promise<void> => {
      await ok("git", ["clone", "-q", "--bare", folder, join(web, name)], { env });
      await git(join(web, name), "update-server-info");
    };
    await publish(await repository("lib.git", { "lib.txt": "library\n" }), "lib.git");
    const app = await repository("app.git", { Dockerfile: "FROM busybox\nCOPY . /app/\n", "sub/Dockerfile": "FROM busybox\nCOPY f /f\n", "sub/f": "in sub\n", f: "first\n", "exec.sh": { text: "#!/bin/sh\n", mode: 0o755 } });
    first = await git(app, "rev-parse", "HEAD");
    await git(app, "tag", "v1");
    await git(app, "branch", "old");
    writeFileSync(join(app, "f"), "second\n");
    writeFileSync(join(app, ".gitmodules"), `[submodule "lib"]\n\tpath = lib\n\turl = ${GIT}/lib.git\n`);
    await git(app, "clone", "-q", join(web, "lib.git"), "lib");
    await git(app, "add", "-A", ".gitmodules", "f", "lib");
    await git(app, "commit", "-q", "-m", "two");
    await publish(app, "app.git");
    const server = bed.netns.start(join(await ok("git", ["--exec-path"]), "git-daemon"), ["--reuseaddr", "--export-all", `--base-path=${web}`, "--listen=127.0.0.1", "--port=9419", web]);
    running.push(server);
    await until(async () => ((await bed.netns.run("git", ["ls-remote", `${GIT}/app.git`], { env })).code === 0 ? true : undefined), 30_000, () => server.output, () => server.ended);
  }, 60_000);

  const remote = async (url: string, query = {}): Promise<string> => (await daemon.api("POST", "/build", { query: { remote: url, t: "built", ...query } })).text;

  withGit("are contexts: the whole with submodules, a branch, a tag, a commit, a directory", async () => {
    for (const server of [GIT, WEB]) {
      expect(await remote(`${server}/app.git`)).toContain("Successfully tagged built:latest");
      expect(await run("sh", "-c", "cd /app; cat f lib/lib.txt; stat -c %a exec.sh f; ls -A . lib | grep -c '^.git$'; true")).toBe("second\nlibrary\n755\n644\n0\n");
      // The second serves files only: no part of a history, and no single commit.
      for (const [ref, says] of server === GIT ? [["#old", "first\n"], [`#${first}`, "first\n"], ["#main:/", "second\n"]] as const : [["#v1", "first\n"], [`#${first.slice(0, 12)}:../..`, "first\n"]] as const) {
        expect(await remote(`${server}/app.git${ref}`)).toContain("Successfully tagged");
        expect([ref, await run("cat", "/app/f")]).toEqual([ref, says]);
      }
    }
    expect(await remote(`${GIT}/app.git#:sub`)).toContain("Successfully tagged");
    expect(await run("cat", "/f")).toBe("in sub\n");
    expect(await remote(`${GIT}/app.git`, { buildargs: '{"BUILDKIT_CONTEXT_KEEP_GIT_DIR":"1"}' })).toContain("Successfully tagged");
    expect(await run("sh", "-c", "ls -A /app | grep -c '^.git$'; true")).toBe("1\n");
    expect(await leftovers()).toEqual([]);
  });

  withGit("are sources of ADD", async () => {
    await build(context({ Dockerfile: `FROM busybox\nADD ${GIT}/app.git#v1 /src\nADD --keep-git-dir=true ${WEB}/lib.git /lib\nADD ${GIT}/app.git#:sub /sub/\n` }));
    expect(await run("sh", "-c", "cat /src/f /lib/lib.txt /sub/f; ls -A /src /lib | grep -c '^.git$'; true")).toBe("first\nlibrary\nin sub\n1\n");
  });

  withGit("that cannot be had say why, and nothing stays", async () => {
    for (const [url, message] of [
      [`${GIT}/none.git`, /remote: cannot fetch .*none\.git/], [`${GIT}/app.git#nosuchbranch`, /nosuchbranch/], [`${GIT}/app.git#:nodir`, /nodir/], [`${GIT}/app.git#--upload-pack=x`, /neither a repository nor a reference/],
      ["git@127.0.0.1:x.git", /cannot fetch git@127\.0\.0\.1:x\.git: .*(refused|ssh)/is], ["http://user:secret@127.0.0.1:8490/none.git", /cannot fetch http:\/\/127\.0\.0\.1:8490\/none\.git/],
    ] as const) {
      const { status, text } = await daemon.api("POST", "/build", { query: { remote: url } });
      expect([url, status, text]).toEqual([url, 400, expect.stringMatching(message)]);
      expect(text).not.toContain("secret");
    }
    expect(await leftovers()).toEqual([]);
  });
});

describe("what only commands see", () => {
  const sent = (value: object): Record<string, string> => ({ "Content-Type": "application/x-tar", "X-Strata-Build-Secrets": Buffer.from(JSON.stringify(value)).toString("base64url") });
  const post = async (dockerfile: string, value: object): Promise<string> => (await daemon.api("POST", "/build", { query: { t: "built", forcerm: 1 }, body: tarOfMembers([{ name: "Dockerfile", data: dockerfile }]), headers: sent(value) })).text;
  const word = "correct-horse-battery-staple", secrets = { token: Buffer.from(`${word}\n`).toString("base64") };

  it("secrets are in files and variables while a command runs, and nowhere afterwards", async () => {
    const said = await post([
      "FROM busybox", "RUN --mount=type=secret,id=token sha256sum < /run/secrets/token > /seen && stat -c '%a %u' /run/secrets/token >> /seen", "RUN --mount=type=secret,id=token,target=/t,mode=0444,uid=1000 stat -c '%a %u' /t >> /seen",
      "RUN --mount=type=secret,id=token,env=TOKEN echo ${#TOKEN} >> /seen", "RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent", "RUN ls /run /t >> /seen 2>&1 || true", "",
    ].join("\n"), { secrets });
    expect(said).toContain("Successfully tagged");
    expect(await run("cat", "/seen")).toBe(`${createHash("sha256").update(`${word}\n`).digest("hex")}  -\n400 0\n444 1000\n${word.length}\nls: /run: No such file or directory\nls: /t: No such file or directory\n`);
    expect(said).not.toContain(word);
    expect(await daemon.dockerOk("history", "--no-trunc", "built")).not.toContain(word);
    await daemon.stop();
    // Whatever the data root holds, freed pages of the ledger among it.
    await expect(ok("grep", ["-rlaF", word, daemon.dataRoot])).rejects.toThrow(/exit 1\n?$/);
    await expect(ok("grep", ["-rlaF", secrets.token, daemon.dataRoot])).rejects.toThrow(/exit 1\n?$/);
    expect(readFileSync(daemon.logFile, "utf8")).not.toContain(word);
    await daemon.start();
    expect(await leftovers()).toEqual([]);
  });

  it("strata build sends them", async () => {
    const program = resolve(__dirname, "../../../packages/cli/bin/strata.js"), file = bed.path("token");
    writeFileSync(file, word);
    const folder = context({ Dockerfile: "FROM busybox\nRUN --mount=type=secret,id=one --mount=type=secret,id=TWO,required cat /run/secrets/one /run/secrets/TWO | sha256sum > /seen\n" });
    const strata = (...args: string[]): Promise<Result> => execute(process.execPath, [program, "build", "--force-rm", ...args, folder], { env: { ...daemon.env(), STRATA_HOST: `unix://${daemon.socket}`, TWO: "two", SSH_AUTH_SOCK: "" } });
    expect(await strata("-t", "built", "--secret", `id=one,src=${file}`, "--secret", "id=TWO")).toMatchObject({ code: 0, stderr: "" });
    expect(await run("cat", "/seen")).toBe(`${createHash("sha256").update(`${word}two`).digest("hex")}  -\n`);
    for (const [args, message] of [
      [["--secret", "id=one,src=/nowhere"], /secret one: ENOENT/], [["--secret", "src"], /must be a key=value pair/], [["--secret", "id=one,what=1"], /unexpected key "what"/], [["--secret", "id=x,env=NOT_SET_HERE"], /there is no variable NOT_SET_HERE/], [["--ssh", "default"], /SSH_AUTH_SOCK is not set/], [["--ssh", `k=${file}`], /no agent's socket/],
    ] as const) expect((await strata(...args)).stderr).toMatch(message);
  });

  it("are no part of what a step is known by, and are required where the file says so", async () => {
    const dockerfile = "FROM busybox\nRUN --mount=type=secret,id=token,required echo done > /done\n";
    expect(await post(dockerfile, { secrets })).not.toContain("Using cache");
    expect(await post(dockerfile, { secrets: { token: "b3RoZXI=" } })).toContain("Using cache");
    expect(await post(dockerfile.replace("done >", "other >"), {})).toMatch(/line 2: secret token: not found/);
    expect(await post("FROM busybox\nRUN --mount=type=ssh,required true\n", {})).toMatch(/line 2: unset ssh forward key default/);
    for (const [header, message] of [["bm90IGpzb24", /X-Strata-Build-Secrets is not JSON/], [Buffer.from('{"secrets":1}').toString("base64url"), /wrong shape/], [Buffer.from('{"ssh":{"default":"rel"}}').toString("base64url"), /no absolute path/]] as const) {
      const answer = await daemon.api("POST", "/build", { body: tarOfMembers([{ name: "Dockerfile", data: dockerfile }]), headers: { "Content-Type": "application/x-tar", "X-Strata-Build-Secrets": header } });
      expect([answer.status, answer.text]).toEqual([400, expect.stringMatching(message)]);
    }
  });

  it("go with a daemon that is killed", async () => {
    const folder = join(daemon.execRoot, "build-secrets"), held = (): string[] => (existsSync(folder) ? readdirSync(folder) : []);
    const building = post("FROM busybox\nRUN --mount=type=secret,id=token sleep 1000\n", { secrets }).catch(() => "cut off");
    await until(async () => (held().length > 0 && (await daemon.dockerOk("ps", "-q")) !== "" ? true : undefined), 60_000, "the command");
    await daemon.kill9();
    await building;
    await daemon.start();
    expect(await leftovers()).toEqual([]);
    await expect(ok("grep", ["-rlaF", word, daemon.dataRoot])).rejects.toThrow(/exit 1\n?$/);
  });

  it("an ssh agent's socket is there for a command", async () => {
    const socket = bed.path("agent");
    const listener = new Background(process.execPath, ["-e", `require("net").createServer((c) => c.end("agent here\\n")).listen(${JSON.stringify(socket)})`]);
    running.push(listener);
    await until(() => (existsSync(socket) && statSync(socket).isSocket() ? true : undefined), 20_000, "the socket");
    expect(await post("FROM busybox\nRUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo $SSH_AUTH_SOCK > /where\nRUN --mount=type=ssh,id=other test ! -S \"$SSH_AUTH_SOCK\"\n", { ssh: { default: socket } })).toContain("Successfully tagged");
    expect(await run("sh", "-c", "cat /where; ls /run 2>&1; true")).toBe("/run/buildkit/ssh_agent.0\nls: /run: No such file or directory\n");
  });
});

describe("cache mounts", () => {
  type Entry = { readonly ID: string; readonly Type: string; readonly Description: string; readonly Size: number; readonly InUse: boolean; readonly UsageCount: number };
  const mounts = async (): Promise<Entry[]> => ((await daemon.api("GET", "/system/df")).json as { BuildCache: Entry[] }).BuildCache.filter(({ Type }) => Type === "exec.cachemount");

  it("count as build cache, and go with it", async () => {
    const dockerfile = (n: number): string => `FROM busybox\nRUN --mount=type=cache,target=/c,mode=0700,uid=5 echo ${n}-123456789 >> /c/log && stat -c '%a %u' /c > /mode && cat /c/log > /log\nRUN --mount=type=cache,id=other,target=/c true\n`;
    await build(context({ Dockerfile: dockerfile(1) }));
    await build(context({ Dockerfile: dockerfile(2) }));
    expect(await run("sh", "-c", "cat /log /mode; ls -d /c 2>&1; true")).toBe("1-123456789\n2-123456789\n700 5\nls: /c: No such file or directory\n");
    expect(await mounts()).toEqual(expect.arrayContaining([expect.objectContaining({ Description: "cached mount /c", Size: 24, InUse: false, UsageCount: 1 }), expect.objectContaining({ Description: "cached mount other" })]));
    await daemon.dockerOk("builder", "prune", "-f", "--filter", "until=1h");
    expect(await mounts()).toHaveLength(2);
    const [one] = (await mounts()).filter(({ Description }) => Description === "cached mount other");
    expect(await daemon.dockerOk("builder", "prune", "-af", "--filter", `id=${one!.ID}`)).toContain(one!.ID);
    expect(await mounts()).toHaveLength(1);
    await daemon.dockerOk("builder", "prune", "-af", "--filter", "type=exec.cachemount");
    expect(await mounts()).toEqual([]);
    expect(await daemon.dockerOk("volume", "ls", "-q")).not.toContain("build-cache-");
    await build(context({ Dockerfile: dockerfile(3) }));
    expect(await run("cat", "/log")).toBe("3-123456789\n");
  });

  it("that somebody locked are waited for; one in use is not pruned", async () => {
    const folder = context({ Dockerfile: [
      "FROM busybox AS one", "RUN --mount=type=cache,id=l,target=/l,sharing=locked mkdir /l/lock && sleep 1 && rmdir /l/lock && touch /1", "FROM busybox AS two", "RUN --mount=type=cache,id=l,target=/l,sharing=locked mkdir /l/lock && sleep 1 && rmdir /l/lock && touch /2",
      "FROM busybox", "COPY --from=one /1 /", "COPY --from=two /2 /", "",
    ].join("\n") });
    const building = build(folder);
    await until(async () => ((await mounts()).some(({ InUse }) => InUse) ? true : undefined), 60_000, "the mount in use");
    await daemon.dockerOk("builder", "prune", "-af");
    await building;
    expect(await run("ls", "/1", "/2")).toBe("/1\n/2\n");
    expect((await tryBuild(context({ Dockerfile: "FROM busybox\nRUN --mount=type=cache,target=/c,sharing=none true\n" }))).stderr).toMatch(/sharing is shared, private or locked/);
  });
});
