import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Daemon, type Json, type TestBed, daemonNeeds, disagreements, emptied, needs, open, run, setUp, sleep, tarOfMembers, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");
const strata = resolve(__dirname, "../../../packages/cli/bin/strata.js");

interface Item { Kind: string; Key: string; Name: string; Bytes: number; Outcome: string; Freed: number; Why: string; Policy: string; Reason: string }
interface Run { Id: string; Plan: string; Trigger: string; State: string; Items: Item[]; Freed: number; Trashed: number; UndoUntil: string | null; Policies: string[] }

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
  await daemon.dockerOk("tag", "busybox", "held:1");
  await call("POST", "/images/busybox/pin", undefined, 204);
});

async function call(method: string, path: string, json?: unknown, status = 200): Promise<Json> {
  const answer = await daemon.api(method, path, json === undefined ? {} : { json });
  expect([method, path, answer.status, answer.text]).toEqual([method, path, status, answer.text]);
  return answer.json;
}
const policies = (list: readonly object[], more: object = {}): Promise<unknown> => call("PUT", "/gc/policies", { trashGrace: "1h", policies: list, ...more });
const plan = (): Promise<{ Id: string; Items: Item[]; Bytes: number; Shortfalls: object[] }> => call("POST", "/gc/plans", {}, 201);
const runPlan = (Plan: string): Promise<Run> => call("POST", "/gc/runs", { Plan }, 201);
const inspect = (id: string): Promise<Run> => call("GET", `/gc/runs/${id}`);
const namesOf = (items: readonly Item[]): string[] => items.map(({ Name }) => Name).sort();
const cli = (...args: string[]) => run(process.execPath, [strata, ...args], { env: { ...daemon.env(), STRATA_HOST: `unix://${daemon.socket}` } });

/** An image of one layer of its own, made in no time. */
async function image(name: string, content = name, changes: readonly string[] = []): Promise<string> {
  const [repo, tag] = name.split(":") as [string, string];
  const query = new URLSearchParams({ fromSrc: "-", repo, tag });
  for (const change of changes) query.append("changes", change);
  const { status, text } = await daemon.api("POST", `/images/create?${query.toString()}`, { body: tarOfMembers([{ name: "file", data: content.repeat(1000) }]) });
  expect([status, text]).toEqual([200, expect.stringContaining("sha256:")]);
  return ((await daemon.api("GET", `/images/${name}/json`)).json as { Id: string }).Id;
}
const there = async (name: string): Promise<boolean> => (await daemon.api("GET", `/images/${name}/json`)).status === 200;
/** Ages are counted in milliseconds: one must have gone by. */
const age = (): Promise<void> => sleep(5);

