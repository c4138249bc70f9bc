import type { Clock, StrataEvent } from "../core/index.js";
import { eventFilter } from "./events-filter.js";
import { LocalEvents } from "./events.js";

const clock = (now = 1000): Clock & { set(ms: number): void } => ({ now: () => now, set: (ms) => { now = ms; } });
const event = (action: string, more: Partial<StrataEvent> = {}) => ({ type: "container" as const, action, id: "c1", attributes: {}, ...more });
async function collect(events: AsyncIterable<StrataEvent>): Promise<string[]> {
  const actions = [];
  for await (const e of events) actions.push(e.action);
  return actions;
}

describe("LocalEvents", () => {
  test("a subscriber takes part from the call on, in order, until the signal", async () => {
    const events = new LocalEvents(clock());
    const abort = new AbortController();
    events.emit(event("before"));
    const live = events.subscribe({ signal: abort.signal });
    events.emit(event("a"));
    events.emit(event("b"));
    abort.abort();
    events.emit(event("after"));
    expect(await collect(live)).toEqual(["a", "b"]);
    expect(events.subscribers).toBe(0);
  });
  test("wakes a waiting reader", async () => {
    const events = new LocalEvents(clock());
    const abort = new AbortController();
    const first = events.subscribe({ signal: abort.signal })[Symbol.asyncIterator]().next();
    events.emit(event("x"));
    expect((await first).value).toMatchObject({ action: "x", id: "c1" });
    abort.abort();
  });
  test("past events between since and until, then the end", async () => {
    const time = clock();
    const events = new LocalEvents(time);
    for (const at of [1000, 2000, 3000]) {
      time.set(at);
      events.emit(event(String(at)));
    }
    time.set(5000);
    expect(await collect(events.subscribe({ since: 1500, until: 3500, signal: new AbortController().signal }))).toEqual(["2000", "3000"]);
  });
  test("times never repeat", () => {
    const events = new LocalEvents(clock());
    const times: number[] = [];
    events.on((e) => times.push(e.time));
    for (let i = 0; i < 5; i++) events.emit(event("x"));
    expect(new Set(times).size).toBe(5);
  });
  test("old events are forgotten, the last thousands are not", async () => {
    const events = new LocalEvents(clock());
    for (let i = 0; i < 20_000; i++) events.emit(event(String(i)));
    const held = await collect(events.subscribe({ since: 0, until: 1, signal: new AbortController().signal }));
    expect(held).toEqual([]);
    const all = await collect(events.subscribe({ since: 0, until: 999_999, signal: AbortSignal.abort() }));
    expect(all.at(-1)).toBe("19999");
    expect(all.length).toBeGreaterThanOrEqual(4096);
    expect(all.length).toBeLessThan(8200);
  });
  test("a subscriber that never reads is let go", async () => {
    const events = new LocalEvents(clock());
    const slow = events.subscribe({ signal: new AbortController().signal });
    for (let i = 0; i < 9000; i++) events.emit(event("x"));
    expect(events.subscribers).toBe(0);
    await expect(collect(slow)).rejects.toThrow("faster than they were read");
  });
  test("leaving a loop ends the subscription; a listener can be taken off", async () => {
    const events = new LocalEvents(clock());
    const live = events.subscribe({ signal: new AbortController().signal });
    events.emit(event("x"));
    for await (const e of live) if (e.action === "x") break;
    expect(events.subscribers).toBe(0);
    const seen: string[] = [];
    const off = events.on((e) => seen.push(e.action));
    events.emit(event("1"));
    off();
    events.emit(event("2"));
    expect(seen).toEqual(["1"]);
  });
});

describe("eventFilter", () => {
  const start: StrataEvent = { ...event("start"), attributes: { name: "web", image: "busybox:1", tier: "front" }, time: 0 };
  const pull: StrataEvent = { type: "image", action: "pull", id: "busybox:1", attributes: { name: "busybox" }, time: 0 };
  test.each<[Record<string, string[]>, boolean, boolean]>([
    [{}, true, true],
    [{ type: ["container"] }, true, false],
    [{ type: ["container", "image"] }, true, true],
    [{ event: ["start", "pull"] }, true, true],
    [{ container: ["web"] }, true, false],
    [{ container: ["c1"] }, true, false],
    [{ container: ["other"] }, false, false],
    [{ image: ["busybox"] }, true, true],
    [{ image: ["busybox:1"] }, true, true],
    [{ image: ["alpine"] }, false, false],
    [{ label: ["tier=front"] }, true, false],
    [{ label: ["tier"] }, true, false],
    [{ label: ["tier=back"] }, false, false],
    [{ scope: ["local"] }, true, true],
    [{ scope: ["swarm"] }, false, false],
    [{ type: ["container"], event: ["die"] }, false, false],
  ])("%j", (filters, a, b) => {
    const matches = eventFilter(new Map(Object.entries(filters)));
    expect([matches(start), matches(pull)]).toEqual([a, b]);
  });
  test("an exec's event matches without its command", () => {
    expect(eventFilter(new Map([["event", ["exec_start"]]]))({ ...start, action: "exec_start: ls" })).toBe(true);
  });
  test("an unknown filter is refused", () => {
    expect(() => eventFilter(new Map([["colour", ["red"]]]))).toThrow("invalid filter 'colour'");
  });
});
