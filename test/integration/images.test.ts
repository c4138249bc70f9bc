import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type Daemon, type Registry, type TestBed, busyboxTar, daemonNeeds, importBusybox, emptied, needs, ok, pushAppImage, run, setUp } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");
const withRegistry = needs(...daemonNeeds, "docker", "registry");
const withSkopeo = needs(...daemonNeeds, "docker", "skopeo");
const withUmoci = needs(...daemonNeeds, "docker", "skopeo", "umoci");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox({ storageDriver: "overlay2" });
});

const idOf = async (from: Daemon, image: string): Promise<string> => (await from.inspect(image, "image")).Id as string;

/** An image of three layers with what tars find hard: hard links, odd modes, xattr-less specials, deletions, long names. */
async function thorny(on: Daemon, name: string): Promise<void> {
  const long = "n".repeat(150);
  await on.dockerOk("run", "--name", "thorn1", "busybox", "sh", "-c", [
    "mkdir -p /t/deep /t/gone", "echo a > /t/a", "ln /t/a /t/hard", "ln -s ../nowhere /t/soft", "mknod /t/pipe p", "mknod /t/null c 1 3",
    `echo l > /t/deep/${long}`, "chmod 4755 /t/a", "chown 1234567:7654321 /t/deep", "echo g > /t/gone/g", "touch -d '2001-02-03 04:05:06' /t/soft-time",
  ].join(" && "));
  await on.dockerOk("commit", "thorn1", `${name}-1`);
  await on.dockerOk("run", "--name", "thorn2", `${name}-1`, "sh", "-c", "rm -r /t/gone /t/hard && mkdir /t/gone && echo new > /t/gone/h && rm /etc/group");
  await on.dockerOk("commit", "--change", "CMD [\"cat\", \"/t/gone/h\"]", "--change", "ENV K=V", "thorn2", name);
  await on.dockerOk("rm", "thorn1", "thorn2");
}
const listing = (on: Daemon, image: string): Promise<string> =>
  on.dockerOk("run", "--rm", image, "sh", "-c", "find /t -type d -o -print | sort | while read f; do stat -c '%n %f %h %u %g %s %Y %t %T' \"$f\"; done; stat -c '%n %f %u %g' /t/deep; ls -A /etc");

describe("import", () => {
  it("takes a tar from stdin, packed or not, with changes", async () => {
    for (const pack of ["cat", "gzip -c", "xz -c", "zstd -c"]) {
      const name = `packed:${pack.split(" ")[0]!}`;
      const id = await ok("sh", ["-c", `${pack} ${await busyboxTar()} | docker import -m 'the message' -c 'ENV X=1' -c 'ENTRYPOINT ["echo","hi"]' -c 'EXPOSE 80' -c 'LABEL a=b' -c 'USER user' - ${name}`], { env: daemon.env() });
      expect(id).toBe(await idOf(daemon, name));
      const { Config, Comment, Os, Architecture, RootFS } = await daemon.inspect(name, "image");
      expect(Config).toMatchObject({ Env: ["X=1"], Entrypoint: ["echo", "hi"], ExposedPorts: { "80/tcp": {} }, Labels: { a: "b" }, User: "user" });
      expect([Comment, Os, Architecture]).toEqual(["the message", "linux", "amd64"]);
      expect(RootFS.Layers).toEqual([`sha256:${(await ok("sha256sum", [await busyboxTar()])).split(" ")[0]!}`]);
    }
    expect(await daemon.dockerOk("run", "--rm", "packed:xz", "you")).toBe("hi you");
    await daemon.dockerOk("rmi", "packed:cat", "packed:gzip", "packed:xz", "packed:zstd");
  });
});