describe("images", () => {
  it("go as planned, to the byte, with names and layers; what is excepted, pinned or in use stays; undone, they are what they were", async () => {
    const id = await image("ci/a:1"), twin = await image("ci/b:1", "ci/a:1", ["LABEL a=b"]);
    await daemon.dockerOk("tag", "ci/a:1", "ci/a:2");
    await image("ci/kept:1", "kept", ["LABEL keep=yes"]);
    await image("ci/release:1");
    await image("other:1");
    await age();
    await policies([{ name: "ci", kind: "images", match: "ci/*", unusedFor: "1ms", except: ["label=keep", "reference=ci/release"] }]);
    const { Id, Items, Bytes } = await plan();
    expect(namesOf(Items)).toEqual(["ci/a:1", "ci/b:1"]);
    expect(Items.every(({ Kind, Policy, Reason }) => Kind === "image" && Policy === "ci" && /^not used for/.test(Reason))).toBe(true);
    // They share their one layer: it counts once, with the last.
    const layers = (await daemon.api("GET", "/layers")).json as { Images: string[]; DiskBytes: number }[];
    expect(Bytes).toBe(layers.find(({ Images }) => Images.includes(id))!.DiskBytes);
    expect(Items.filter((item) => item.Bytes > 0)).toHaveLength(1);
    expect(await there("ci/a:1")).toBe(true);

    const before = await daemon.inspect("ci/a:1", "image");
    const done = await runPlan(Id);
    expect(done).toMatchObject({ State: "done", Plan: Id, Trigger: "manual", Freed: 0, Trashed: Bytes, UndoUntil: expect.any(String) });
    expect(done.Items.map(({ Outcome }) => Outcome)).toEqual(["trashed", "trashed"]);
    for (const [name, stays] of [["ci/a:1", false], ["ci/a:2", false], ["ci/b:1", false], ["ci/kept:1", true], ["ci/release:1", true], ["other:1", true], ["busybox", true]] as const) expect([name, await there(name)]).toEqual([name, stays]);
    // The same plan again finds nothing of it.
    expect((await runPlan(Id)).Items.map(({ Outcome }) => Outcome)).toEqual(["gone", "gone"]);

    // Meanwhile another image has one of the names.
    await daemon.dockerOk("tag", "other:1", "ci/a:2");
    const restored = await call("POST", `/gc/runs/${done.Id}/undo`) as { Id: string; Names: string[]; Left: string[] }[];
    expect(restored.sort((a, b) => (a.Id === id ? -1 : b.Id === id ? 1 : 0))).toEqual([{ Id: id, Names: ["ci/a:1"], Left: ["ci/a:2"] }, { Id: twin, Names: ["ci/b:1"], Left: [] }]);
    const after = await daemon.inspect("ci/a:1", "image");
    expect({ ...after, RepoTags: 0, Metadata: 0 }).toEqual({ ...before, RepoTags: 0, Metadata: 0 });
    expect((await inspect(done.Id)).Items.map(({ Outcome }) => Outcome)).toEqual(["restored", "restored"]);
    const { json } = await daemon.api("POST", `/gc/runs/${done.Id}/undo`);
    expect(json.message).toMatch(/has nothing in the trash/);
    expect(await disagreements(daemon)).toEqual([]);
    await daemon.dockerOk("rmi", "ci/a:1", "ci/a:2", "ci/b:1", "ci/kept:1", "ci/release:1", "other:1");
  }, 120_000);

  it("that are used, named or pinned after the plan was made stay, and the run says why", async () => {
    const ids = await Promise.all(["used", "named", "pinned", "loose", "removed"].map((name) => image(`late/${name}:1`)));
    await age();
    await policies([{ name: "late", kind: "images", match: "late/*", unusedFor: "1ms" }]);
    const { Id, Items } = await plan();
    expect(Items).toHaveLength(5);
    const { Id: container } = await call("POST", "/containers/create", { Image: "late/used:1", Cmd: ["x"] }, 201);
    await call("DELETE", `/containers/${container as string}`, undefined, 204);
    await daemon.dockerOk("tag", "late/named:1", "precious:1");
    await call("POST", "/images/late/pinned:1/pin", undefined, 204);
    await daemon.dockerOk("rmi", "late/removed:1");
    const { Items: items } = await runPlan(Id);
    expect(Object.fromEntries(items.map(({ Name, Outcome, Why }) => [Name, [Outcome, Why]]))).toEqual({
      "late/used:1": ["kept", "used since the plan was made"], "late/named:1": ["kept", expect.stringMatching(/since the plan was made/)], "late/pinned:1": ["kept", "pinned since the plan was made"], "late/loose:1": ["trashed", ""], "late/removed:1": ["gone", ""],
    });
    for (const [i, name] of ["late/used:1", "precious:1", "late/pinned:1"].entries()) expect(((await daemon.api("GET", `/images/${name}/json`)).json as { Id: string }).Id).toBe(ids[i]);
    // Docker's own command may take the name, and the pin with it.
    await daemon.dockerOk("rmi", "late/used:1", "late/named:1", "precious:1", "late/pinned:1");
    expect(await call("GET", "/gc/pins")).toEqual(["busybox:latest"]);
  }, 60_000);

  it("the last of each repository, dangling ones, and the grace that ends: then the disk has the bytes", async () => {
    for (const n of [1, 2, 3]) await image(`app:${n}`);
    await image("loose:1", "loose-old");
    await image("loose:1", "loose-new");
    await age();
    await policies([{ name: "last", kind: "images", match: "app", keepLast: 2 }, { name: "dangling", kind: "images", danglingOnly: true }], { trashGrace: "300ms" });
    const { Id, Items, Bytes } = await plan();
    expect(Items.map(({ Name, Policy }) => [Policy === "last" ? Name : "", Policy])).toEqual([["app:1", "last"], ["", "dangling"]]);
    const done = await runPlan(Id);
    expect(done).toMatchObject({ Freed: 0, Trashed: Bytes });
    const freed = await until(async () => { const now = await inspect(done.Id); return now.Trashed === 0 ? now : undefined; }, 30_000, "the end of the grace");
    expect(freed).toMatchObject({ Freed: Bytes, UndoUntil: null });
    expect((await daemon.api("POST", `/gc/runs/${done.Id}/undo`)).status).toBe(409);
    await policies([{ name: "last", kind: "images", match: "app", keepLast: 1 }], { trashGrace: "0" });
    const now = await runPlan((await plan()).Id);
    expect(now).toMatchObject({ Trashed: 0, UndoUntil: null, Items: [{ Name: "app:2", Outcome: "freed" }] });
    expect([now.Freed, now.Items[0]!.Freed]).toEqual([now.Items[0]!.Bytes, now.Items[0]!.Bytes]);
    await daemon.dockerOk("rmi", "app:3", "loose:1");
  }, 60_000);
});

