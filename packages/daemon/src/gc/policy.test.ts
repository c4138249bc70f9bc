import type { ChainId, ImageId } from "@strata/oci";
import { type BuildRecordView, type Container, type DiskState, type HeldLine, type ImageSummary, type LayerShares, parseGcSettings, type Policy } from "../core/index.js";
import { describe as describeMark, isCrossed, missing } from "./marks.js";
import { makePlan, type PlanRequest } from "./plan.js";
import { type Facts, select } from "./policy.js";
import { checkSchedules } from "./scheduler.js";

const HOUR = 3_600_000, NOW = 1_000 * HOUR, L = "docker.io/library/";
const policy = (given: object): Policy => parseGcSettings({ policies: [{ name: "p", ...given }] }).policies[0]!;

/** `idle`: hours since its last use. */
const image = (id: string, idle: number, more: Partial<ImageSummary> & { labels?: Record<string, string> } = {}): ImageSummary => ({
  id: id as ImageId, parent: null, size: 1, sharedSize: 0, tags: [`${L}${id}:1`], digests: [], labels: {}, containers: 0, storedAt: NOW - idle * HOUR, lastUsedAt: NOW - idle * HOUR, lastTaggedAt: null, createdAt: NOW - idle * HOUR, ...more,
});
const container = (name: string, ended: number | null, labels: Record<string, string> = {}): Container =>
  ({ id: name, name, imageId: "held", config: { Labels: labels }, createdAt: 0, networks: { web: {} }, state: ended === null ? { status: "running" } : { status: "exited", finishedAt: NOW - ended * HOUR } }) as unknown as Container;
const facts = (f: Partial<Facts>): Facts => ({ now: NOW, images: [], containers: [], volumes: [], networks: [], records: [], mounts: [], logs: [], pins: new Set(), busy: new Set(), ...f });
const chosen = async (p: Policy, f: Facts): Promise<string[]> => (await select(p, f)).candidates.map(({ key }) => key);
const held = async (p: Policy, f: Facts): Promise<Record<string, string>> => Object.fromEntries((await select(p, f)).held.map(({ key, why }) => [key, why]));

describe("images", () => {
  test("unused for so long, by name; what is used, pinned, excepted or has another name stays and says why", async () => {
    const p = policy({ kind: "images", match: "ci/*", unusedFor: "72h", except: ["label=keep", "label=tier=gold", "reference=ci/release*"] });
    const ci = (id: string, idle: number, more: Partial<ImageSummary> = {}): ImageSummary => image(id, idle, { tags: [`docker.io/ci/${id}:1`], ...more });
    const f = facts({
      images: [
        ci("old", 100), ci("older", 200), ci("new", 71), ci("labelled", 100, { labels: { keep: "" } }), ci("gold", 100, { labels: { tier: "gold" } }), ci("tin", 100, { labels: { tier: "tin" } }), ci("release-1", 100),
        ci("pinned", 100), ci("both", 100, { tags: ["docker.io/ci/both:1", `${L}both:1`] }), image("other", 100), ci("deep", 100, { tags: ["docker.io/ci/a/b:1"] }), ci("held", 100), ci("busy", 100), ci("digest", 100, { tags: [], digests: ["docker.io/ci/x@sha256:aa"] }),
      ],
      containers: [container("box", null)], pins: new Set(["docker.io/ci/pinned:1"]), busy: new Set(["busy"]),
    });
    expect(await chosen(p, f)).toEqual(["older", "digest", "old", "tin"]);
    expect(await held(p, f)).toEqual({
      new: "used 2d ago", labelled: "excepted by label=keep", gold: "excepted by label=tier=gold", "release-1": "excepted by reference=ci/release*", pinned: "pinned as ci/pinned:1", both: "also named both:1", held: "used by container box", busy: "work under way needs it",
    });
  });
  test("the last of each repository stay", async () => {
    const p = policy({ kind: "images", keepLast: 2 });
    const of = (repository: string, n: number): ImageSummary => image(`${repository}${n}`, 10 - n, { tags: [`${L}${repository}:${n}`] });
    const f = facts({ images: [of("a", 1), of("a", 2), of("a", 3), of("b", 1), image("loose", 50, { tags: [] })] });
    expect(await chosen(p, f)).toEqual(["loose", "a1"]);
    expect((await held(p, f))["a3"]).toBe("among the last 2 of a");
  });
  test("created before, dangling only", async () => {
    const f = facts({ images: [image("a", 5), image("b", 50), image("none", 9, { tags: [] }), image("step", 9, { tags: [] }), image("child", 1, { parent: "step" as ImageId })] });
    expect(await chosen(policy({ kind: "images", createdBefore: "40h" }), f)).toEqual(["b"]);
    expect(await chosen(policy({ kind: "images", createdBefore: new Date(NOW - 8 * HOUR).toISOString() }), f)).toEqual(["b", "none", "step"]);
    expect(await chosen(policy({ kind: "images", danglingOnly: true }), f)).toEqual(["none"]);
    expect(await chosen(policy({ kind: "images", when: { diskAbove: "1%" }, minAge: "6h" }), f)).toEqual(["b", "none", "step"]);
  });
});

