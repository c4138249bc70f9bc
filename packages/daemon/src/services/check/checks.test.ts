import { type CheckRun, Conflict, type Found, type Inspector, silentLogger, systemClock } from "../../core/index.js";
import { LocalEvents } from "../events.js";
import { Checks } from "./checks.js";
import { Pace } from "./pace.js";
import { Scrub } from "./scrub.js";
import type { CheckLine, CheckOptions } from "./types.js";

const found = (id: string, more: Partial<Found> = {}): Found => ({ kind: "snapshot", id, problem: "orphan", detail: "why", images: [], ...more });
const inspector = (about: string, inspect: Inspector["inspect"]): Inspector => ({ about, inspect });
const never = new AbortController().signal;

function bench(...inspectors: Inspector[]) {
  const runs: CheckRun[] = [], notified: string[] = [], events = new LocalEvents(systemClock), emitted: string[] = [];
  events.on(({ action, attributes }) => emitted.push(`${action} ${attributes["found"]}`));
  const checks = new Checks({
    inspectors, runs: { add: (run) => runs.push(run), list: () => runs }, refetcher: { fetch: async ({ id }) => id === "fetched" }, collector: { notify: (e) => notified.push(e) }, events, id: "d", clock: systemClock, logger: silentLogger,
  });
  return { checks, runs, notified, emitted };
}
const options = (more: Partial<CheckOptions> = {}): CheckOptions => ({ deep: false, repair: false, rate: 0, signal: never, ...more });
async function all(lines: AsyncIterable<CheckLine>): Promise<CheckLine[]> {
  const seen: CheckLine[] = [];
  for await (const line of lines) seen.push(line);
  return seen;
}

test("tells what it looks at, what it finds, and keeps the report", async () => {
  const { checks, runs, emitted } = bench(inspector("one", async function* () { yield { current: 1, total: 2 }; yield found("a"); }), inspector("two", async function* () { /* nothing */ }));
  const lines = await all(checks.begin(options()));
  const finding = { kind: "snapshot", id: "a", problem: "orphan", detail: "why", images: [], repaired: false };
  expect(lines).toEqual([{ part: "one" }, { part: "one", current: 1, total: 2 }, { finding }, { part: "two" }, { report: expect.objectContaining({ found: 1, repaired: 0, findings: [finding], unchecked: [], scheduled: false }) as CheckRun }]);
  expect(runs).toHaveLength(1);
  expect(emitted).toEqual(["check 1"]);
});

test("repairs by whoever knows how, and says why not", async () => {
  const { checks, notified } = bench(inspector("one", async function* () {
    yield found("mended", { mend: async () => true });
    yield found("stuck", { mend: async () => { throw new Error("EBUSY"); } });
    yield found("fetched");
    yield found("lost");
  }));
  const lines = await all(checks.begin(options({ repair: true })));
  expect(lines.flatMap((line) => ("finding" in line ? [[line.finding.id, line.finding.repaired, line.finding.detail]] : []))).toEqual([
    ["mended", true, "why"], ["stuck", false, "why; it could not be repaired: EBUSY"], ["fetched", true, "why"], ["lost", false, "why"],
  ]);
  expect(notified).toEqual(["deletion"]);
});

test("a part that fails is told, and does not keep the others", async () => {
  const { checks } = bench(inspector("one", async function* () { yield found("a"); throw new Error("broken"); }), inspector("two", async function* () { yield found("b"); }));
  expect((await all(checks.begin(options()))).at(-1)).toMatchObject({ report: { found: 2, unchecked: ["one: broken"] } });
});

test("one at a time; whoever leaves, or aborts, frees the place", async () => {
  const { checks, runs } = bench(inspector("one", async function* ({ read }) { for (let i = 0; ; i++) { await read(1); yield { current: i, total: 0 }; } }));
  const abort = new AbortController();
  const lines = checks.begin(options({ signal: abort.signal }));
  expect(() => checks.begin(options())).toThrow(Conflict);
  abort.abort();
  await expect(all(lines)).rejects.toThrow(/abort/);
  for await (const line of checks.begin(options())) if ("current" in line && line.current === 3) break;
  checks.begin(options());
  expect(runs).toEqual([]);
});

test("a scheduled check gives way, and is marked", async () => {
  const { checks, runs } = bench(inspector("one", async function* () { yield found("a"); }));
  const scrub = new Scrub(checks, silentLogger);
  const busy = checks.begin(options());
  await scrub.run({ schedule: "* * * * *", deep: true, rate: 5 });
  expect(runs).toEqual([]);
  await all(busy);
  await scrub.run({ schedule: "* * * * *", deep: true, rate: 5 });
  expect(runs.map(({ scheduled, deep }) => [scheduled, deep])).toEqual([[false, false], [true, true]]);
  await scrub.close();
});

test("a pace is kept over pieces of any size, and saves nothing up", async () => {
  const pace = new Pace(1_000_000, never), start = performance.now();
  for (let i = 0; i < 20; i++) await pace.read(10_000);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await pace.read(100_000);
  expect(performance.now() - start).toBeGreaterThan(370);
  const abort = new AbortController(), waiting = new Pace(1, abort.signal).read(1000);
  abort.abort();
  await expect(waiting).rejects.toThrow(/abort/);
});
