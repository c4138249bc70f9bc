/** Every verb of `docker image` (and those that go with images), as a user meets it. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Daemon, type Registry, type Result, type TestBed, busyboxTar, daemonNeeds, emptied, importBusybox, needs, ok, run, setUp } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "registry");
const strata = resolve(__dirname, "../../../packages/cli/bin/strata.js");

let bed: TestBed, daemon: Daemon;
let registry: Registry;
setUp(async (made) => {
  bed = made;
  registry = await bed.registry();
  daemon = await bed.daemonWithBusybox({ storageDriver: "overlay2" });
});

const docker = (...args: string[]): Promise<string> => daemon.dockerOk(...args);
const fails = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await daemon.docker(args);
  expect(code).toBe(1);
  return stderr;
};
const lines = (text: string): string[] => text.split("\n").filter(Boolean);
/** Lists are in the order of whole seconds: within one, any order will do. */
const sorted = (...texts: string[]): string[] => texts.sort();
/** The same of docker and of strata. */
async function both(...args: string[]): Promise<string> {
  const ours: Result = await run(process.execPath, [strata, ...args], { env: daemon.env() });
  const theirs = await daemon.docker(args);
  expect({ args, code: ours.code, out: ours.stdout }).toEqual({ args, code: theirs.code, out: theirs.stdout });
  return theirs.stdout.trim();
}
const id = async (name: string): Promise<string> => (await daemon.inspect(name, "image")).Id as string;
/** An image on another: one file more, its own time of making. */
async function grow(from: string, to: string, ...flags: string[]): Promise<void> {
  await docker("run", "--name", "grow", from, "sh", "-c", `echo ${to} > /grown-${Date.now()}`);
  await docker("commit", ...flags, "grow", to);
  await docker("rm", "grow");
}

describe("image ls", () => {
  it("lists, filters and formats as the textbook has it", async () => {
    await grow("busybox", "redis:3.2.10", "--change", "LABEL kind=old");
    await grow("redis:3.2.10", "redis:3.2.11", "--change", "LABEL kind=new tier=1");
    await grow("redis:3.2.11", "redis:3.2.12");
    await grow("redis:3.2.12", "loose");
    const loose = await id("loose");
    await grow("busybox", "loose");
    const short = async (name: string): Promise<string> => (await id(name)).slice(7, 19);

    expect(sorted(...lines(await both("image", "ls", "-q", "-f", "since=redis:3.2.11")))).toEqual(sorted(await short("loose"), loose.slice(7, 19), await short("redis:3.2.12")));
    expect(sorted(...lines(await both("image", "ls", "-q", "-f", "before=redis:3.2.11")))).toEqual(sorted(await short("redis:3.2.10"), await short("busybox")));
    expect(await both("images", "-f", "dangling=true", "-q", "--no-trunc")).toBe(loose);
    expect(lines(await both("images", "-f", "dangling=false", "--format", "{{.Repository}}:{{.Tag}}")).sort()).toEqual(["busybox:latest", "loose:latest", "redis:3.2.10", "redis:3.2.11", "redis:3.2.12"]);
    expect(sorted(...lines(await both("images", "-f", "label=kind", "--format", "{{.Tag}}")))).toEqual(["3.2.10", "3.2.11", "3.2.12", "<none>"]);
    expect(sorted(...lines(await both("images", "-f", "label=kind=new", "-f", "label=tier=1", "--format", "{{.Tag}}")))).toEqual(["3.2.11", "3.2.12", "<none>"]);
    expect(sorted(...lines(await both("images", "-f", "reference=re*:3.2.1[01]", "--format", "{{.ID}}: {{.Repository}}")))).toEqual(sorted(`${await short("redis:3.2.11")}: redis`, `${await short("redis:3.2.10")}: redis`));
    expect(lines(await both("images", "redis:3.2.12", "--format", "table {{.ID}}\\t{{.Repository}}\\t{{.Tag}}"))[0]).toMatch(/^IMAGE ID +REPOSITORY +TAG$/);
    expect(lines(await both("images", "-f", "until=1h"))).toHaveLength(1);
    expect(lines(await both("images", "-aq", "-f", `until=${Math.floor(Date.now() / 1000) + 10}`))).toHaveLength(6);
    expect(await both("images", "--digests", "busybox", "--format", "{{.Digest}}")).toBe("<none>");
    expect(await fails("images", "-f", "no-such=1")).toMatch(/invalid filter 'no-such'/);
    expect(await fails("images", "-f", "before=no-such")).toMatch(/No such image: no-such/);
    expect(await fails("images", "-f", "dangling=maybe")).toMatch(/invalid filter 'dangling=\[maybe\]'/);
    const { json } = await daemon.api("GET", "/images/json", { query: { "shared-size": true, manifests: true, digests: true } });
    const base = (json as { RepoTags: string[]; Size: number; SharedSize: number; Containers: number }[]).find((i) => i.RepoTags.includes("busybox:latest"))!;
    expect(base).toMatchObject({ SharedSize: base.Size, Containers: 0 });
    // The classic way to remove what is older.
    await ok("sh", ["-c", "docker image rm $(docker image ls -q -f before=redis:3.2.10)"], { env: daemon.env() }).then(() => { throw new Error("it has children"); }, (e: unknown) => { expect(String(e)).toMatch(/image has dependent child images/); });
    await ok("sh", ["-c", "docker image rm -f $(docker image ls -q -f since=redis:3.2.11)"], { env: daemon.env() });
    expect(lines(await docker("images", "--format", "{{.Repository}}:{{.Tag}}")).sort()).toEqual(["busybox:latest", "redis:3.2.10", "redis:3.2.11"]);
    for (const cli of ["docker", `${process.execPath} ${strata}`]) {
      for (const name of ["old:1", "new:1", "newer:1"]) await grow("busybox", name);
      await ok("sh", ["-c", `${cli} image rm $(${cli} image ls -q -f before=new:1 -f reference=old)`], { env: daemon.env() });
      await ok("sh", ["-c", `${cli} image rm $(${cli} image ls -q -f since=new:1)`], { env: daemon.env() });
      expect(lines(await docker("images", "--format", "{{.Repository}}:{{.Tag}}")).sort()).toEqual(["busybox:latest", "new:1", "redis:3.2.10", "redis:3.2.11"]);
      await docker("rmi", "new:1");
    }
  }, 120_000);
});

