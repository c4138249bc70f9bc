import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Background, type ContextFile, type Daemon, type Result, type TestBed, daemonNeeds, makeContext, needs, setUp, tarOfMembers, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");
jest.setTimeout(120_000);

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});
afterEach(() => daemon.removeContainers());

const classic = { env: { DOCKER_BUILDKIT: "0" } };
const context = (files: Readonly<Record<string, ContextFile>>): string => makeContext(bed.folder, files);
const tryBuild = (folder: string, ...args: string[]): Promise<Result> => daemon.docker(["build", ...args, folder], classic);
async function build(folder: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await tryBuild(folder, "-t", "built", ...args);
  if (code !== 0) throw new Error(`docker build: ${stderr}\n${stdout}`);
  return stdout;
}
const run = async (...command: string[]): Promise<string> => `${await daemon.dockerOk("run", "--rm", "built", ...command)}\n`;
const steps = (output: string, what: string): number => output.split("\n").filter((line) => line.includes(what)).length;
/** What a build may leave while it runs only. */
const leftovers = async (): Promise<string[]> => [...readdirSync(join(daemon.dataRoot, "tmp")), ...(await daemon.dockerOk("ps", "-aq")).split("\n").filter((line) => line !== "")];

const FILES = { "a.txt": "a\n", "d/x": "x\n", "d/skip.log": "log\n", "d/e/y": "y\n" };

describe("steps", () => {
  it("are taken from the cache as long as nothing that they depend on changes", async () => {
    const folder = context({ ...FILES, Dockerfile: "FROM busybox\nARG V=1\nENV E=$V\nCOPY a.txt /a\nRUN echo $E $V > /out\nCOPY d /d\nCMD cat /out\n" });
    expect(steps(await build(folder), "Using cache")).toBe(0);
    expect(await run()).toBe("1 1\n");
    const first = (await daemon.inspect("built", "image")).Id as string;
    utimesSync(join(folder, "a.txt"), new Date(0), new Date(0));
    expect(steps(await build(folder), "Using cache")).toBe(6);
    expect((await daemon.inspect("built", "image")).Id).toBe(first);
    writeFileSync(join(folder, "d/x"), "other\n");
    expect(steps(await build(folder), "Using cache")).toBe(4);
    // ARG itself is what it was.
    expect(steps(await build(folder, "--build-arg", "V=2"), "Using cache")).toBe(1);
    expect(await run()).toBe("2 2\n");
    expect(steps(await build(folder, "--build-arg", "V=2", "--cache-from", "built"), "Using cache")).toBe(6);
    expect(steps(await build(folder, "--cache-from", "nosuchimage"), "Using cache")).toBe(0);
    expect(steps(await build(folder, "--no-cache"), "Using cache")).toBe(0);
    await daemon.restart();
    expect(steps(await build(folder), "Using cache")).toBe(6);
  });

  it("of stages side by side: only those that the target needs, output in the order of the file", async () => {
    const folder = context({ Dockerfile: "FROM busybox AS one\nRUN echo 1 > /1\nFROM busybox AS unused\nRUN false\nFROM busybox AS two\nRUN echo 2 > /2\nFROM busybox\nCOPY --from=one /1 /\nCOPY --from=two /2 /\nFROM unused AS last\n" });
    const output = await build(folder, "--target", "3");
    expect(output.match(/^Step \d+\/\d+ : .*$/gm)).toEqual([
      "Step 1/7 : FROM busybox AS one", "Step 2/7 : RUN echo 1 > /1", "Step 3/7 : FROM busybox AS two", "Step 4/7 : RUN echo 2 > /2", "Step 5/7 : FROM busybox", "Step 6/7 : COPY --from=one /1 /", "Step 7/7 : COPY --from=two /2 /",
    ]);
    expect(await run("cat", "/1", "/2")).toBe("1\n2\n");
    expect((await tryBuild(folder)).code).toBe(1);
  });

  it("leave images behind them, which go with the last name; the cache goes with builder prune", async () => {
    const folder = context({ Dockerfile: "FROM busybox\nRUN echo prune > /prune\nLABEL pruned=1\n" });
    await build(folder);
    const history = (await daemon.dockerOk("history", "-q", "built")).trim().split("\n");
    expect(history).toHaveLength(3);
    expect((await daemon.dockerOk("images", "-aq")).split("\n")).toEqual(expect.arrayContaining(history));
    const layer = (await daemon.inspect("built", "image")).RootFS.Layers[1] as string;
    await daemon.dockerOk("rmi", "built");
    expect(await daemon.dockerOk("images", "-aq")).not.toContain(history[0]);
    const held = async (): Promise<boolean> => JSON.stringify((await daemon.api("GET", "/layers")).json).includes(layer);
    expect(await held()).toBe(true);
    expect(steps(await build(folder), "Using cache")).toBe(2);
    await daemon.dockerOk("rmi", "built");
    expect((await daemon.api("GET", "/system/df")).json).toMatchObject({ BuildCache: expect.arrayContaining([expect.objectContaining({ Description: "RUN echo prune > /prune", Size: 6, UsageCount: 1, InUse: false })]) });
    // A filter that no record meets, or that there is not, takes nothing.
    for (const filter of ["type=exec.cachemount", "label=x", "until=1h", "private=false"]) await daemon.dockerOk("builder", "prune", "-af", "--filter", filter);
    expect((await daemon.docker(["builder", "prune", "-af", "--filter", "nope=1"])).code).not.toBe(0);
    expect(await held()).toBe(true);
    await daemon.dockerOk("builder", "prune", "-af");
    await until(async () => (await held() ? undefined : true), 20_000, "the layer's end");
    expect((await daemon.api("GET", "/system/df")).json).toMatchObject({ BuildCache: [] });
  });
});

