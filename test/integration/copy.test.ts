import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, ok, type TestBed, daemonNeeds, needs, setUp, tarOfMembers } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");

let bed: TestBed, daemon: Daemon;
let here: string;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});
beforeEach(() => { here = mkdtempSync(bed.path("cp-")); });
afterEach(async () => {
  await daemon.removeContainers();
  rmSync(here, { recursive: true, force: true });
});

const cp = (...args: string[]): Promise<string> => daemon.dockerOk("cp", "-q", ...args);
const refused = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await daemon.docker(["cp", ...args]);
  expect(code).not.toBe(0);
  return stderr;
};
const box = (...args: string[]): Promise<string> => daemon.dockerOk("run", "-d", "--name", "box", ...args, "busybox", "sleep", "1000");
const inBox = (script: string): Promise<string> => daemon.dockerOk("exec", "box", "sh", "-c", script);
const local = (name: string, text?: string): string => {
  const path = join(here, name);
  if (text !== undefined) writeFileSync(path, text);
  return path;
};
const mounts = (): string[] => readFileSync(`/proc/${daemon.pid}/mountinfo`, "utf8").split("\n").filter((line) => line.includes(bed.folder));

describe.each(["running", "stopped", "never started"])("a container that is %s", (state) => {
  const made = async (...args: string[]): Promise<void> => {
    if (state === "never started") await daemon.dockerOk("create", "--name", "box", ...args, "busybox", "sleep", "1000");
    else await box(...args);
    if (state === "stopped") await daemon.dockerOk("kill", "box");
  };

  it("takes and gives files and directories", async () => {
    await made();
    await cp(local("f", "text"), "box:/tmp");
    await cp(local("f"), "box:/tmp/renamed");
    mkdirSync(local("dir"));
    writeFileSync(local("dir/a"), "a");
    symlinkSync("a", local("dir/link"));
    await cp(local("dir"), "box:/new");
    await cp(local("dir"), "box:/tmp");
    await cp(`${local("dir")}/.`, "box:/home");
    await cp("box:/tmp", local("back"));
    expect([readFileSync(local("back/f"), "utf8"), readFileSync(local("back/renamed"), "utf8"), readFileSync(local("back/dir/a"), "utf8"), readlinkSync(local("back/dir/link"))]).toEqual(["text", "text", "a", "a"]);
    await cp("box:/home/.", local("."));
    await cp("box:/new/link", local("as-it-is"));
    await cp("-L", "box:/new/link", local("followed"));
    expect([readFileSync(local("a"), "utf8"), readlinkSync(local("as-it-is")), readFileSync(local("followed"), "utf8")]).toEqual(["a", "a", "a"]);
    expect((await daemon.dockerOk("diff", "box")).split("\n")).toEqual(expect.arrayContaining(["A /new", "A /new/a", "A /tmp/renamed", "A /home/a"]));
  });

  it("shows its volumes and binds as it sees them", async () => {
    mkdirSync(local("bound"));
    writeFileSync(local("bound/f"), "bound");
    await made("-v", "kept:/data", "-v", `${local("bound")}:/data/in/bound`, "-v", `${local("bound")}:/fixed:ro`);
    await cp(local("v", "of the volume"), "box:/data");
    await cp("box:/data/in", local("out"));
    expect(readFileSync(local("out/bound/f"), "utf8")).toBe("bound");
    await cp(local("v"), "box:/data/in/bound/v2");
    expect(readFileSync(local("bound/v2"), "utf8")).toBe("of the volume");
    expect(await refused(local("v"), "box:/fixed/v")).toContain("mounted volume is marked read-only");
    expect(existsSync(local("bound/v"))).toBe(false);
    expect(await daemon.dockerOk("run", "--rm", "-v", "kept:/data", "busybox", "cat", "/data/v")).toBe("of the volume");
    await daemon.dockerOk("rm", "-f", "box");
    await made("--mount", "type=volume,source=kept,target=/part,volume-subpath=in");
    await cp(local("v"), "box:/part/of-a-part");
    expect((await daemon.dockerOk("run", "--rm", "-v", "kept:/data", "busybox", "cat", "/data/in/of-a-part"))).toBe("of the volume");
    await daemon.dockerOk("rm", "-f", "box");
    await daemon.dockerOk("volume", "rm", "kept");
  });

  it("keeps everything inside of its tree", async () => {
    await made();
    const secret = local("secret", "of the host");
    symlinkSync(secret, local("absolute"));
    symlinkSync(`${"../".repeat(20)}${secret.slice(1)}`, local("relative"));
    symlinkSync(here, local("folder"));
    for (const link of ["absolute", "relative", "folder"]) await cp(local(link), "box:/tmp");
    for (const link of ["absolute", "relative"]) {
      expect(await refused("-L", `box:/tmp/${link}`, local("stolen"))).toMatch(/Could not find the file|no such file/i);
      expect(existsSync(local("stolen"))).toBe(false);
    }
    await daemon.docker(["cp", local("secret"), "box:/tmp/folder/planted"]);
    expect(existsSync(local("planted"))).toBe(false);
    const hostile = tarOfMembers([{ name: "s", type: "symlink", link: here }, { name: "s/planted", data: "x" }]);
    expect((await daemon.api("PUT", "/containers/box/archive", { query: { path: "/tmp" }, body: hostile })).status).toBe(200);
    expect((await daemon.api("PUT", "/containers/box/archive", { query: { path: "/tmp" }, body: tarOfMembers([{ name: "../../planted", data: "x" }]) })).status).toBe(400);
    expect(existsSync(local("planted"))).toBe(false);
    expect(readFileSync(secret, "utf8")).toBe("of the host");
  });
});

