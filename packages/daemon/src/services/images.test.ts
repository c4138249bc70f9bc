import { digestOf } from "@strata/oci";
import type { ImageId } from "@strata/oci";
import type { ContainerStatus } from "../core/index.js";
import { FakeRegistry, testImage } from "../distribution/testing/registry.js";
import { Workshop, actions, chainsOf, d, filters, make, signal, use } from "./testing/images-engine.js";
import type { Engine } from "./testing/images-engine.js";
import type { Progress } from "./types.js";

let workshop: Workshop;
beforeEach(async () => { workshop = await Workshop.open(); });
afterEach(async () => { await workshop.close(); });
const engine = async (name?: string): Promise<Engine> => await workshop.engine(name);

describe("tag and list", () => {
  test("tagging names, moves names, and refuses what is no name", async () => {
    const e = await engine();
    const [a, b] = [await make(e, ["a"]), await make(e, ["b"])];
    e.service.tag(a, "app");
    e.service.tag("app", "app:v2");
    e.service.tag(b.slice(7, 19), "app");
    expect(e.service.inspect("app").image.id).toBe(b);
    expect(e.service.inspect("app:v2").image.tags).toEqual([`${d}app:v2`]);
    expect(actions(e)).toEqual(["tag", "tag", "tag"]);
    expect(e.world.events.events[1]).toMatchObject({ type: "image", id: a, attributes: { name: "app:v2" } });
    expect(() => e.service.tag(a, "UPPER")).toThrow(/invalid reference format/);
    expect(() => e.service.tag(a, `x@${a}`)).toThrow(/digest reference/);
    expect(() => e.service.tag("nope", "x")).toThrow("No such image: nope");
  });

  test("filters", async () => {
    const e = await engine();
    const old = await make(e, ["old"], { tags: [`${d}old:1`, "reg.io/team/old:1"], created: "2020-01-01T00:00:00Z", labels: { keep: "yes" } });
    const mid = await make(e, ["mid"], { tags: [`${d}mid:1`], created: "2021-01-01T00:00:00Z", labels: { keep: "no" } });
    const lost = await make(e, ["lost"], { created: "2022-01-01T00:00:00Z" });
    const step = await make(e, ["old", "step"], { created: "2023-01-01T00:00:00Z", parent: mid });
    await make(e, ["old", "step", "child"], { created: "2024-01-01T00:00:00Z", parent: step, tags: [`${d}child:1`] });
    const ids = async (f: Record<string, string[]>, all = false): Promise<Set<ImageId>> => new Set((await e.service.list({ all, filters: filters(f) })).map((i) => i.id));
    expect((await ids({})).has(step)).toBe(false);
    expect((await ids({}, true)).has(step)).toBe(true);
    expect(await ids({ dangling: ["true"] })).toEqual(new Set([lost]));
    expect((await ids({ dangling: ["false"] })).has(lost)).toBe(false);
    expect(await ids({ label: ["keep"] })).toEqual(new Set([old, mid]));
    expect(await ids({ label: ["keep=no"] })).toEqual(new Set([mid]));
    expect((await ids({ "label!": ["keep"] })).has(old)).toBe(false);
    expect(await ids({ before: ["mid:1"] })).toEqual(new Set([old]));
    expect(await ids({ since: ["old:1"], before: [lost] })).toEqual(new Set([mid]));
    expect(await ids({ until: ["2020-06-01T00:00:00Z"] })).toEqual(new Set([old]));
    expect(await ids({ id: [old.slice(7, 20)] })).toEqual(new Set([old]));
    expect((await ids({ reference: ["*"] })).size).toBe(3);
    const [found] = await e.service.list({ all: false, filters: filters({ reference: ["reg.io/*/old"] }) });
    expect(found!.tags).toEqual(["reg.io/team/old:1"]);
    expect(await ids({ reference: ["m[a-k]d:?"] })).toEqual(new Set([mid]));
    await expect(ids({ nonsense: ["x"] })).rejects.toThrow("invalid filter 'nonsense'");
    await expect(ids({ dangling: ["perhaps"] })).rejects.toThrow(/invalid filter/);
    await expect(ids({ before: ["unknown"] })).rejects.toThrow(/No such image/);
  });

  test("history", async () => {
    const e = await engine();
    const base = await make(e, ["one"], { tags: [`${d}base:1`] });
    const child = await make(e, ["one", "second"], { tags: [`${d}child:1`], parent: base });
    expect(e.service.history("child:1").map(({ id, size, created_by, tags }) => ({ id, size, created_by, tags }))).toEqual([
      { id: child, size: 6, created_by: "step 1", tags: [`${d}child:1`] },
      { id: base, size: 3, created_by: "step 0", tags: [`${d}base:1`] },
    ]);
    expect(e.service.history("base:1")).toHaveLength(1);
  });
});