it("containers that ended, but not those with a label; one that was started meanwhile stays", async () => {
  for (const [name, ...options] of [["gone"], ["kept", "--label", "keep"], ["again"]] as const) await daemon.dockerOk("run", "--name", name, "--network", "none", ...options, "busybox", "sh", "-c", "head -c 100000 /dev/urandom > /file; test ! -e /stay || sleep 600; touch /stay");
  await daemon.dockerOk("create", "--name", "new", "busybox", "true");
  await age();
  await policies([{ name: "exited", kind: "containers", exitedFor: "1ms", except: ["label=keep"] }]);
  const { Id, Items } = await plan();
  expect(namesOf(Items)).toEqual(["again", "gone"]);
  expect(Items.every(({ Bytes }) => Bytes >= 100_000)).toBe(true);
  await daemon.dockerOk("start", "again");
  const { Items: items, Freed } = await runPlan(Id);
  expect(Object.fromEntries(items.map(({ Name, Outcome }) => [Name, Outcome]))).toEqual({ again: "kept", gone: "freed" });
  expect(Freed).toBe(items.find(({ Name }) => Name === "gone")!.Bytes);
  expect((await daemon.dockerOk("ps", "-a", "--format", "{{.Names}}")).split("\n").sort()).toEqual(["again", "kept", "new"]);
  await daemon.dockerOk("rm", "-f", "again", "kept", "new");
}, 90_000);

it("volumes without a name; with one only if it is asked for; never one that came into use", async () => {
  const anonymous = ((await call("POST", "/volumes/create", {}, 201)) as { Name: string }).Name;
  await call("POST", "/volumes/create", { Name: "named" }, 201);
  await call("POST", "/volumes/create", { Name: "kept", Labels: { keep: "" } }, 201);
  writeFileSync(join(daemon.dataRoot, "volumes", anonymous, "_data", "file"), Buffer.alloc(50_000, 1));
  await age();
  const policy = { name: "volumes", kind: "volumes", unusedFor: "1ms", except: ["label=keep"] };
  await policies([policy]);
  const first = await runPlan((await plan()).Id);
  expect(first.Items).toMatchObject([{ Name: anonymous, Outcome: "freed" }]);
  expect(first.Freed).toBeGreaterThanOrEqual(50_000);
  expect(existsSync(join(daemon.dataRoot, "volumes", anonymous))).toBe(false);
  await policies([{ ...policy, anonymousOnly: false }]);
  const { Id, Items } = await plan();
  expect(namesOf(Items)).toEqual(["named"]);
  await daemon.dockerOk("create", "--name", "user", "-v", "named:/v", "busybox", "true");
  expect((await runPlan(Id)).Items).toMatchObject([{ Outcome: "kept", Why: "used since the plan was made" }]);
  await daemon.dockerOk("rm", "user");
  await daemon.dockerOk("volume", "rm", "named", "kept");
}, 60_000);