describe("names", () => {
  it("list, tag, untag and delete as Docker does", async () => {
    const id = await idOf(daemon, "busybox");
    await daemon.dockerOk("tag", "busybox", "team/app:1");
    await daemon.dockerOk("tag", "team/app:1", "team/app:2");
    const names = async (...args: string[]): Promise<string[]> => (await daemon.dockerOk("images", "--format", "{{.Repository}}:{{.Tag}}", ...args)).split("\n").filter(Boolean).sort();
    expect(await names()).toEqual(["busybox:latest", "team/app:1", "team/app:2"]);
    expect(await names("team/app")).toEqual(["team/app:1", "team/app:2"]);
    expect(await names("--filter", "reference=team/*:1")).toEqual(["team/app:1"]);
    expect(await names("--filter", "dangling=true")).toEqual([]);
    expect(await daemon.dockerOk("rmi", "team/app:1")).toBe("Untagged: team/app:1");
    expect(await daemon.dockerOk("inspect", "-f", "{{.RepoTags}}", id.slice(7, 19))).toMatch(/busybox:latest/);

    await daemon.dockerOk("run", "--name", "writer", "busybox", "sh", "-c", "echo 1 > /one");
    await daemon.dockerOk("commit", "writer", "team/app:1");
    const child = await idOf(daemon, "team/app:1");
    await daemon.dockerOk("commit", "-m", "moves the tag", "writer", "team/app:1");
    expect(await idOf(daemon, "team/app:1")).not.toBe(child);
    expect(await names("--filter", "dangling=true")).toEqual(["<none>:<none>"]);
    expect((await daemon.dockerOk("image", "prune", "-f")).split("\n")).toEqual(expect.arrayContaining([`deleted: ${child}`]));
    expect((await daemon.dockerOk("rmi", "team/app:1")).split("\n")).toEqual(expect.arrayContaining(["Untagged: team/app:1", expect.stringMatching(/^Deleted: sha256:/)]));

    const inUse = await daemon.docker(["rmi", "busybox", "team/app:2"]);
    expect(inUse.stderr).toMatch(/unable to (remove repository reference|delete) .*container [0-9a-f]{12} is using|conflict/);
    expect((await daemon.api("DELETE", "/images/team/app:2")).status).toBe(409);
    await daemon.dockerOk("rm", "writer");
    expect((await daemon.api("DELETE", "/images/no-such:image")).json.message).toBe("No such image: no-such:image");
    expect((await daemon.api("GET", "/images/no-such:image/json")).json.message).toMatch(/^No such image: no-such:image/);
    await daemon.docker(["rmi", "team/app:2"]);
    if ((await names()).length === 0) await importBusybox(daemon);
  });

  it("history and inspect tell the layers", async () => {
    await thorny(daemon, "thorn");
    const { RootFS, Config, GraphDriver, Parent } = await daemon.inspect("thorn", "image");
    expect(RootFS.Layers).toHaveLength(3);
    expect(Config).toMatchObject({ Cmd: ["cat", "/t/gone/h"], Env: expect.arrayContaining(["K=V"]) });
    expect(Parent).toBe(await idOf(daemon, "thorn-1"));
    expect(Object.keys(GraphDriver.Data as object).sort()).toEqual(["LowerDir", "MergedDir", "UpperDir", "WorkDir"]);
    const history = (await daemon.dockerOk("history", "-q", "--no-trunc", "thorn")).split("\n");
    expect(history).toEqual([await idOf(daemon, "thorn"), await idOf(daemon, "thorn-1"), await idOf(daemon, "busybox")]);
    expect(await daemon.dockerOk("run", "--rm", "thorn")).toBe("new");
  });
});

describe("save and load", () => {
  it("give the same image in another root", async () => {
    const archive = bed.path("thorn.tar");
    await daemon.dockerOk("save", "-o", archive, "thorn", "thorn-1");
    const other = await bed.daemon({ storageDriver: "overlay2" });
    expect((await other.dockerOk("load", "-i", archive)).split("\n").sort()).toEqual(["Loaded image: thorn-1:latest", "Loaded image: thorn:latest"]);
    expect(await idOf(other, "thorn")).toBe(await idOf(daemon, "thorn"));
    expect(await listing(other, "thorn")).toBe(await listing(daemon, "thorn"));
    // And from there once more, byte for byte: layers come out as they went in.
    const again = bed.path("again.tar");
    await other.dockerOk("save", "-o", again, "thorn", "thorn-1");
    const layers = async (file: string): Promise<string[]> => {
      const folder = `${file}.d`;
      mkdirSync(folder, { recursive: true });
      await ok("tar", ["-xf", file, "-C", folder]);
      const manifest = JSON.parse(readFileSync(`${folder}/manifest.json`, "utf8")) as { Layers: string[] }[];
      return Promise.all(manifest.flatMap(({ Layers }) => Layers).map(async (name) => (await ok("sha256sum", [`${folder}/${name}`])).split(" ")[0]!)).then((sums) => sums.sort());
    };
    expect(await layers(again)).toEqual(await layers(archive));
    // `save | load` without a file, of an image by its ID.
    await other.dockerOk("rmi", "thorn", "thorn-1");
    await ok("sh", ["-c", `docker save $(docker inspect -f '{{.Id}}' thorn) | DOCKER_HOST=unix://${other.socket} docker load`], { env: daemon.env() });
    expect(await other.dockerOk("images", "-q", "--no-trunc")).toBe(await idOf(daemon, "thorn"));
    await other.destroy();
  }, 120_000);

  withUmoci("skopeo copies from the daemon, and the result is a valid OCI image", async () => {
    const layout = bed.path("layout");
    await ok("skopeo", ["--insecure-policy", "copy", "--src-daemon-host", `unix://${daemon.socket}`, "docker-daemon:thorn:latest", `oci:${layout}:thorn`]);
    const config = JSON.parse(await ok("skopeo", ["inspect", "--config", `oci:${layout}:thorn`])) as { rootfs: { diff_ids: string[] } };
    expect(config.rootfs.diff_ids).toEqual((await daemon.inspect("thorn", "image")).RootFS.Layers);
    await ok("umoci", ["unpack", "--image", `${layout}:thorn`, bed.path("bundle")]);
    expect(readFileSync(bed.path("bundle/rootfs/t/gone/h"), "utf8")).toBe("new\n");
    expect((await run("test", ["-e", bed.path("bundle/rootfs/t/hard")])).code).toBe(1);
  });

  withSkopeo("skopeo copies into the daemon", async () => {
    await ok("skopeo", ["--insecure-policy", "copy", "--src-daemon-host", `unix://${daemon.socket}`, "--dest-daemon-host", `unix://${daemon.socket}`, "docker-daemon:thorn:latest", "docker-daemon:copied:1"]);
    expect(await idOf(daemon, "copied:1")).toBe(await idOf(daemon, "thorn"));
    await daemon.dockerOk("rmi", "copied:1");
  });

  it("take an OCI layout, packed layers and the docker-archive of old", async () => {
    const folder = bed.path("old");
    mkdirSync(folder);
    const [id] = (await ok("sha256sum", [await busyboxTar()])).split(" ");
    await ok("cp", [await busyboxTar(), `${folder}/layer.tar`]);
    const config = JSON.stringify({ architecture: "amd64", os: "linux", config: { Cmd: ["echo", "old"] }, rootfs: { type: "layers", diff_ids: [`sha256:${id!}`] } });
    writeFileSync(`${folder}/config.json`, config);
    writeFileSync(`${folder}/manifest.json`, JSON.stringify([{ Config: "config.json", RepoTags: ["old:1"], Layers: ["layer.tar"] }]));
    await ok("tar", ["-cf", bed.path("old.tar"), "-C", folder, "manifest.json", "config.json", "layer.tar"]);
    await ok("gzip", ["-kf", bed.path("old.tar")]);
    for (const file of ["old.tar", "old.tar.gz"]) {
      expect(await daemon.dockerOk("load", "-i", bed.path(file))).toBe("Loaded image: old:1");
      expect(await daemon.dockerOk("run", "--rm", "old:1")).toBe("old");
      await daemon.dockerOk("rmi", "old:1");
    }
  });
});