describe("newer syntax", () => {
  it("here-documents, modes, exclusions, parents", async () => {
    const folder = context({ ...FILES, Dockerfile: [
      "FROM busybox", "ARG WHO=me", "RUN <<EOF", "echo one > /h1", "echo two >> /h1", "EOF", "RUN cat <<A > /h2", "from the shell", "A", "RUN <<P", "#!/bin/awk -f", "BEGIN { print \"by awk\" > \"/h3\" }", "P",
      "COPY <<EOF <<\"RAW\" /files/", "who $WHO", "EOF", "raw $WHO", "RAW", "COPY --chmod=640 a.txt /m", "COPY --chmod=u=rwX,go=X d /letters/", "COPY --exclude=*.log --exclude=e d /ex", "COPY --parents d/e/y /par/", "COPY --parents **/y /deep/", "COPY --from=busybox --parents /etc/./pas* /pivot/", "COPY --link a.txt /linked", "",
    ].join("\n") });
    await build(folder);
    expect(await run("sh", "-c", "cat /h1 /h2 /h3 /files/EOF /files/RAW; stat -c %a /m /letters/x /letters/e; ls /ex; find /par /deep /pivot -type f; cat /linked")).toBe("one\ntwo\nfrom the shell\nby awk\nwho me\nraw $WHO\n640\n600\n711\nx\n/par/d/e/y\n/deep/d/e/y\n/pivot/passwd\na\n");
  });

  it("mounts of RUN: a cache that stays, binds of the context and of stages, tmpfs", async () => {
    const folder = context({ ...FILES, Dockerfile: [
      "FROM busybox AS other", "RUN echo other > /o", "FROM busybox", "ARG N=1", "RUN --mount=type=cache,target=/cache echo $N >> /cache/log && cp /cache/log /seen",
      "RUN --mount=type=bind,target=/ctx --mount=type=bind,from=other,source=/o,target=/o --mount=type=tmpfs,target=/t cat /ctx/a.txt /o > /both && touch /t/x && ! touch /ctx/new", "RUN --network=none ip addr > /net", "",
    ].join("\n") });
    await build(folder);
    expect(await run("cat", "/seen", "/both")).toBe("1\na\nother\n");
    // What was made for mounts only is in no layer.
    expect(await run("sh", "-c", "grep -c eth0 /net; ls -d /cache /ctx /t /o 2>/dev/null; true")).toBe("0\n");
    await build(folder, "--build-arg", "N=2");
    expect(await run("cat", "/seen")).toBe("1\n2\n");
    writeFileSync(join(folder, "a.txt"), "changed\n");
    await build(folder, "--build-arg", "N=2");
    expect(await run("cat", "/both")).toBe("changed\nother\n");
  });
});

