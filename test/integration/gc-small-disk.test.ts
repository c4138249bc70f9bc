import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, TestBed, daemonNeeds, importBusybox, needs, ok, run, tarOfMembers, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "loop");

const MB = 2 ** 20, INODES = 4096, FILES = 500;

let bed: TestBed, daemon: Daemon, mounted: string;
beforeAll(async () => {
  bed = await TestBed.create();
  const image = bed.path("disk.img");
  mounted = bed.path("disk");
  mkdirSync(mounted);
  await ok("truncate", ["-s", "256M", image]);
  await ok("mkfs.ext4", ["-q", "-m", "0", "-N", String(INODES), image]);
  await ok("mount", ["-o", "loop", image, mounted]);
  daemon = await bed.daemon({ dataRoot: join(mounted, "data"), storageDriver: "overlay2" });
  await importBusybox(daemon);
  expect((await daemon.api("POST", "/images/busybox/pin")).status).toBe(204);
}, 120_000);
afterAll(async () => {
  await bed.end(daemon);
  await run("umount", ["-l", mounted]);
  await bed.close();
}, 120_000);

const policy = async (more: object): Promise<void> => {
  const { status, text } = await daemon.api("PUT", "/gc/policies", { json: { policies: [{ name: "disk", kind: "images", minAge: "0s", ...more }] } });
  expect([status, text]).toEqual([200, text]);
};
async function make(name: string, members: Parameters<typeof tarOfMembers>[0]): Promise<void> {
  const { status, text } = await daemon.api("POST", "/images/create", { query: { fromSrc: "-", repo: name, tag: "1" }, body: tarOfMembers(members) });
  expect([name, status, text]).toEqual([name, 200, expect.stringContaining("sha256:") as string]);
}
const large = (size = 24): Parameters<typeof tarOfMembers>[0] => [{ name: "large", data: randomBytes(size * MB) }];
const tags = async (): Promise<string[]> => (await daemon.dockerOk("images", "--format", "{{.Repository}}")).split("\n").filter((name) => name !== "busybox").sort();
const free = (): number => { const { bavail, bsize } = statfsSync(mounted); return bavail * bsize; };

it("inodes have marks, too: images of many small files go, the least recently used first, while there are bytes enough", async () => {
  const used = (): number => { const { files, ffree } = statfsSync(mounted); return (files - ffree) / files; };
  await policy({ when: { inodesAbove: "60%" }, until: { inodesBelow: "40%" } });
  const names = Array.from({ length: 8 }, (_, i) => `many${i}`);
  for (const name of names) {
    await make(name, Array.from({ length: FILES }, (_, i) => ({ name: `${name}-${i}`, data: "x" })));
    await until(() => used() <= 0.6 || undefined, 60_000, () => `fewer inodes than ${Math.round(used() * 100)}%`);
  }
  const runs = await until(async () => {
    const all = (await daemon.api("GET", "/gc/runs")).json as { Id: string; Trigger: string; State: string }[];
    return all.some(({ State }) => State === "running") ? undefined : all;
  }, 60_000, "the last run's end");
  const left = await tags();
  expect(left).toEqual(names.slice(-left.length));
  expect(left.length).toBeLessThan(5);
  expect(free()).toBeGreaterThan(128 * MB);
  expect(runs.map(({ Trigger, State }) => `${Trigger} ${State}`)).toEqual(runs.map(() => "watermark done"));
  const { Items } = (await daemon.api("GET", `/gc/runs/${runs[0]!.Id}`)).json as { Items: { Name: string; Reason: string }[] };
  expect(Items[0]).toMatchObject({ Name: expect.stringMatching(/^many\d:1$/) as string, Reason: expect.stringMatching(/^not used for/) as string });
}, 180_000);

describe("a disk that has too little room, and images that hold what is lacking", () => {
  const ballast = (): string => join(mounted, "ballast");
  const ROOM = 20;
  beforeEach(async () => {
    await policy({ unusedFor: "1h" });
    for (const name of await tags()) if (name !== "") await daemon.dockerOk("rmi", `${name}:1`);
    await until(() => free() > 200 * MB || undefined, 60_000, () => `${free()} bytes free`);
  }, 120_000);
  afterEach(() => rmSync(ballast(), { force: true }));
  /** Leaves 20 MB free, below which is no mark; old images hold 72 MB. */
  const fill = async (): Promise<void> => {
    for (const name of ["old1", "old2", "old3"]) await make(name, large());
    await ok("fallocate", ["-l", String(free() - ROOM * MB), ballast()]);
    await policy({ when: { freeBelow: "8MB" }, until: { freeAbove: "8MB" } });
    expect((await tags()).filter((name) => name.startsWith("old"))).toHaveLength(3);
  };
  const madeRoom = async (): Promise<void> => { expect(await tags()).not.toContain("old1"); };
  const archive = async (): Promise<string> => {
    await make("archived", large(32));
    const path = bed.path("archived.tar");
    await daemon.dockerOk("save", "-o", path, "archived:1");
    await daemon.dockerOk("rmi", "archived:1");
    await until(() => free() > 200 * MB || undefined, 60_000, () => `${free()} bytes free`);
    return path;
  };

  it("room for an archive is made before it is loaded: at its announced length", async () => {
    const path = await archive();
    await fill();
    const { status, text } = await daemon.api("POST", "/images/load", { body: readFileSync(path), headers: { "content-type": "application/x-tar" } });
    expect([status, text]).toEqual([200, expect.stringContaining("Loaded image: archived:1") as string]);
    await madeRoom();
  }, 120_000);

  it("or member by member, from a client that does not tell", async () => {
    const path = await archive();
    await fill();
    expect(await daemon.dockerOk("load", "-i", path)).toContain("Loaded image: archived:1");
    await madeRoom();
  }, 120_000);

  it("room for a commit is made before the container is read", async () => {
    await daemon.dockerOk("run", "--name", "wrote", "busybox", "sh", "-c", "head -c 33554432 /dev/urandom > /written");
    await fill();
    await daemon.dockerOk("commit", "wrote", "committed:1");
    await madeRoom();
    expect(await daemon.dockerOk("run", "--rm", "committed:1", "sh", "-c", "wc -c < /written")).toBe("33554432");
    await daemon.dockerOk("rm", "wrote");
  }, 120_000);

  it("a commit that found the disk full all the same makes room for the next", async () => {
    await daemon.dockerOk("run", "--name", "wrote", "busybox", "sh", "-c", "head -c 33554432 /dev/urandom > /written");
    for (const name of ["old1", "old2", "old3"]) await make(name, large());
    await ok("fallocate", ["-l", String(free() - ROOM * MB), ballast()]);
    // Nothing is looked at before, where no policy has a mark.
    await policy({ unusedFor: "1ms" });
    expect(await daemon.docker(["commit", "wrote", "committed:1"])).toMatchObject({ code: 1, stderr: expect.stringMatching(/no space left/i) as string });
    await until(async () => !(await tags()).includes("old1") || undefined, 60_000, "a collection");
    await until(() => free() > 40 * MB || undefined, 60_000, () => `${free()} bytes free`);
    await daemon.dockerOk("commit", "wrote", "committed:1");
    await daemon.dockerOk("rm", "wrote");
  }, 120_000);
});