describe("a registry", () => {
  let registry: Registry;
  beforeAll(async () => {
    registry = await bed.registry();
  }, 60_000);

  withRegistry("gives an image of 6 layers and 40,000 files; what is committed on it comes back from there", async () => {
    const name = await pushAppImage(bed.netns, registry.address);
    const pulled = await daemon.dockerOk("pull", name);
    expect(pulled).toMatch(/^Digest: sha256:[0-9a-f]{64}$/m);
    expect(pulled).toMatch(/^Status: Downloaded newer image for /m);
    expect(await daemon.dockerOk("pull", name)).toMatch(/Status: Image is up to date for /);
    expect(await daemon.dockerOk("run", "--rm", name, "sh", "-c", "find /app -type f | wc -l")).toBe("40000");
    expect((await daemon.dockerOk("images", "--digests", "--format", "{{.Digest}}", name.replace(/:latest$/, "")))).toMatch(/^sha256:/);

    await daemon.dockerOk("run", "--name", "change", name, "sh", "-c", "echo changed > /app/change; rm -r /app/node_modules/pkg-0001");
    const committed = registry.name("team/changed:1");
    await daemon.dockerOk("commit", "change", committed);
    await daemon.dockerOk("rm", "change");
    const pushed = await daemon.dockerOk("push", committed);
    expect(pushed).toMatch(/^1: digest: sha256:[0-9a-f]{64} size: \d+$/m);

    const other = await bed.daemon({ storageDriver: "overlay2" });
    await other.dockerOk("pull", committed);
    expect(await idOf(other, committed)).toBe(await idOf(daemon, committed));
    expect(await other.dockerOk("run", "--rm", committed, "sh", "-c", "cat /app/change; ls /app/node_modules | wc -l")).toBe("changed\n799");

    // And by digest.
    const digest = /digest: (sha256:\S+)/.exec(pushed)![1]!;
    await other.dockerOk("rmi", committed);
    await other.dockerOk("pull", `${registry.name("team/changed")}@${digest}`);
    expect(await other.dockerOk("images", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}")).toBe(`${registry.name("team/changed")} <none> ${digest}`);
    const id = await other.dockerOk("images", "-q");
    await other.dockerOk("rmi", id);
    await emptied(other);
    await other.destroy();
    await daemon.dockerOk("rmi", committed, name);
  }, 300_000);

  withRegistry("answers for what it does not have", async () => {
    const { code, stderr } = await daemon.docker(["pull", registry.name("no/such:image")]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/manifest .*unknown|not found|repository .*does not exist/)]);
    expect((await daemon.api("POST", "/images/create", { query: { fromImage: registry.name("no/such"), tag: "image" } })).status).toBe(404);
  });
});

describe("the disk", () => {
  it("is empty once everything was removed", async () => {
    await daemon.removeContainers();
    await daemon.dockerOk("image", "prune", "-af");
    expect(await daemon.dockerOk("images", "-aq")).toBe("");
    await emptied(daemon);
  });
});

