import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, type TestBed, daemonNeeds, needs, setUp } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
  // An image with content where a volume will be.
  await daemon.dockerOk("run", "--name", "maker", "busybox", "sh", "-c", "mkdir -p /data/sub && echo inside > /data/sub/file && chown 1000:2000 /data /data/sub/file && chmod 750 /data && ln -s sub/file /data/link");
  await daemon.dockerOk("commit", "--change", 'VOLUME ["/declared"]', "maker", "content");
  await daemon.dockerOk("rm", "maker");
});
afterEach(async () => {
  await daemon.removeContainers();
  const left = await volumes();
  if (left.length > 0) await daemon.dockerOk("volume", "rm", ...left);
});

const output = (...args: string[]): Promise<string> => daemon.dockerOk("run", "--rm", ...args);
const volumes = async (...args: string[]): Promise<string[]> => (await daemon.dockerOk("volume", "ls", "-q", ...args)).split("\n").filter(Boolean);

describe("named volumes", () => {
  it("are made, seen, used by several and outlive them", async () => {
    expect(await daemon.dockerOk("volume", "create", "--label", "a=b", "box")).toBe("box");
    expect(await daemon.dockerOk("volume", "create", "box")).toBe("box");
    const volume = await daemon.inspect("box", "volume");
    expect(volume).toMatchObject({ Name: "box", Driver: "local", Scope: "local", Labels: { a: "b" } });
    expect(volume.Mountpoint).toBe(join(daemon.dataRoot, "volumes/box/_data"));
    await output("-v", "box:/v", "busybox", "sh", "-c", "echo one > /v/f");
    expect(await output("-v", "box:/elsewhere", "busybox", "cat", "/elsewhere/f")).toBe("one");
    expect(readFileSync(join(daemon.dataRoot, "volumes/box/_data/f"), "utf8")).toBe("one\n");
    expect((await daemon.docker(["run", "--rm", "-v", "box:/v:ro", "busybox", "touch", "/v/g"])).stderr).toMatch(/Read-only file system/);
  });

  it("take the image's content on first use, with owners and modes", async () => {
    expect(await output("-v", "filled:/data", "content", "sh", "-c", "cat /data/link; stat -c '%u:%g %a' /data /data/sub/file; echo more > /data/more")).toBe("inside\n1000:2000 750\n1000:2000 644");
    expect(await output("-v", "filled:/data", "content", "ls", "/data")).toBe("link\nmore\nsub");
    await output("-v", "filled:/other", "busybox", "rm", "/other/more");
    expect(await output("-v", "filled:/data", "content", "ls", "/data")).toBe("link\nsub");
    expect(await output("--mount", "type=volume,src=bare,dst=/data,volume-nocopy", "content", "ls", "/data")).toBe("");
  });

  it("cannot be removed while a container has them", async () => {
    await daemon.dockerOk("create", "--name", "holder", "-v", "held:/v", "busybox", "true");
    const { code, stderr } = await daemon.docker(["volume", "rm", "held"]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/volume is in use - \[[0-9a-f]{64}\]/)]);
    expect((await daemon.api("DELETE", "/volumes/held")).status).toBe(409);
    await daemon.dockerOk("rm", "holder");
    await daemon.dockerOk("volume", "rm", "held");
    expect(existsSync(join(daemon.dataRoot, "volumes/held"))).toBe(false);
    const { status, json } = await daemon.api("GET", "/volumes/held");
    expect(status).toBe(404);
    expect(json.message).toMatch(/no such volume/);
  });

  it("are listed by filter and pruned by kind", async () => {
    await daemon.dockerOk("volume", "create", "--label", "keep", "kept");
    await daemon.dockerOk("volume", "create", "loose");
    await daemon.dockerOk("create", "--name", "user", "-v", "used:/v", "-v", "/anonymous", "busybox", "true");
    expect(await volumes("--filter", "name=se")).toEqual(["loose", "used"]);
    expect(await volumes("--filter", "dangling=true")).toEqual(["kept", "loose"]);
    expect(await volumes("--filter", "label=keep")).toEqual(["kept"]);
    await daemon.dockerOk("rm", "user");
    await daemon.dockerOk("volume", "prune", "-f");
    expect((await volumes()).filter((name) => name.length < 64).sort()).toEqual(["kept", "loose", "used"]);
    await daemon.dockerOk("volume", "prune", "-af", "--filter", "label!=keep");
    expect(await volumes()).toEqual(["kept"]);
  });
});