it("networks that nobody is on or wants, never a predefined one", async () => {
  for (const [name, ...options] of [["idle"], ["labelled", "--label", "keep=1"], ["wanted"]] as const) await daemon.dockerOk("network", "create", ...options, name);
  await daemon.dockerOk("create", "--name", "wants", "--network", "wanted", "busybox", "true");
  await age();
  await policies([{ name: "networks", kind: "networks", unusedFor: "1ms", except: ["label=keep=1"] }]);
  const done = await runPlan((await plan()).Id);
  expect(done.Items).toMatchObject([{ Kind: "network", Name: "idle", Outcome: "freed" }]);
  expect((await daemon.dockerOk("network", "ls", "--format", "{{.Name}}")).split("\n").sort()).toEqual(["bridge", "host", "labelled", "none", "wanted"]);
  await daemon.dockerOk("rm", "wants");
  await daemon.dockerOk("network", "rm", "labelled", "wanted");
}, 60_000);

it("rotated logs of containers that do not run", async () => {
  const options = ["--log-driver", "json-file", "--log-opt", "max-size=4k", "--log-opt", "max-file=4", "--network", "none"];
  await daemon.dockerOk("run", "--name", "wordy", ...options, "busybox", "seq", "2000");
  await daemon.dockerOk("run", "-d", "--name", "talks", ...options, "busybox", "sh", "-c", "seq 2000; sleep 600");
  const folder = (id: string): string => join(daemon.dataRoot, "containers", id);
  const [wordy, talks] = [(await daemon.inspect("wordy")).Id as string, (await daemon.inspect("talks")).Id as string];
  const old = (id: string): string[] => readdirSync(folder(id)).filter((name) => /\.log\.\d/.test(name));
  await until(() => (old(wordy).length === 3 && old(talks).length === 3) || undefined, 30_000, "rotated logs");
  await policies([{ name: "logs", kind: "logs", maxBytes: 4096 }]);
  const { Id, Items } = await plan();
  expect(Items.every(({ Kind, Key }) => Kind === "log" && Key.startsWith(wordy))).toBe(true);
  expect(Items).toHaveLength(2);
  const done = await runPlan(Id);
  expect(done.Freed).toBe(Items.reduce((sum, { Bytes }) => sum + Bytes, 0));
  expect([old(wordy).length, old(talks).length]).toEqual([1, 3]);
  expect(await daemon.dockerOk("logs", "--tail", "1", "wordy")).toBe("2000");
  await daemon.dockerOk("rm", "-f", "wordy", "talks");
}, 90_000);

it("the build cache: a ceiling that holds at the end of every build, and records that are not used", async () => {
  const build = async (n: number): Promise<void> => {
    const body = tarOfMembers([{ name: "Dockerfile", data: `FROM busybox\nCOPY f /f${n}\n` }, { name: "f", data: Buffer.alloc(200_000, n) }]);
    const { text } = await daemon.api("POST", "/build", { query: { q: 1 }, body, headers: { "content-type": "application/x-tar" } });
    const id = /sha256:[0-9a-f]{64}/.exec(text)![0];
    await daemon.dockerOk("rmi", id);
  };
  const records = async (): Promise<number> => ((await call("GET", "/system/df?type=build-cache")).BuildCache as object[]).length;
  await policies([]);
  for (const n of [1, 2, 3]) await build(n);
  const before = await records();
  expect(before).toBeGreaterThanOrEqual(3);
  await policies([{ name: "cache", kind: "build-cache", maxBytes: 450_000 }]);
  const ceiling = await until(async () => ((await call("GET", "/gc/runs")) as Run[]).find(({ Trigger }) => Trigger === "ceiling"), 30_000, "a run for the ceiling");
  expect((await until(async () => { const now = await inspect(ceiling.Id); return now.State === "done" ? now : undefined; }, 30_000, "its end"))).toMatchObject({ Freed: expect.any(Number), Items: [{ Kind: "build-record", Outcome: "freed" }] });
  expect((await inspect(ceiling.Id)).Freed).toBeGreaterThanOrEqual(200_000);
  await build(4);
  await until(async () => ((await call("GET", "/gc/runs")) as Run[]).filter(({ Trigger }) => Trigger === "ceiling").length === 2 || undefined, 30_000, "another at the end of a build");
  await age();
  await policies([{ name: "cache", kind: "build-cache", unusedFor: "1ms" }]);
  const left = await records(), done = await runPlan((await plan()).Id);
  expect(done.Items.filter(({ Outcome }) => Outcome === "freed")).toHaveLength(left);
  expect(await records()).toBe(0);
}, 120_000);