describe("sources from elsewhere", () => {
  const address = "http://127.0.0.1:8390";
  let server: Background;
  beforeAll(async () => {
    const folder = context({ file: "downloaded\n", Dockerfile: "FROM busybox\nRUN echo only > /only\n" });
    writeFileSync(join(folder, "context.tar"), tarOfMembers([{ name: "Dockerfile", data: "FROM busybox\nCOPY f /f\n" }, { name: "f", data: "remote\n" }]));
    server = bed.netns.start("busybox", ["httpd", "-f", "-p", "127.0.0.1:8390", "-h", folder]);
    await bed.netns.fetch(`${address}/file`);
  });
  afterAll(async () => {
    server.kill("SIGKILL");
    await server.exit;
  });

  it("ADD downloads, and checks what it is told to", async () => {
    const sum = createHash("sha256").update("downloaded\n").digest("hex");
    await build(context({ Dockerfile: `FROM busybox\nADD ${address}/file /dir/\nADD --checksum=sha256:${sum} ${address}/file /named\n` }));
    expect(await run("sh", "-c", "cat /dir/file /named; stat -c %a /named")).toBe("downloaded\ndownloaded\n600\n");
    expect((await tryBuild(context({ Dockerfile: `FROM busybox\nADD --checksum=sha256:${"0".repeat(64)} ${address}/file /x\n` }))).stderr).toContain("digest mismatch");
    expect((await tryBuild(context({ Dockerfile: `FROM busybox\nADD ${address}/gone /x\n` }))).stderr).toContain("404");
  });

  it("a context, or a Dockerfile alone, by its URL; a Dockerfile from standard input", async () => {
    expect((await daemon.api("POST", "/build", { query: { remote: `${address}/context.tar`, t: "built" } })).text).toContain("Successfully tagged built:latest");
    expect(await run("cat", "/f")).toBe("remote\n");
    expect((await daemon.api("POST", "/build", { query: { remote: `${address}/Dockerfile`, t: "built" } })).text).toContain("Successfully built");
    expect(await run("cat", "/only")).toBe("only\n");
    const { code } = await daemon.docker(["build", "-t", "built", "-"], { ...classic, input: "FROM busybox\nRUN echo stdin > /s\n" });
    expect([code, await run("cat", "/s")]).toEqual([0, "stdin\n"]);
  });
});

