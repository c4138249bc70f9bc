import { mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Daemon, type Registry, TestBed, daemonNeeds, needs, ok, run, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "registry", "loop");
const pusher = resolve(__dirname, "../helpers/push-random-main.js");

/** STRATA_TEST_WATERMARK_GB=4: the long form. */
const gigabytes = Number(process.env["STRATA_TEST_WATERMARK_GB"] ?? "0.5");
const MB = gigabytes >= 1 ? 64 : 32;
const IMAGES = Math.ceil((gigabytes * 1024 * 1.05) / MB);
const ABOVE = 0.8;
/** Of one buffer to be hashed at once. */
const LARGEST = 1900;

let bed: TestBed, registry: Registry, daemon: Daemon, mounted: string;
beforeAll(async () => {
  bed = await TestBed.create();
  registry = await bed.registry();
  await bed.netns.ok(process.execPath, [pusher, registry.address, "stream", String(IMAGES), String(MB)], { timeoutMs: 600_000 });
  await bed.netns.ok(process.execPath, [pusher, registry.address, "zeros", "1", String(Math.min(LARGEST, Math.round(gigabytes * 1024 * 0.5))), "zeros"], { timeoutMs: 600_000 });
  const image = bed.path("disk.img");
  mounted = bed.path("disk");
  mkdirSync(mounted);
  await ok("truncate", ["-s", `${Math.round(gigabytes * 1024)}M`, image]);
  await ok("mkfs.ext4", ["-q", "-m", "0", image]);
  await ok("mount", ["-o", "loop", image, mounted]);
  const config = bed.path("daemon.json");
  writeFileSync(config, JSON.stringify({ gc: { policies: [{ name: "disk", kind: "images", when: { diskAbove: `${ABOVE * 100}%` }, until: { diskBelow: "70%" }, order: "least-recently-used", minAge: "0s" }] } }));
  daemon = await bed.daemon({ dataRoot: join(mounted, "data"), flags: ["--config-file", config] });
}, 900_000);
afterAll(async () => {
  await bed.end(daemon);
  await run("umount", ["-l", mounted]);
  await bed.close();
}, 120_000);

const used = (): number => {
  const { blocks, bfree } = statfsSync(mounted);
  return (blocks - bfree) / blocks;
};
const runs = async (): Promise<{ Id: string; Trigger: string; Freed: number; State: string }[]> => (await daemon.api("GET", "/gc/runs")).json as never;

it("a stream of pulls that no disk could hold: every pull succeeds, and the disk stays below the mark", async () => {
  let most = 0;
  const pulls = daemon.dockerStart("events", "--since", String(Math.floor(Date.now() / 1000) - 1), "--filter", "event=pull", "--format", "{{.Actor.ID}}");
  const watch = setInterval(() => { most = Math.max(most, used()); }, 50);
  try {
    const left = Array.from({ length: IMAGES }, (_, i) => registry.name(`stream:${i + 1}`));
    const failed: string[] = [];
    const puller = async (): Promise<void> => {
      for (let name = left.shift(); name !== undefined; name = left.shift()) {
        const { code, stderr } = await daemon.docker(["pull", "-q", name], { timeoutMs: 300_000 });
        if (code !== 0) failed.push(`${name}: ${stderr}`);
      }
    };
    await Promise.all([puller(), puller()]);
    expect(failed).toEqual([]);
  } finally { clearInterval(watch); }
  expect(most).toBeLessThan(ABOVE);
  const all = await runs();
  expect(all.length).toBeGreaterThan(0);
  expect(all.every(({ Trigger, State, Freed }) => Trigger === "watermark" && State === "done" && Freed > 0)).toBe(true);
  // Least recently used first; two that ended at the same moment may be told the other way round.
  const order = await until(() => {
    const names = pulls.output.split("\n").filter((line) => line.includes("/stream:"));
    return names.length === IMAGES ? names : undefined;
  }, 30_000, "an event of every pull");
  pulls.kill("SIGTERM");
  await pulls.exit;
  const stay = new Set((await daemon.dockerOk("images", "--format", "{{.Repository}}:{{.Tag}}")).split("\n"));
  const first = order.findIndex((name) => stay.has(name)), last = order.findLastIndex((name) => !stay.has(name));
  expect(stay.size).toBeGreaterThan(2);
  expect(last - first).toBeLessThan(2);
}, 900_000);