it("directories that RUN keeps are build cache: they age, count towards the ceiling, and stay while a build has them", async () => {
  const build = (id: string, command: string): Promise<{ text: string }> => daemon.api("POST", "/build", {
    query: { q: 1, forcerm: 1 }, body: tarOfMembers([{ name: "Dockerfile", data: `FROM busybox\nRUN --mount=type=cache,id=${id},target=/c ${command}\n` }]), headers: { "content-type": "application/x-tar" },
  });
  const mounts = <T extends Item>(items: readonly T[]): T[] => items.filter(({ Kind }) => Kind === "build-mount");
  const folder = (key: string, ...more: string[]): string => join(daemon.dataRoot, "volumes", key, "_data", ...more);
  await policies([]);
  for (const id of ["one", "two"]) await build(id, "head -c 200000 /dev/zero > /c/f");
  await age();
  await policies([{ name: "cache", kind: "build-cache", unusedFor: "1ms" }]);
  const first = await plan(), [one, two] = mounts(first.Items);
  expect(mounts(first.Items)).toMatchObject(["one", "two"].map((id) => ({ Name: `cached mount ${id}`, Policy: "cache", Reason: expect.stringMatching(/^not used for/) as string })));
  expect(Math.min(one!.Bytes, two!.Bytes)).toBeGreaterThanOrEqual(200_000);

  const building = build("two", "touch /c/begun; while [ ! -e /c/stop ]; do sleep 0.2; done");
  await until(() => existsSync(folder(two!.Key, "begun")) || undefined, 60_000, "the build to have its directory");
  expect(mounts((await plan()).Items).map(({ Name }) => Name)).toEqual(["cached mount one"]);
  expect(mounts((await runPlan(first.Id)).Items)).toMatchObject([{ Outcome: "freed", Freed: one!.Bytes }, { Outcome: "kept", Why: "used since the plan was made" }]);
  expect([existsSync(folder(one!.Key)), existsSync(folder(two!.Key))]).toEqual([false, true]);
  await policies([{ name: "cache", kind: "build-cache", maxBytes: 100_000 }]);
  writeFileSync(folder(two!.Key, "stop"), "");
  expect((await building).text).toMatch(/sha256:/);
  await until(() => !existsSync(folder(two!.Key)) || undefined, 60_000, "the ceiling to be kept at the end of the build");
  await policies([]);
  await daemon.dockerOk("image", "prune", "-f");
}, 240_000);

it("prunes are in the history, and leave what is pinned", async () => {
  await image("prune/a:1");
  await image("prune/b:1");
  await policies([]);
  await call("POST", "/images/prune/b:1/pin", undefined, 204);
  await daemon.dockerOk("create", "--name", "stopped", "prune/a:1", "x");
  await daemon.dockerOk("system", "prune", "-af", "--volumes");
  expect([await there("prune/a:1"), await there("prune/b:1"), await there("busybox")]).toEqual([false, true, true]);
  const runs = (await call("GET", "/gc/runs")) as Run[];
  const latest = (command: string): Run => runs.find(({ Trigger, Policies }) => Trigger === "prune" && Policies[0] === command)!;
  expect((await inspect(latest("container prune").Id)).Items).toMatchObject([{ Kind: "container", Name: "stopped", Outcome: "freed" }]);
  const images = (await inspect(latest("image prune").Id)).Items.find(({ Name }) => Name === "prune/a:1");
  expect(images).toMatchObject({ Kind: "image", Outcome: "freed" });
  expect(images!.Freed).toBeGreaterThan(0);
  await daemon.dockerOk("rmi", "prune/b:1");
}, 60_000);