describe("what goes wrong", () => {
  it("a command that fails: its status is the client's, what came before stays", async () => {
    const folder = context({ Dockerfile: "FROM busybox\nRUN echo before > /b\nRUN exit 7\n" });
    expect(await tryBuild(folder)).toMatchObject({ code: 7, stderr: expect.stringContaining("The command '/bin/sh -c exit 7' returned a non-zero code: 7") });
    expect((await daemon.dockerOk("ps", "-aq")).trim().split("\n")).toHaveLength(1);
    await daemon.removeContainers();
    const again = await tryBuild(folder, "--force-rm");
    expect([steps(again.stdout, "Using cache"), await leftovers()]).toEqual([1, []]);
  });

  it("a bad Dockerfile is refused with its line, before anything is done", async () => {
    for (const [text, message] of [
      ["FROM busybox\nRUNN x\n", /line 2.*RUNN/s], ["RUN x\n", /line 1/], ["", /empty|no instructions/i], ["FROM busybox\nCOPY a\n", /line 2.*COPY/s], ["FROM busybox\nRUN --nope x\n", /line 2.*nope/s],
      ["FROM Bad:Name:Again\n", /invalid reference/i], ["FROM busybox AS 1x\n", /line 1/], ["FROM busybox\nEXPOSE many\n", /line 2.*EXPOSE many/s], ["FROM busybox\nCOPY --chown=nobody9 f /\n", /line 2.*nobody9/s],
    ] as const) expect((await tryBuild(context({ f: "f", Dockerfile: text }), "--force-rm")).stderr).toMatch(message);
    expect(await leftovers()).toEqual([]);
  });

  it("what the request says wrong is a 400 that names it", async () => {
    const body = tarOfMembers([{ name: "Dockerfile", data: "FROM busybox\n" }]);
    for (const [query, message] of [
      [{ t: "UPPER" }, /UPPER/], [{ buildargs: "[" }, /buildargs/], [{ labels: '{"a":1}' }, /labels/], [{ ulimits: "{}" }, /ulimits/], [{ dockerfile: "nope" }, /nope/], [{ target: "nope" }, /nope/], [{ platform: "a/b/c/d/e" }, /platform/], [{ version: "2" }, /version/],
    ] as const) {
      const answer = await daemon.api("POST", "/build", { query, body, headers: { "Content-Type": "application/x-tar" } });
      expect([query, answer.status, answer.json]).toEqual([query, 400, { message: expect.stringMatching(message) }]);
    }
    expect((await daemon.api("POST", "/build", { body: Buffer.from("no tar"), headers: { "Content-Type": "application/x-tar" } })).status).toBe(400);
    expect((await daemon.api("POST", "/build", { body, headers: { "Content-Type": "text/plain" } })).status).toBe(400);
    expect(await leftovers()).toEqual([]);
  });

  it("a hostile context leads nowhere", async () => {
    const dockerfile = { name: "Dockerfile", data: "FROM busybox\nCOPY out /got\n" };
    const send = async (...members: Parameters<typeof tarOfMembers>[0]): Promise<string> =>
      (await daemon.api("POST", "/build", { query: { t: "hostile", forcerm: 1 }, body: tarOfMembers([dockerfile, ...members]), headers: { "Content-Type": "application/x-tar" } })).text;
    expect(await send({ name: "../out", data: "x" })).toContain("leaves the root");
    // Symlinks are followed inside the context, and nowhere else.
    expect(await send({ name: "out", type: "symlink", link: "/etc/passwd" })).toContain("file does not exist");
    expect(await send({ name: "out", type: "symlink", link: "../../../../etc/passwd" })).toContain("file does not exist");
    expect(await send({ name: "out", type: "symlink", link: "out" })).toContain("symbolic links");
    expect(await send({ name: "l", type: "symlink", link: "/tmp" }, { name: "l/out", data: "x" })).toContain("file does not exist");
    expect(await send({ name: "out/", mode: 0o755 }, { name: "out/.wh.etc", data: "" })).toContain(".wh.");
    expect(await leftovers()).toEqual([]);
    expect(existsSync("/tmp/out")).toBe(false);
  });

  it("links in the tree lead nowhere out of it", async () => {
    const folder = context({ f: "planted\n", Dockerfile: "FROM busybox\nRUN ln -s / /up && ln -s ../../../../../../tmp /home/t && rm -r /var && ln -s /proc/self/root /var\nCOPY f /up/tmp/strata-planted\nCOPY f /home/t/strata-planted2\nCOPY f /var/tmp/strata-planted3\nWORKDIR /up/w\n" });
    await build(folder);
    expect(await run("sh", "-c", "ls /tmp; pwd")).toBe("strata-planted\nstrata-planted2\n/w\n");
    expect(readdirSync("/tmp").filter((name) => name.startsWith("strata-planted"))).toEqual([]);
  });

  it("a client that leaves: the command ends, nothing stays", async () => {
    const folder = context({ Dockerfile: "FROM busybox\nRUN echo started && sleep 1000\n" });
    const client = new Background("docker", ["build", folder], { env: { ...daemon.env(), DOCKER_BUILDKIT: "0" } });
    await until(() => (client.output.includes("started") ? true : undefined), 60_000, () => client.output);
    client.kill("SIGKILL");
    await client.exit;
    await until(async () => ((await leftovers()).length === 0 ? true : undefined), 30_000, "the build's end");
  });

  it("kill -9 of the daemon in the middle: nothing stays, what was done counts", async () => {
    const folder = context({ ...FILES, Dockerfile: "FROM busybox\nRUN echo early > /early\nCOPY d /d\nRUN echo started && sleep 1000\n" });
    const client = new Background("docker", ["build", folder], { env: { ...daemon.env(), DOCKER_BUILDKIT: "0" } });
    await until(() => (/started/.test(client.output.split("Running in").at(-1) ?? "") && /Step 4/.test(client.output) ? true : undefined), 60_000, () => client.output);
    await daemon.kill9();
    await client.exit;
    await daemon.start();
    expect(await leftovers()).toEqual([]);
    writeFileSync(join(folder, "Dockerfile"), readFileSync(join(folder, "Dockerfile"), "utf8").replace(" && sleep 1000", ""));
    expect(steps(await build(folder), "Using cache")).toBe(2);
  });
});