describe("image inspect and history", () => {
  it("tell what there is; a platform that it is not for is refused", async () => {
    expect(await docker("image", "inspect", "-f", "{{.Os}}/{{.Architecture}} {{len .RootFS.Layers}} {{index .Config.Labels \"tier\"}}", "redis:3.2.11")).toBe("linux/amd64 3 1");
    expect(await docker("image", "inspect", "--platform", "linux/amd64", "-f", "{{.Id}}", "redis:3.2.11")).toBe(await id("redis:3.2.11"));
    expect(await fails("image", "inspect", "--platform", "linux/s390x", "redis:3.2.11")).toMatch(/was found but its platform \(linux\/amd64\) does not match the specified platform \(linux\/s390x\)/);
    expect(await fails("image", "inspect", "nothing")).toMatch(/No such image: nothing/i);
    expect(lines(await both("history", "-q", "--no-trunc", "redis:3.2.11"))).toEqual([await id("redis:3.2.11"), await id("redis:3.2.10"), await id("busybox")]);
    expect(await docker("image", "history", "--human=false", "--format", "{{.Size}}", "busybox")).toMatch(/^[1-9]\d+$/);
    // What came from elsewhere has no images at its steps.
    const other = await bed.daemon({ storageDriver: "overlay2" });
    await docker("tag", "redis:3.2.11", registry.name("redis:3.2.11"));
    await docker("push", "-q", registry.name("redis:3.2.11"));
    await other.dockerOk("pull", "-q", registry.name("redis:3.2.11"));
    expect(lines(await other.dockerOk("history", "-q", "--no-trunc", registry.name("redis:3.2.11")))).toEqual([await id("redis:3.2.11"), "<missing>", "<missing>"]);
    await bed.end(other);
    await docker("rmi", registry.name("redis:3.2.11"));
  }, 90_000);
});