describe("policies", () => {
  it("that make no sense are refused by name, and those in force stay", async () => {
    await policies([{ name: "ok", kind: "images", unusedFor: "1h" }]);
    for (const [given, message] of [
      [{ policies: [{ name: "x", kind: "images", unusedfor: "1h" }] }, "policies[0].unusedfor"], [{ policies: [{ name: "x", kind: "images", unusedFor: "1h", schedule: "every day" }] }, "policies[0].schedule"], [{ schedule: "99 * * * *" }, "schedule: \"99 * * * *\" is not a cron expression"],
    ] as const) {
      const { status, json } = await daemon.api("PUT", "/gc/policies", { json: given });
      expect([status, json.message]).toEqual([400, expect.stringContaining(message)]);
    }
    expect(await call("GET", "/gc/policies")).toMatchObject({ source: "api", policies: [{ name: "ok" }] });
    expect((await daemon.api("POST", "/gc/plans", { json: { Policy: "unknown" } })).status).toBe(404);
    expect((await daemon.api("POST", "/gc/runs", { json: { Plan: "abc" } })).status).toBe(404);
    expect((await daemon.api("POST", "/images/nothing:1/pin")).status).toBe(404);
  }, 60_000);

  it("run on their schedule, tell what they do as events, and are kept over a restart", async () => {
    await image("timed:1");
    const events = daemon.dockerStart("events", "--since", String(Math.floor(Date.now() / 1000) - 1), "--filter", "type=gc", "--format", "{{.Action}} {{.Actor.Attributes.trigger}} {{.Actor.Attributes.removed}}");
    await policies([{ name: "timed", kind: "images", match: "timed", unusedFor: "1ms", schedule: "* * * * * *" }]);
    await events.waitFor(/plan schedule.*\nstart schedule.*\nfinish schedule 1/);
    events.kill("SIGTERM");
    await events.exit;
    expect(await there("timed:1")).toBe(false);
    const [last] = (await call("GET", "/gc/runs")) as Run[];
    await policies([{ name: "later", kind: "images", match: "timed", unusedFor: "1h" }]);
    await daemon.restart();
    expect(await call("GET", "/gc/policies")).toMatchObject({ source: "api", policies: [{ name: "later" }] });
    expect(await call("DELETE", "/gc/policies")).toEqual({ source: "file" });
    // What is in the trash outlives the daemon.
    expect((await cli("gc", "undo", last!.Id.slice(0, 12))).stdout).toMatch(/^[0-9a-f]{12}: timed:1\n$/);
    expect(await there("timed:1")).toBe(true);
    await daemon.dockerOk("rmi", "timed:1");
  }, 120_000);

  it("come from daemon.json, which SIGHUP reads again; a bad one keeps the daemon from starting", async () => {
    const file = bed.path("daemon.json");
    const write = (gc: object): void => writeFileSync(file, JSON.stringify({ gc }));
    write({ policies: [{ name: "bad", kind: "images", unusedFor: "long" }] });
    const other = bed.prepare({ flags: ["--config-file", file] });
    expect(await other.launch().exit).toBe(1);
    expect(other.output).toMatch(/gc: policies\[0\]\.unusedFor: "long" is not a duration/);
    write({ schedule: "nonsense" });
    expect(await other.launch().exit).toBe(1);
    expect(other.output).toMatch(/gc: schedule: "nonsense" is not a cron expression/);
    write({ policies: [{ name: "one", kind: "images", unusedFor: "1h" }] });
    await other.start();
    const names = async (): Promise<string> => ((await other.api("GET", "/gc/policies")).json as { policies: { name: string }[] }).policies.map(({ name }) => name).join();
    expect(await names()).toBe("one");
    write({ policies: [{ name: "two", kind: "images", unusedFor: "1h" }] });
    process.kill(other.pid, "SIGHUP");
    await until(async () => (await names()) === "two" || undefined, 30_000, "the new policies");
    await bed.end(other);
  }, 120_000);

  it("the command line shows and sets them, plans, runs, pins", async () => {
    const file = bed.path("gc.json");
    writeFileSync(file, JSON.stringify({ gc: { policies: [{ name: "tidy", kind: "images", match: "cli", unusedFor: "1ms" }] } }));
    expect(JSON.parse((await cli("gc", "policies", "set", file)).stdout)).toMatchObject({ source: "api", policies: [{ name: "tidy" }] });
    await image("cli:1");
    expect((await cli("pin", "cli:1")).stdout).toBe("cli:1\n");
    expect((await cli("pin")).stdout).toBe("busybox:latest\ncli:1\n");
    expect((await cli("gc", "plan")).stdout).toMatch(/^KIND .*REASON\nPlan [0-9a-f]{12}: 0 to go, 0B\n$/);
    expect((await cli("unpin", "cli:1")).code).toBe(0);
    const id = (await cli("gc", "plan", "--policy", "tidy", "-q")).stdout.trim();
    const shown = await cli("gc", "run", id);
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringMatching(/image +cli:1 +trashed[\s\S]*brings it back/)]);
    const listed = await cli("gc", "runs");
    expect(listed.stdout).toMatch(/^RUN ID .*\n[0-9a-f]{12} +manual +tidy +.* done /);
    const run = listed.stdout.split("\n")[1]!.slice(0, 12);
    expect((await cli("gc", "runs", run)).stdout).toMatch(/cli:1 +trashed/);
    expect((await cli("gc", "undo", run)).stdout).toMatch(/: cli:1\n/);
    expect((await cli("gc", "policies", "reset")).stdout).toContain('"source": "file"');
    await daemon.dockerOk("rmi", "cli:1");
  }, 90_000);
});