describe("anonymous volumes", () => {
  it("are made for what the image declares, and go with --rm or rm -v only", async () => {
    await output("content", "touch", "/declared/x");
    expect(await volumes()).toEqual([]);
    await daemon.dockerOk("run", "--name", "keeper", "content", "touch", "/declared/x");
    const [name] = await volumes();
    expect(name).toMatch(/^[0-9a-f]{64}$/);
    const { Mounts } = await daemon.inspect("keeper");
    expect(Mounts).toEqual([expect.objectContaining({ Type: "volume", Name: name, Destination: "/declared", RW: true, Driver: "local" })]);
    expect(await output("--volumes-from", "keeper", "busybox", "ls", "/declared")).toBe("x");
    await daemon.dockerOk("rm", "keeper");
    expect(await volumes()).toEqual([name]);
    await daemon.dockerOk("run", "--name", "d1", "content", "true");
    await daemon.dockerOk("rm", "-v", "d1");
    expect(await volumes()).toEqual([name]);
    await daemon.dockerOk("volume", "prune", "-f");
    expect(await volumes()).toEqual([]);
  });
});

describe("binds", () => {
  it("show the host's files; a missing source is made for -v and refused for --mount", async () => {
    const host = bed.path("host");
    mkdirSync(host);
    writeFileSync(join(host, "f"), "from the host\n");
    chmodSync(host, 0o777);
    expect(await output("-v", `${host}:/h`, "busybox", "sh", "-c", "cat /h/f; echo back > /h/g")).toBe("from the host");
    expect(readFileSync(join(host, "g"), "utf8")).toBe("back\n");
    expect((await daemon.docker(["run", "--rm", "-v", `${host}:/h:ro`, "busybox", "rm", "/h/f"])).stderr).toMatch(/Read-only/);
    expect(await output("-v", `${host}/f:/etc/one`, "busybox", "cat", "/etc/one")).toBe("from the host");
    await output("-v", `${bed.path("made/deep")}:/m`, "busybox", "true");
    expect(statSync(bed.path("made/deep")).isDirectory()).toBe(true);
    const refused = await daemon.docker(["run", "--rm", "--mount", `type=bind,src=${bed.path("absent")},dst=/m`, "busybox", "true"]);
    expect([refused.code, refused.stderr]).toEqual([125, expect.stringMatching(/bind source path does not exist/)]);
    expect(existsSync(bed.path("absent"))).toBe(false);
  });
});

describe("tmpfs", () => {
  it("is empty, bounded and gone afterwards", async () => {
    expect(await output("--tmpfs", "/run:size=1m,mode=1770", "busybox", "sh", "-c", "stat -c %a /run; df -k /run | tail -1 | awk '{print $2}'; grep ' /run ' /proc/mounts | cut -d' ' -f3")).toBe("1770\n1024\ntmpfs");
    expect(await output("--mount", "type=tmpfs,dst=/scratch,tmpfs-size=65536", "busybox", "sh", "-c", "head -c 100000 /dev/zero > /scratch/x 2>/dev/null; stat -c %s /scratch/x")).toBe("65536");
  });
  it("makes a read-only root usable", async () => {
    const result = await daemon.docker(["run", "--rm", "--read-only", "--tmpfs", "/tmp", "busybox", "sh", "-c", "touch /tmp/ok && touch /no"]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/\/no: Read-only file system/);
  });
});