test("containers that ended so long ago, but not those with a label", async () => {
  const p = policy({ kind: "containers", exitedFor: "24h", except: ["label=keep"] });
  const f = facts({ containers: [container("old", 30), container("new", 20), container("kept", 30, { keep: "1" }), container("running", null)] });
  expect(await chosen(p, f)).toEqual(["old"]);
  expect(await held(p, f)).toEqual({ new: "ended 20h ago", kept: "excepted by label=keep", running: "it is running" });
});

test("volumes: without a name only, unless told otherwise; never one that a container has", async () => {
  const volume = (name: string, idle: number, anonymous: boolean, refs: string[] = [], labels = {}) => ({ name, anonymous, refs, labels, lastUsedAt: NOW - idle * HOUR }) as unknown as Facts["volumes"][number];
  const f = facts({ volumes: [volume("a", 99, true), volume("named", 99, false), volume("held", 99, true, ["box"]), volume("young", 1, true), volume("kept", 99, true, [], { keep: "" })] });
  expect(await chosen(policy({ kind: "volumes", unusedFor: "72h", except: ["label=keep"] }), f)).toEqual(["a"]);
  expect(await chosen(policy({ kind: "volumes", unusedFor: "72h", anonymousOnly: false }), f)).toEqual(["a", "kept", "named"]);
});

test("networks: none that is predefined, connected, or wanted by a container that does not run", async () => {
  const network = (name: string, idle: number, connected = false) => ({ id: name, name, labels: {}, connected, createdAt: NOW - idle * HOUR, lastUsedAt: NOW - idle * HOUR }) as unknown as Facts["networks"][number];
  const f = facts({ networks: [network("bridge", 99), network("old", 99), network("live", 99, true), network("web", 99), network("young", 1)], containers: [container("box", 5)] });
  expect(await chosen(policy({ kind: "networks", unusedFor: "72h" }), f)).toEqual(["old"]);
  expect(await chosen(policy({ kind: "networks", createdBefore: "72h" }), f)).toEqual(["old"]);
});

test("old log files of a container above its ceiling, or of an age", async () => {
  const log = (container: string, n: number, bytes: number) => ({ container, file: `x.log.${n}`, bytes, writtenAt: NOW - n * HOUR });
  const f = facts({ logs: [log("a", 1, 60), log("a", 2, 60), log("a", 3, 30), log("b", 1, 90)] });
  expect(await chosen(policy({ kind: "logs", maxBytes: 100 }), f)).toEqual(["a/x.log.2"]);
  expect(await chosen(policy({ kind: "logs", olderThan: "150m" }), f)).toEqual(["a/x.log.3"]);
});

/** Layers by image and by build record; every layer takes 10 bytes. */
function sharing(images: Record<string, string[]>, records: Record<string, string[]> = {}): LayerShares {
  const count = (chain: string): number => Object.values(images).filter((chains) => chains.includes(chain)).length;
  const layer = (chain: string) => ({ chain: chain as ChainId, bytes: 10, inodes: 1, images: count(chain) });
  return {
    ofImage: (id) => (images[id] ?? []).map(layer), manifestBytes: () => 0, isHeld: () => false, heldImages: () => new Set(), lastUse: () => new Map(), total: () => 100,
    lines: () => Object.entries(records).flatMap(([holder, chains]) => chains.map((chain): HeldLine => ({ holder, kind: "build-record", ...layer(chain) }))),
  };
}
const disk = (used: number, whole = 1000): DiskState => ({ used, free: whole - used, inodes: 100, inodesFree: 50 });
const plan = async (policies: Policy[], f: Facts, shares: LayerShares, more: Partial<PlanRequest> = {}): Promise<Awaited<ReturnType<typeof makePlan>>> =>
  makePlan({ id: "plan", trigger: "manual", policies, disk: disk(900), ...more }, f, { shares, measure: async () => ({ bytes: 7, inodes: 1 }) });