it("what a run says that it freed, the disk has", async () => {
  const there = (await daemon.dockerOk("images", "-q")).split("\n").length;
  const { status } = await daemon.api("PUT", "/gc/policies", { json: { trashGrace: "0", policies: [{ name: "all", kind: "images", match: "*/stream", keepLast: there - 2 }] } });
  const { json: plan } = await daemon.api("POST", "/gc/plans", { json: {} });
  const { json: run } = await daemon.api("POST", "/gc/runs", { json: { Plan: plan.Id } });
  expect([status, run.State, run.Freed]).toEqual([200, "done", plan.Bytes]);
  expect(run.Freed).toBeGreaterThan(MB * 2 ** 20);
  // The ledger and the directories that snapshots lie in take and give a few blocks meanwhile; the kernel may take a moment.
  const regained = (): number => { const { bavail, bsize } = statfsSync(mounted); return bavail * bsize - run.FreeBefore; };
  await until(() => Math.abs(regained() - run.Freed) < 2 ** 20 || undefined, 60_000, () => `${run.Freed} bytes, not ${regained()}`);
  expect((await daemon.api("DELETE", "/gc/policies")).json).toMatchObject({ source: "file", policies: [{ name: "disk" }] });
}, 300_000);

it("a pull that is larger than it looks makes the room that it needs when the disk is full", async () => {
  const roomy = await daemon.api("PUT", "/gc/policies", { json: { policies: [{ name: "disk", kind: "images", when: { diskAbove: "95%" }, until: { diskBelow: "94%" }, minAge: "0s" }] } });
  expect(roomy.status).toBe(200);
  // Too little for it, and images hold what is lacking.
  const { bavail, bsize, blocks } = statfsSync(mounted), ballast = join(mounted, "ballast"), room = bavail - 0.4 * blocks;
  if (room > 0) await ok("fallocate", ["-l", String(Math.floor(room) * bsize), ballast]);
  const name = registry.name("zeros:1");
  const { code, stderr } = await daemon.docker(["pull", "-q", name], { timeoutMs: 300_000 });
  expect([code, stderr]).toEqual([0, ""]);
  expect((await runs()).map(({ Trigger }) => Trigger)).toContain("no-space");
  expect(readFileSync(daemon.logFile, "utf8")).toContain("a pull had no room and goes on with what was freed");
  await daemon.dockerOk("rmi", name);
  rmSync(ballast, { force: true });
}, 300_000);

it("what keeps a policy from its target is told: in its plan and as an event", async () => {
  await until(() => (used() < ABOVE - 0.2 ? true : undefined), 60_000, "room");
  const name = registry.name(`stream:${IMAGES}`);
  await daemon.dockerOk("pull", "-q", name);
  await daemon.dockerOk("create", "--name", "box", name, "true");
  const events = daemon.dockerStart("events", "--since", String(Math.floor(Date.now() / 1000) - 1), "--filter", "type=disk", "--format", "{{.Type}} {{.Action}} {{.Actor.Attributes.policy}}");
  const set = await daemon.api("PUT", "/gc/policies", { json: { policies: [{ name: "tight", kind: "images", when: { diskAbove: "1%" }, minAge: "0s" }] } });
  expect(set.status).toBe(200);
  await events.waitFor(/disk above tight[\s\S]*disk short tight/);
  events.kill("SIGTERM");
  await events.exit;
  const { json: plan } = await daemon.api("POST", "/gc/plans", { json: {} });
  expect(plan.Shortfalls).toMatchObject([{ Policy: "tight", Target: "disk below 1%", Holders: [{ Name: name, Why: "used by container box" }, { Name: "everything else on the file system" }] }]);
  expect(plan.Shortfalls[0].Holders[0].Bytes).toBeGreaterThanOrEqual(MB * 2 ** 20);
}, 120_000);
