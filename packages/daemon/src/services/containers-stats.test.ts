import { type Container, type ContainerId, NotFound, type ResourceUsage } from "../core/index.js";
import { Stats } from "./containers-stats.js";

const usage = (total: number): ResourceUsage => ({
  at: total, cpu: { total, user: 0, system: 0, throttling: { periods: 0, throttledPeriods: 0, throttledTime: 0 }, machine: total * 10, processors: 2 },
  memory: { usage: 1, limit: 2, stats: {} }, io: { bytes: [] }, pids: { current: 1 }, networks: { eth0: { received: { bytes: 1, packets: 0, errors: 0, dropped: 0 }, sent: { bytes: 1, packets: 0, errors: 0, dropped: 0 } } },
});

/** One container, and a meter that counts how often it is read. */
function world(state: Partial<Container["state"]>, hostConfig: Container["hostConfig"] = {}, interval = 1) {
  let container: Container | undefined = { id: "c1" as ContainerId, name: "box", hostConfig, state: { status: "running", pid: 7, ...state } } as Container;
  const opened: number[] = [];
  let reads = 0;
  const stats = new Stats({
    containers: { resolve: () => "c1" as ContainerId, get: () => { if (container === undefined) throw new NotFound("gone"); return container; } } as never,
    meters: { open: async (pid) => { opened.push(pid); return async () => usage(++reads); } },
  }, interval);
  return { stats, opened, reads: () => reads, become: (change: Partial<Container["state"]> | undefined) => { container = change && { ...container!, state: { ...container!.state, ...change } }; } };
}
const idle = (): AbortSignal => new AbortController().signal;
async function all<T>(samples: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const sample of samples) found.push(sample);
  return found;
}

test("one sample has another to compare it to, unless it is wanted at once", async () => {
  expect((await all(world({}).stats.samples("box", { stream: false, oneShot: false }, idle()))).map((s) => [s.name, s.before?.cpu.total, s.usage?.cpu.total])).toEqual([["box", 1, 2]]);
  const once = world({});
  expect((await all(once.stats.samples("box", { stream: false, oneShot: true }, idle()))).map((s) => [s.before, s.usage?.cpu.total])).toEqual([[undefined, 1]]);
  expect(() => once.stats.samples("box", { stream: true, oneShot: true }, idle())).toThrow("cannot have stream=true and one-shot=true");
});

test("what does not run is told by name only", async () => {
  for (const status of ["exited", "created", "restarting"] as const) {
    const { stats, opened } = world({ status, pid: 0 });
    expect([await all(stats.samples("box", { stream: false, oneShot: false }, idle())), opened]).toEqual([[{ id: "c1", name: "box" }], []]);
  }
});

test("the host's interfaces are nobody's", async () => {
  const [sample] = await all(world({}, { NetworkMode: "host" }).stats.samples("box", { stream: false, oneShot: true }, idle()));
  expect(sample!.usage!.networks).toEqual({});
});

test("a stream goes on over a stop and a start, and ends with the container", async () => {
  const { stats, opened, become } = world({});
  const samples = stats.samples("box", { stream: true, oneShot: false }, idle())[Symbol.asyncIterator]();
  expect((await samples.next()).value).toMatchObject({ usage: { cpu: { total: 1 } } });
  become({ status: "exited", pid: 0 });
  expect((await samples.next()).value).toEqual({ id: "c1", name: "box" });
  become({ status: "running", pid: 8 });
  expect((await samples.next()).value).toMatchObject({ usage: { cpu: { total: 2 } } });
  expect(opened).toEqual([7, 8]);
  become(undefined);
  expect((await samples.next()).done).toBe(true);
});

test("a client that leaves ends the stream at once and nothing is read any more", async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers();
  const { stats, reads } = world({}, {}, 3_600_000);
  const leaving = new AbortController();
  const samples = stats.samples("box", { stream: true, oneShot: false }, leaving.signal)[Symbol.asyncIterator]();
  await samples.next();
  const next = samples.next();
  leaving.abort();
  expect((await next).done).toBe(true);
  expect(reads()).toBe(1);
  expect(timers()).toBe(before);
});
