import { Limiter } from "./limiter.js";

const settled = async (p: Promise<unknown>): Promise<boolean> => {
  let done = false;
  p.then(() => { done = true; }, () => { done = true; });
  await new Promise((resolve) => setImmediate(resolve));
  return done;
};

test("places are given in order, given back once, and left by who gives up", async () => {
  const limiter = new Limiter(1);
  let waits = 0;
  const first = await limiter.acquire();
  const abort = new AbortController();
  const second = limiter.acquire(abort.signal, () => waits++), third = limiter.acquire(undefined, () => waits++);
  expect(waits).toBe(2);
  abort.abort(new Error("enough"));
  await expect(second).rejects.toThrow("enough");
  first();
  first();
  const release = await third;
  const fourth = limiter.acquire();
  expect(await settled(fourth)).toBe(false);
  release();
  (await fourth)();
  await expect(limiter.acquire(AbortSignal.abort(new Error("before")))).rejects.toThrow("before");
});

test("a new limit holds from now on", async () => {
  const limiter = new Limiter(2);
  const held = [await limiter.acquire(), await limiter.acquire()];
  const third = limiter.acquire();
  limiter.limit = 3;
  held.push(await third);
  limiter.limit = 1;
  const fourth = limiter.acquire();
  held[0]!();
  held[1]!();
  expect(await settled(fourth)).toBe(false);
  held[2]!();
  (await fourth)();
});