it("a crash in the middle of a run: the run is told as interrupted, what it did is done, the rest is as it was", async () => {
  const names = Array.from({ length: 300 }, (_, i) => `many-${String(i).padStart(3, "0")}`);
  for (let at = 0; at < names.length; at += 20) await Promise.all(names.slice(at, at + 20).map((Name) => call("POST", "/volumes/create", { Name }, 201)));
  const images = ["crash:1", "crash:2"];
  for (const name of images) await image(name);
  await age();
  await policies([{ name: "images", kind: "images", match: "crash", unusedFor: "1ms" }, { name: "volumes", kind: "volumes", unusedFor: "1ms", anonymousOnly: false }]);
  const { Id, Items } = await plan();
  expect(Items).toHaveLength(302);
  const events = await open(daemon.socket, "GET", "/events", { query: { filters: JSON.stringify({ event: ["destroy"] }) } });
  events.on("error", () => undefined);
  const killed = new Promise<void>((resolve, reject) => { events.once("data", () => { daemon.kill9().then(resolve, reject); }); });
  await Promise.all([killed, daemon.api("POST", "/gc/runs", { json: { Plan: Id } }).catch(() => undefined)]);
  await daemon.start();
  const [run] = (await call("GET", "/gc/runs")) as Run[];
  const told = await inspect(run!.Id);
  expect([told.State, told.Plan]).toEqual(["interrupted", Id]);
  const left = new Set(((await call("GET", "/volumes")) as { Volumes: { Name: string }[] }).Volumes.map(({ Name }) => Name));
  const done = told.Items.filter(({ Kind, Outcome }) => Kind === "volume" && Outcome === "freed").map(({ Key }) => Key);
  expect(done.filter((name) => left.has(name))).toEqual([]);
  // One may have gone that the history does not know of yet.
  expect(names.length - left.size - done.length).toBeLessThanOrEqual(1);
  expect(readdirSync(join(daemon.dataRoot, "volumes")).sort()).toEqual([...left].sort());
  expect(told.Items.filter(({ Kind }) => Kind === "image").map(({ Outcome }) => Outcome)).toEqual(["trashed", "trashed"]);
  expect(((await call("POST", `/gc/runs/${told.Id}/undo`)) as object[]).length).toBe(2);
  for (const name of images) expect(await there(name)).toBe(true);
  // The rest of the plan can still be carried out; what was brought back counts as used.
  const again = await runPlan(Id);
  expect(again.State).toBe("done");
  expect(again.Items.filter(({ Kind }) => Kind === "image").map(({ Outcome }) => Outcome)).toEqual(["kept", "kept"]);
  expect(((await call("GET", "/volumes")) as { Volumes: object[] | null }).Volumes ?? []).toEqual([]);
  expect(await disagreements(daemon)).toEqual([]);
}, 180_000);

it("after everything is removed nothing is left", async () => {
  await policies([{ name: "all", kind: "images", unusedFor: "1ms" }], { trashGrace: "1h" });
  await call("POST", "/images/busybox/unpin", undefined, 204);
  await age();
  const done = await runPlan((await plan()).Id);
  expect(done.Items.every(({ Outcome }) => Outcome === "trashed")).toBe(true);
  expect(await daemon.dockerOk("images", "-aq")).toBe("");
  // The trash goes as soon as room is wanted: any mark is crossed here.
  await policies([{ name: "disk", kind: "images", when: { freeBelow: "100%" }, minAge: "0s" }], { trashGrace: "1h" });
  await emptied(daemon);
  expect((await inspect(done.Id)).Freed).toBe(done.Trashed);
}, 90_000);