const sizes = ({ items }: Awaited<ReturnType<typeof makePlan>>): [string, number][] => items.map(({ key, bytes }) => [key, bytes]);

describe("plans", () => {
  test("bytes that several share count with the last that goes; what stays keeps its own", async () => {
    const f = facts({ images: [image("a", 30), image("b", 20), image("c", 1)] });
    const made = await plan([policy({ kind: "images", unusedFor: "10h" })], f, sharing({ a: ["base", "ab", "a"], b: ["base", "ab", "b"], c: ["base", "c"] }));
    expect(sizes(made)).toEqual([["a", 10], ["b", 20]]);
    expect(made.bytes).toBe(30);
  });
  test("an image goes before the one that it was made from, and a step that only it needed goes along", async () => {
    const f = facts({ images: [image("base", 90), image("step", 80, { tags: [], parent: "base" as ImageId }), image("top", 70, { parent: "step" as ImageId })] });
    const made = await plan([policy({ kind: "images", match: "*", unusedFor: "10h" })], f, sharing({ base: ["1"], step: ["1", "2"], top: ["1", "2", "3"] }));
    expect(sizes(made)).toEqual([["top", 10], ["step", 10], ["base", 10]]);
  });
  test("below a mark nothing goes; above it no more than brings the disk there, least recently used first", async () => {
    const p = policy({ kind: "images", when: { diskAbove: "95%" }, until: { diskBelow: "92.5%" }, minAge: "0" });
    const f = facts({ images: [image("a", 30), image("b", 20), image("c", 10)] }), shares = sharing({ a: ["a1", "a2"], b: ["b"], c: ["c"] });
    expect(sizes(await plan([p], f, shares))).toEqual([]);
    expect(sizes(await plan([p], f, shares, { disk: disk(951) }))).toEqual([["a", 20], ["b", 10]]);
    expect(sizes(await plan([p], f, shares, { disk: disk(930), room: 25 }))).toEqual([["a", 20], ["b", 10]]);
    expect(sizes(await plan([p], f, shares, { disk: disk(935), full: true, room: 75 }))).toEqual([["a", 20]]);
  });
  test("what frees nothing by itself goes only where that helps in the end", async () => {
    const p = policy({ kind: "images", when: { diskAbove: "90%" }, minAge: "0" });
    const f = facts({ images: [image("twin1", 30), image("twin2", 20), image("shared", 15), image("own", 10), image("used", 1, { containers: 1 })], containers: [{ ...container("box", null), imageId: "used" as ImageId }] });
    const shares = sharing({ twin1: ["t"], twin2: ["t"], shared: ["u"], own: ["o"], used: ["u"] });
    expect(sizes(await plan([p], f, shares, { disk: disk(905) }))).toEqual([["own", 10]]);
    expect(sizes(await plan([p], f, shares, { disk: disk(915) }))).toEqual([["own", 10], ["twin1", 0], ["twin2", 10]]);
    // Nor what has nothing to do with what comes free.
    const apart = sharing({ twin1: ["t"], twin2: ["t"], shared: ["u"], own: ["o"], used: ["u"], alone: ["u"] });
    expect(sizes(await plan([p], facts({ ...f, images: [image("alone", 40), ...f.images] }), apart, { disk: disk(915) }))).toEqual([["own", 10], ["twin1", 0], ["twin2", 10]]);
    const made = await plan([p], f, shares, { disk: disk(999) });
    expect(sizes(made)).toEqual([["own", 10], ["twin1", 0], ["twin2", 10]]);
    expect(made.shortfalls).toEqual([{ policy: "p", target: "disk below 90%", missingBytes: 79, holders: [{ name: "used:1", bytes: 10, why: "used by container box" }, { name: "everything else on the file system", bytes: 899, why: expect.any(String) as string }] }]);
  });
  test("a target out of reach says what holds the space", async () => {
    const p = policy({ kind: "images", when: { freeBelow: 500 }, minAge: "2h" });
    const f = facts({ images: [image("young", 1), image("pinned", 9)], pins: new Set([`${L}pinned:1`]) });
    const { items, shortfalls } = await plan([p], f, sharing({ young: ["y"], pinned: ["p", "q"] }));
    expect(items).toEqual([]);
    expect(shortfalls).toMatchObject([{ target: "500 bytes free", missingBytes: 400, holders: [{ name: "pinned:1", bytes: 20, why: "pinned as pinned:1" }, { name: "young:1", bytes: 10, why: "came or was used 60m ago" }, { bytes: 800 }] }]);
  });
  test("the build cache's ceiling is of what it alone holds; records that are not used go in any case", async () => {
    const record = (key: string, idle: number): BuildRecordView => ({ key, description: `RUN ${key}`, lastUsedAt: NOW - idle * HOUR }) as BuildRecordView;
    const f = facts({ records: [record("r1", 9), record("r2", 8), record("r3", 7), record("x", 6)] });
    const shares = sharing({ app: ["x"] }, { r1: ["a"], r2: ["a", "b"], r3: ["c"], x: ["x"] });
    expect(sizes(await plan([policy({ kind: "build-cache", maxBytes: 30 })], f, shares))).toEqual([]);
    expect(sizes(await plan([policy({ kind: "build-cache", maxBytes: 20 })], f, shares))).toEqual([["r2", 10]]);
    expect(sizes(await plan([policy({ kind: "build-cache", maxBytes: 0 })], f, shares))).toEqual([["r2", 10], ["r3", 10], ["r1", 10]]);
    expect(sizes(await plan([policy({ kind: "build-cache", maxBytes: 25, unusedFor: "510m" })], f, shares))).toEqual([["r1", 0], ["r2", 20]]);
  });
  test("cache mounts age with records, in one order, count towards the ceiling, and stay while a build has them", async () => {
    const record = (key: string, idle: number): BuildRecordView => ({ key, description: `RUN ${key}`, lastUsedAt: NOW - idle * HOUR }) as BuildRecordView;
    const mount = (id: string, idle: number, inUse = false): Facts["mounts"][number] => ({ volume: `v-${id}`, id, createdAt: 0, lastUsedAt: NOW - idle * HOUR, uses: 1, inUse, usage: { bytes: 10, inodes: 2 } });
    const f = facts({ records: [record("r1", 9), record("r2", 7)], mounts: [mount("/a", 8), mount("/b", 6), mount("/busy", 20, true)] }), shares = sharing({}, { r1: ["a"], r2: ["b"] });
    const old = await plan([policy({ kind: "build-cache", unusedFor: "390m" })], f, shares);
    expect(sizes(old)).toEqual([["r1", 10], ["v-/a", 10], ["r2", 10]]);
    expect(old.items[1]).toMatchObject({ kind: "build-mount", name: "cached mount /a", reason: "not used for 8h", basis: { lastUsedAt: NOW - 8 * HOUR } });
    // Five of ten bytes each: what a build has counts, too.
    expect(sizes(await plan([policy({ kind: "build-cache", maxBytes: 50 })], f, shares))).toEqual([]);
    expect(sizes(await plan([policy({ kind: "build-cache", maxBytes: 30 })], f, shares))).toEqual([["r1", 10], ["v-/a", 10]]);
    expect(sizes(await plan([policy({ kind: "build-cache", maxBytes: 0 })], f, shares))).toEqual([["r1", 10], ["v-/a", 10], ["r2", 10], ["v-/b", 10]]);
    expect(sizes(await plan([policy({ kind: "build-cache", maxBytes: 25, unusedFor: "510m" })], f, shares))).toEqual([["r1", 10], ["v-/a", 10], ["r2", 10]]);
  });
  test("one thing is in a plan once, whatever policies want it; others are measured", async () => {
    const f = facts({ containers: [container("old", 30)] });
    const both = parseGcSettings({ policies: [{ name: "a", kind: "containers", exitedFor: "1h" }, { name: "b", kind: "containers", exitedFor: "2h" }] });
    const made = await plan([...both.policies], f, sharing({}));
    expect(made.items).toMatchObject([{ key: "old", bytes: 7, policy: "a" }]);
  });
});