describe("image tag and rm", () => {
  it("take names and IDs, long and short, and digests", async () => {
    await docker("image", "tag", "busybox", "one/a:1");
    await docker("image", "tag", "one/a:1", "one/a:2");
    expect(await fails("tag", "busybox", "Bad")).toMatch(/must be lowercase|invalid reference format/);
    expect(await fails("tag", "none", "x")).toMatch(/No such image: none/);
    expect(await docker("rmi", "one/a:1")).toBe("Untagged: one/a:1");
    await grow("busybox", "gone:1");
    const gone = await id("gone:1");
    await docker("tag", "gone:1", "gone:2");
    expect(await fails("rmi", gone.slice(7, 19))).toMatch(new RegExp(`conflict: unable to delete ${gone.slice(7, 19)} \\(must be forced\\) - image is referenced in multiple repositories`));
    await docker("rmi", "gone:2");
    expect(lines(await docker("rmi", gone.slice(7, 15)))).toEqual(["Untagged: gone:1", `Deleted: ${gone}`, expect.stringMatching(/^Deleted: sha256:/)]);
    await docker("create", "--name", "user", "busybox");
    expect(await fails("rmi", "busybox", "one/a:2")).toMatch(/conflict/);
    await docker("rm", "user");
    expect(await docker("rmi", "-f", "no-such")).toBe("");
    expect(await fails("rmi", "no-such")).toMatch(/No such image: no-such/);
    expect(await fails("rmi", "--platform", "linux/s390x", "redis:3.2.11")).toMatch(/does not match the specified platform/);
    await daemon.docker(["rmi", "one/a:2"]);
    if ((await docker("images", "-q", "busybox")) === "") await importBusybox(daemon);
  }, 90_000);
});

describe("image pull and push", () => {
  it("of one tag, of all, by digest; what there is not is told", async () => {
    for (const tag of ["1", "2", "3"]) await docker("tag", "redis:3.2.11", registry.name(`all/redis:${tag}`));
    const pushed = await docker("push", "-a", registry.name("all/redis"));
    expect(pushed.match(/: digest: sha256:/g)).toHaveLength(3);
    const digest = /1: digest: (\S+)/.exec(pushed)![1]!;
    await docker("rmi", ...["1", "2", "3"].map((tag) => registry.name(`all/redis:${tag}`)));
    expect((await docker("pull", "-a", registry.name("all/redis"))).match(/^Digest: /gm)).toHaveLength(3);
    expect(await docker("images", registry.name("all/redis"), "-q")).toBe(await docker("images", "-q", "redis:3.2.11").then((line) => [line, line, line].join("\n")));
    await docker("rmi", ...["1", "2", "3"].map((tag) => registry.name(`all/redis:${tag}`)));
    expect(await docker("pull", registry.name(`all/redis@${digest}`))).toContain(`Digest: ${digest}`);
    expect(lines(await docker("rmi", registry.name(`all/redis@${digest}`)))[0]).toBe(`Untagged: ${registry.name(`all/redis@${digest}`)}`);
    expect(await fails("pull", registry.name("all/redis:none"))).toMatch(/manifest for .*all\/redis:none not found: manifest unknown/);
    expect(await fails("pull", "--platform", "linux/s390x", registry.name("all/redis:1"))).toMatch(/does not match the specified platform \(linux\/s390x\)|no matching manifest/);
    expect(await fails("push", registry.name("none/at/all:1"))).toMatch(/An image does not exist locally with the tag|tag does not exist/);
    expect(await fails("pull", "UPPER")).toMatch(/must be lowercase|invalid reference format/);
    const artifact = join(bed.folder, "artifact.json");
    writeFileSync(artifact, JSON.stringify({ schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config: { mediaType: "application/vnd.cncf.helm.config.v1+json", digest: await id("redis:3.2.11"), size: 1 }, layers: [] }));
    await bed.netns.ok("curl", ["-sf", "-X", "PUT", "-H", "Content-Type: application/vnd.oci.image.manifest.v1+json", "--data-binary", `@${artifact}`, `http://${registry.address}/v2/all/redis/manifests/chart`]);
    expect(await fails("pull", registry.name("all/redis:chart"))).toMatch(/unsupported media type application\/vnd.cncf.helm.config.v1\+json: the artifact is not a container image/);

    const remote = (await daemon.api("GET", `/distribution/${registry.name("all/redis:1")}/json`)).json as { Descriptor: object };
    expect(remote).toMatchObject({ Descriptor: { digest, mediaType: "application/vnd.docker.distribution.manifest.v2+json" }, Platforms: [{ os: "linux", architecture: "amd64" }] });
    expect((await daemon.api("GET", `/distribution/${registry.name("all/redis:none")}/json`)).status).toBe(404);
    expect(lines(await both("search", "--format", "{{.Name}}", registry.name("redis")))).toEqual([registry.name("all/redis"), registry.name("redis")]);
    expect(await docker("search", "--format", "{{.Name}}", "--filter", "stars=3", registry.name("redis"))).toBe("");
    expect(await fails("search", "--limit", "1000", "x")).toMatch(/limit 1000 is outside the range of \[1, 100\]/);
  }, 120_000);
});