it("copies tars through stdin and stdout", async () => {
  await box();
  const tar = tarOfMembers([{ name: "d/" }, { name: "d/f", data: "from a tar", uid: 12, gid: 34, mode: 0o640 }]);
  expect(await daemon.docker(["cp", "-", "box:/tmp"], { input: tar })).toMatchObject({ code: 0 });
  expect(await inBox("cat /tmp/d/f; stat -c ' %u:%g %a' /tmp/d/f")).toBe("from a tar 12:34 640");
  const out = await daemon.docker(["cp", "box:/tmp/d", "-"]);
  expect(out.code).toBe(0);
  expect(await ok("tar", ["-tv", "--numeric-owner"], { input: out.stdout })).toMatch(/12\/34.* d\/f$/m);
});

it("keeps owners, or with -a gives all to the container's user", async () => {
  await box("-u", "user");
  await cp(local("f", "x"), "box:/tmp");
  await cp("-a", local("f"), "box:/tmp/mine");
  expect(await inBox("stat -c %u:%g /tmp/f /tmp/mine")).toBe("0:0\n1000:1000");
  const { stdout } = await daemon.docker(["cp", "box:/tmp/mine", "-"]);
  expect(await ok("tar", ["-tv", "--numeric-owner"], { input: stdout })).toMatch(/ 1000\/1000 .* mine$/);
});

it("tells what is wrong as Docker does", async () => {
  await box("--read-only", "-v", "/free");
  expect(await refused("box:/none", local("x"))).toContain("Could not find the file /none in container box");
  expect(await refused(local("f", "x"), "box:/none/f")).toContain("Could not find the file /none");
  expect(await refused("gone:/x", local("x"))).toContain("No such container: gone");
  expect(await refused(local("f"), "box:/tmp/f")).toContain("container rootfs is marked read-only");
  await cp(local("f"), "box:/free/f");
  expect(await inBox("cat /free/f")).toBe("x");
  mkdirSync(local("dir"));
  expect(await refused(local("dir"), "box:/free/f")).toContain("cannot copy directory");
  const put = (path: string, members: Parameters<typeof tarOfMembers>[0]) => daemon.api("PUT", "/containers/box/archive", { query: { path, noOverwriteDirNonDir: true }, body: tarOfMembers(members) });
  expect((await put("/tmp", [{ name: "x" }])).status).toBe(403);
  expect(await put("/free", [{ name: "f/" }])).toMatchObject({ status: 400, json: { message: 'cannot overwrite non-directory "/free/f" with directory' } });
  expect(await put("/free/f", [{ name: "x" }])).toMatchObject({ status: 400, json: { message: "extraction point is not a directory" } });
  expect((await daemon.api("PUT", "/containers/box/archive", { query: { path: "/free" }, body: "no tar at all, but long enough to be read as a header ".repeat(20) })).status).toBe(400);
  const head = await daemon.api("HEAD", "/containers/box/archive", { query: { path: "/bin/sh" } });
  expect(JSON.parse(Buffer.from(String(head.headers["x-docker-container-path-stat"]), "base64").toString())).toMatchObject({ name: "sh", mode: 2 ** 27 + 0o777, linkTarget: "/bin/busybox" });
  expect((await daemon.api("HEAD", "/containers/box/archive", { query: { path: "/none" } })).status).toBe(404);
});

it("is not led out by a container that changes its tree meanwhile", async () => {
  const target = local("target");
  mkdirSync(join(target, "x"), { recursive: true, mode: 0o700 });
  chmodSync(target, 0o700);
  writeFileSync(join(target, "f"), "of the host", { mode: 0o600 });
  await daemon.dockerOk("run", "-d", "--name", "box", "busybox", "sh", "-c", `mkdir -p /tmp/d/x; while :; do mv /tmp/d /tmp/e; ln -s ${target} /tmp/d; rm /tmp/d; mv /tmp/e /tmp/d; done`);
  const body = tarOfMembers([{ name: "d/", mode: 0o777 }, { name: "d/x/", mode: 0o777 }, { name: "d/f", data: "planted", mode: 0o4777 }, { name: "d/x/planted", data: "planted" }]);
  const statuses = new Set<number>();
  for (let i = 0; i < 150; i++) {
    statuses.add((await daemon.api("PUT", "/containers/box/archive", { query: { path: "/tmp" }, body })).status);
    expect((await daemon.api("GET", "/containers/box/archive", { query: { path: "/tmp/d/" } }).catch(() => ({ text: "" }))).text).not.toContain("of the host");
  }
  expect(statuses).toContain(200);
  expect(readdirSync(target, { recursive: true })).toEqual(["f", "x"]);
  expect([statSync(target).mode & 0o7777, statSync(join(target, "x")).mode & 0o7777, statSync(join(target, "f")).mode & 0o7777, readFileSync(join(target, "f"), "utf8")]).toEqual([0o700, 0o700, 0o600, "of the host"]);
}, 120_000);

it("leaves no mount and no change of where the daemon is", async () => {
  await box("-v", "/data");
  const before = mounts();
  for (let i = 0; i < 5; i++) {
    await cp(local("f", "x".repeat(100_000)), `box:/data/${i}`);
    await cp("box:/bin", local(`bin${i}`));
  }
  const leaving = new AbortController();
  const answer = daemon.api("GET", "/containers/box/archive", { query: { path: "/" }, signal: leaving.signal });
  leaving.abort();
  await expect(answer).rejects.toThrow();
  expect(mounts()).toEqual(before);
});