it("the same image again under SOURCE_DATE_EPOCH, with nothing left to take from", async () => {
  const folder = context({ ...FILES, Dockerfile: "FROM busybox\nWORKDIR /w/v\nCOPY . /c/\nRUN mkdir /r && echo r > /r/f && ln /r/f /r/g && rm -r /home && ln -s f /r/l\nENV A=1\n" });
  const once = async (): Promise<string> => {
    await daemon.dockerOk("builder", "prune", "-af");
    await build(folder, "--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=1000000000");
    return (await daemon.inspect("built", "image")).Id as string;
  };
  const first = await once();
  await new Promise((resolve) => setTimeout(resolve, 1100));
  expect(await once()).toBe(first);
  expect(await run("sh", "-c", "stat -c %Y /r/f /c/a.txt /w; ls /home 2>&1; cat /r/g")).toBe("1000000000\n1000000000\n1000000000\nls: /home: No such file or directory\nr\n");
});

it("a web server as the textbook builds it", async () => {
  const folder = context({
    "run.sh": "#!/bin/sh\nexec httpd -f -p 80 -h /www\n", "index.html": "<p>built page</p>\n",
    Dockerfile: "FROM busybox\nMAINTAINER A Reader <reader@example.org>\nRUN mkdir -p /www\nADD run.sh /run.sh\nRUN chmod 755 /run.sh\nADD index.html /www/index.html\nEXPOSE 80\nWORKDIR /www\nCMD [\"/run.sh\"]\n",
  });
  await build(folder);
  await daemon.dockerOk("run", "-d", "--name", "web", "built");
  expect(await bed.netns.fetch(`http://${(await daemon.inspect("web")).NetworkSettings.Networks.bridge.IPAddress as string}/`)).toBe("<p>built page</p>");
  writeFileSync(join(folder, "other.html"), "<p>mounted page</p>\n");
  await daemon.dockerOk("run", "-d", "--name", "web2", "-v", `${join(folder, "other.html")}:/www/index.html`, "built");
  expect(await bed.netns.fetch(`http://${(await daemon.inspect("web2")).NetworkSettings.Networks.bridge.IPAddress as string}/`)).toBe("<p>mounted page</p>");
  expect(await daemon.inspect("built", "image")).toMatchObject({ Author: "A Reader <reader@example.org>", Config: { ExposedPorts: { "80/tcp": {} }, WorkingDir: "/www", Cmd: ["/run.sh"] } });
});