describe("image save, load and import", () => {
  it("of several images, from file and pipe, of OCI layouts, with changes", async () => {
    const [archive, layout] = [bed.path("two.tar"), bed.path("layout")];
    await docker("image", "save", "-o", archive, "redis:3.2.10", "redis:3.2.11", "busybox");
    expect(lines(await ok("tar", ["-tf", archive])).filter((name) => /^(manifest|index)\.json$|^oci-layout$/.test(name)).sort()).toEqual(["index.json", "manifest.json", "oci-layout"]);
    const before = [await id("redis:3.2.10"), await id("redis:3.2.11"), await id("busybox")];
    await docker("rmi", "redis:3.2.10", "redis:3.2.11");
    await docker("rmi", "busybox");
    expect(await docker("images", "-aq")).toBe("");
    expect(lines(await docker("image", "load", "-i", archive)).sort()).toEqual(["Loaded image: busybox:latest", "Loaded image: redis:3.2.10", "Loaded image: redis:3.2.11"]);
    expect([await id("redis:3.2.10"), await id("redis:3.2.11"), await id("busybox")]).toEqual(before);
    mkdirSync(layout);
    await ok("tar", ["-xf", archive, "-C", layout]);
    await ok("rm", [join(layout, "manifest.json"), join(layout, "repositories")]);
    await docker("rmi", "redis:3.2.11");
    // An OCI layout, through a pipe, in whatever order tar writes it.
    expect(await ok("sh", ["-c", `tar -cf - -C ${layout} . | docker load`], { env: daemon.env() })).toContain("Loaded image: redis:3.2.11");
    expect(await fails("save", "-o", bed.path("none.tar"), "none")).toMatch(/No such image: none/);
    expect(await fails("load", "-i", await busyboxTar())).toMatch(/holds no image/);
    expect(await docker("load", "-q", "-i", archive)).toContain("Loaded image: busybox:latest");

    const imported = await docker("image", "import", "-m", "mine", "-c", "ENV A=1", "-c", "WORKDIR /w", "--platform", "linux/arm64", await busyboxTar(), "imported:1");
    expect(await docker("image", "inspect", "-f", "{{.Id}} {{.Comment}} {{.Config.Env}} {{.Config.WorkingDir}} {{.Architecture}}", "imported:1")).toBe(`${imported} mine [A=1] /w arm64`);
    expect(await fails("import", "-c", "RUN x", await busyboxTar())).toMatch(/RUN is not a valid change command|RUN/);
    const stream = (await daemon.api("POST", "/images/load", { body: readFileSync(archive) })).text;
    expect(lines(stream).every((line) => typeof JSON.parse(line) === "object")).toBe(true);
    await docker("rmi", "imported:1");
  }, 120_000);
});

describe("image prune", () => {
  it("removes what has no name, or what nobody uses, within its filters", async () => {
    await grow("busybox", "keep:1", "--change", "LABEL keep=yes");
    await grow("busybox", "drop:1");
    const drop = await id("drop:1");
    await grow("busybox", "drop:1");
    expect(await docker("image", "prune", "-f", "--filter", "label=keep")).toMatch(/Total reclaimed space: 0B/);
    expect(lines(await docker("image", "prune", "-f"))).toEqual(expect.arrayContaining([`deleted: ${drop}`, expect.stringMatching(/^Total reclaimed space: [1-9]/)]));
    expect(await docker("image", "prune", "-af", "--filter", "until=1h")).not.toContain("redis");
    await docker("create", "--name", "user", "redis:3.2.11");
    const all = await docker("image", "prune", "-af", "--filter", "label!=keep=yes");
    expect(all).toContain("untagged: drop:1");
    expect(lines(await docker("images", "--format", "{{.Repository}}")).sort()).toEqual(expect.arrayContaining(["keep", "redis"]));
    await docker("rm", "user");
    await docker("image", "prune", "-af");
    expect(await docker("images", "-aq")).toBe("");
    await emptied(daemon);
  }, 90_000);
});