describe("remove", () => {
  test("by name: names first, the image and its own layers with the last one", async () => {
    const e = await engine();
    const id = await make(e, ["base", "own"], { tags: [`${d}app:1`, `${d}app:2`] });
    await make(e, ["base"], { tags: [`${d}base:1`] });
    e.world.images.tag(id, `${d}app@${digestOf("m")}`);
    expect(await e.service.remove("app:1", { force: false, prune: true })).toEqual([{ untagged: "app:1" }]);
    expect(await e.service.remove("app:2", { force: false, prune: true })).toEqual([
      { untagged: "app:2" }, { untagged: `app@${digestOf("m")}` }, { deleted: id }, { deleted: chainsOf(["base", "own"])[1] },
    ]);
    expect(actions(e)).toEqual(["untag", "untag", "untag", "delete"]);
    await expect(e.service.remove("app:1", { force: false, prune: true })).rejects.toMatchObject({ code: "NotFound", message: expect.stringContaining("No such image") as string });
  });

  test("by ID: all names of one repository; of several only with force", async () => {
    const e = await engine();
    const one = await make(e, ["one"], { tags: [`${d}one:1`] });
    const two = await make(e, ["two"], { tags: [`${d}two:1`, "reg.io/two:1"] });
    expect(await e.service.remove(one, { force: false, prune: true })).toEqual([{ untagged: "one:1" }, { deleted: one }, { deleted: chainsOf(["one"])[0] }]);
    await expect(e.service.remove(two.slice(7, 19), { force: false, prune: true })).rejects.toMatchObject({
      code: "Conflict", message: `conflict: unable to delete ${two.slice(7, 19)} (must be forced) - image is referenced in multiple repositories`,
    });
    expect(new Set(await e.service.remove(two.slice(7, 19), { force: true, prune: true }))).toEqual(new Set([{ untagged: "two:1" }, { untagged: "reg.io/two:1" }, { deleted: two }, { deleted: chainsOf(["two"])[0] }]));
  });

  test("what work under way stands on stays: prunes leave it, its name goes alone, its ID is a conflict", async () => {
    const e = await engine();
    const step = await make(e, ["step"]);
    const base = await make(e, ["base"], { tags: [`${d}base:1`] });
    await e.world.leases.with("build", async (lease) => {
      for (const id of [step, base]) e.world.leases.hold(lease, "image", id);
      expect((await e.service.prune(filters({ dangling: ["false"] }))).removed).toEqual([]);
      await expect(e.service.remove(step, { force: true, prune: true })).rejects.toMatchObject({ code: "Conflict", message: expect.stringContaining("work under way") as string });
      expect(await e.service.remove("base:1", { force: false, prune: true })).toEqual([{ untagged: "base:1" }]);
    });
    const { removed } = await e.service.prune(new Map());
    expect(removed).toEqual(expect.arrayContaining([{ deleted: step }, { deleted: base }]));
  });

  test.each<[ContainerStatus, boolean, string, RegExp | undefined]>([
    ["running", false, "app:1", /^conflict: unable to remove repository reference "app:1" \(must force\) - container c{12} is using its referenced image [0-9a-f]{12}$/],
    ["exited", false, "app:1", /unable to remove repository reference/],
    ["running", true, "app:1", undefined],
    ["exited", true, "app:1", undefined],
    ["running", false, "id", /\(cannot be forced\) - image is being used by running container c{12}$/],
    ["running", true, "id", /\(cannot be forced\) - image is being used by running container c{12}$/],
    ["exited", false, "id", /\(must be forced\) - image is being used by stopped container c{12}$/],
    ["exited", true, "id", undefined],
  ])("in use: %s container, force %s, by %s", async (status, force, by, refusal) => {
    const e = await engine();
    const id = await make(e, ["x"], { tags: [`${d}app:1`] });
    use(e, id, status);
    const removing = e.service.remove(by === "id" ? id : by, { force, prune: true });
    if (refusal !== undefined) {
      await expect(removing).rejects.toMatchObject({ code: "Conflict", message: expect.stringMatching(refusal) as string });
      expect(e.service.inspect("app:1").image.id).toBe(id);
    } else {
      expect(await removing).toEqual([{ untagged: "app:1" }]);
      expect(e.service.inspect(id).image.tags).toEqual([]);
    }
  });

  test("children stand in the way; unnamed parents go along", async () => {
    const e = await engine();
    const root = await make(e, ["r"], { tags: [`${d}root:1`] });
    const step = await make(e, ["r", "s"], { parent: root });
    const leaf = await make(e, ["r", "s", "l"], { parent: step, tags: [`${d}leaf:1`] });
    await expect(e.service.remove(step, { force: true, prune: true })).rejects.toMatchObject({ code: "Conflict", message: `conflict: unable to delete ${step.slice(7, 19)} (cannot be forced) - image has dependent child images` });
    const chains = chainsOf(["r", "s", "l"]);
    expect(await e.service.remove("leaf:1", { force: false, prune: true })).toEqual([{ untagged: "leaf:1" }, { deleted: leaf }, { deleted: step }, { deleted: chains[2] }, { deleted: chains[1] }]);
    const again = await make(e, ["r", "s"], { parent: root });
    await make(e, ["r", "s", "l"], { parent: again, tags: [`${d}leaf:1`] });
    await e.service.remove("leaf:1", { force: false, prune: false });
    expect(e.service.inspect(again).image.id).toBe(again);
  });

  test("prune", async () => {
    const e = await engine();
    const lost = await make(e, ["lost"], { created: "2020-01-01T00:00:00Z" });
    const byDigest = await make(e, ["digest"], { created: "2021-01-01T00:00:00Z" });
    e.world.images.tag(byDigest, `${d}x@${digestOf("m")}`);
    const used = await make(e, ["used"], { created: "2020-01-01T00:00:00Z" });
    use(e, used, "exited");
    const tagged = await make(e, ["tagged"], { tags: [`${d}t:1`, "reg.io/t:1"], labels: { a: "b" } });
    expect((await e.service.prune(filters({ until: ["2019-01-01T00:00:00Z"] }))).removed).toEqual([]);
    const first = await e.service.prune(filters({ until: ["2020-06-01T00:00:00Z"] }));
    expect(first).toEqual({ removed: [{ deleted: lost }, { deleted: chainsOf(["lost"])[0] }], bytes: 4 });
    expect((await e.service.prune(filters({}))).removed).toContainEqual({ untagged: `x@${digestOf("m")}` });
    expect((await e.service.prune(filters({ dangling: ["false"], "label!": ["a=b"] }))).removed).toEqual([]);
    expect((await e.service.prune(filters({ dangling: ["0"] }))).removed).toContainEqual({ deleted: tagged });
    expect([...e.world.images.images.keys()]).toEqual([used]);
    await expect(e.service.prune(filters({ before: ["x"] }))).rejects.toMatchObject({ code: "InvalidArgument" });
  });
});