test("marks count bytes, parts and inodes", async () => {
  expect(missing({ used: { fraction: 0.5 } }, disk(600))).toEqual({ bytes: 100, inodes: 0 });
  expect(missing({ free: { bytes: 450 } }, disk(600), 100)).toEqual({ bytes: 150, inodes: 0 });
  expect(missing({ inodes: { fraction: 0.4 } }, disk(0))).toEqual({ bytes: 0, inodes: 10 });
  expect([isCrossed({ used: { fraction: 0.6 } }, disk(600)), isCrossed({ used: { bytes: 599 } }, disk(600))]).toEqual([false, true]);
  expect(describeMark({ used: { fraction: 0.8 }, inodes: { fraction: 0.9 } })).toBe("disk below 80% and inodes below 90%");
});

describe("settings", () => {
  test("what is written in the contract is understood", async () => {
    const { schedule, trashGrace, policies } = parseGcSettings({ schedule: "*/10 * * * *", policies: [
      { name: "ci-images", kind: "images", match: "ci/*", unusedFor: "72h", keepLast: 3, except: ["label=keep", "reference=prod/*"] },
      { name: "disk", kind: "images", when: { diskAbove: "85%" }, until: { diskBelow: "80%" }, order: "least-recently-used", minAge: "10m" },
      { name: "exited", kind: "containers", exitedFor: "24h" },
      { name: "cache", kind: "build-cache", maxBytes: "10GB", unusedFor: "168h" },
      { name: "volumes", kind: "volumes", anonymousOnly: true, unusedFor: "720h" }] });
    expect([schedule, trashGrace, policies.length]).toEqual(["*/10 * * * *", HOUR, 5]);
    expect(policies[1]).toMatchObject({ when: { used: { fraction: 0.85 } }, until: { used: { fraction: 0.8 } }, minAge: 600_000 });
    expect(policies[3]).toMatchObject({ maxBytes: 10 * 2 ** 30, unusedFor: 7 * 24 * HOUR });
    expect(parseGcSettings({ trashGrace: "1d12h" }).trashGrace).toBe(36 * HOUR);
  });
  const one = (p: object): object => ({ policies: [{ name: "p", kind: "images", unusedFor: "1h", ...p }] });
  test.each<[object, string]>([
    [{ shedule: "x" }, "shedule:"], [{ trashGrace: "soon" }, "trashGrace: \"soon\" is not a duration"], [{ policies: {} }, "policies: a list"], [{ policies: [1] }, "policies[0]: an object"],
    [one({ unusedfor: "1h" }), "policies[0].unusedfor: there is no such key"], [one({ unusedFor: "1 hour" }), "policies[0].unusedFor: \"1 hour\""], [one({ name: "a b" }), "policies[0].name"], [one({ kind: "image" }), "policies[0].kind: \"image\" is not one of images"],
    [one({ exitedFor: "1h" }), "policies[0].exitedFor"], [one({ keepLast: 0 }), "policies[0].keepLast"], [one({ except: ["keep"] }), "policies[0].except[0]"], [one({ match: "[" }), "policies[0].match"], [one({ until: { diskBelow: "1%" } }), "policies[0].until: it goes with when"],
    [one({ when: { diskAbove: "120%" } }), "policies[0].when.diskAbove: \"120%\" is more"], [one({ when: { diskAbove: "80%" }, until: { diskBelow: "85%" } }), "policies[0].until: it is on the other side"],
    [one({ when: { diskAbove: "80%" }, until: { freeAbove: "1G" } }), "policies[0].until: it speaks of other"], [one({ when: {} }), "policies[0].when: one of"], [one({ order: "random" }), "policies[0].order"], [one({ danglingOnly: 1 }), "policies[0].danglingOnly"],
    [{ policies: [{ name: "p", kind: "images" }] }, "policies[0]: a policy for images needs one of"], [{ policies: [{ name: "v", kind: "volumes" }] }, "policies[0]: a policy for volumes needs unusedFor"],
    [{ policies: [{ name: "c", kind: "build-cache", maxBytes: "lots" }] }, "policies[0].maxBytes"], [{ policies: [{ name: "c", kind: "containers", exitedFor: "1h", except: ["reference=x"] }] }, "only images have references"],
    [{ policies: [...(one({}) as { policies: [] }).policies, ...(one({}) as { policies: [] }).policies] }, "policies[1].name: there is another"],
  ])("refuses %j", (given, message) => {
    expect(() => parseGcSettings(given)).toThrow(expect.objectContaining({ code: "InvalidArgument", message: expect.stringContaining(message) as string }));
  });
  test("schedules are cron's", async () => {
    expect(() => checkSchedules(parseGcSettings({ schedule: "*/10 * * * *", policies: [{ name: "p", kind: "images", unusedFor: "1h", schedule: "61 * * * *" }] }), "gc: ")).toThrow("gc: policies[0].schedule: \"61 * * * *\" is not a cron expression");
  });
});