describe("pull and push", () => {
  test("lines, events, all tags; names that are not there", async () => {
    const e = await engine();
    const registry = new FakeRegistry();
    await registry.start();
    try {
      const image = testImage(["one"]);
      registry.add("app", "1", image);
      registry.add("app", "2", testImage(["two"]));
      const lines: Progress[] = [];
      const options = { progress: (l: Progress) => void lines.push(l), signal: signal() };
      await e.service.pull(`${registry.host}/app:1`, options);
      expect(lines.slice(-2)).toEqual([{ status: `Digest: ${image.manifestDigest}` }, { status: `Status: Downloaded newer image for ${registry.host}/app:1` }]);
      expect(e.world.events.events[0]).toMatchObject({ action: "pull", id: `${registry.host}/app:1`, attributes: { name: `${registry.host}/app` } });
      await e.service.pull(`${registry.host}/app:1`, options);
      expect(lines.at(-1)).toEqual({ status: `Status: Image is up to date for ${registry.host}/app:1` });
      await e.service.pull(`${registry.host}/app`, { ...options, all: true });
      expect(await e.service.list({ all: false, filters: filters({}) })).toHaveLength(2);
      await expect(e.service.pull("Bad Name", options)).rejects.toMatchObject({ code: "InvalidArgument" });
      await expect(e.service.push(`${registry.host}/none`, options)).rejects.toMatchObject({ code: "NotFound", message: `An image does not exist locally with the tag: ${registry.host}/none` });
      await expect(e.service.push(`${registry.host}/app:9`, options)).rejects.toMatchObject({ code: "NotFound", message: `tag does not exist: ${registry.host}/app:9` });
    } finally {
      await registry.stop();
    }
  });
});
