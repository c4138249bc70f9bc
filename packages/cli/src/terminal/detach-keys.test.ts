import { DetachFilter, parseDetachKeys } from "./detach-keys.js";

async function pass(keys: string, ...chunks: string[]): Promise<{ out: string; detached: boolean }> {
  const filter = new DetachFilter(parseDetachKeys(keys));
  for (const chunk of chunks) filter.write(chunk);
  filter.end();
  let out = "";
  for await (const chunk of filter) out += String(chunk);
  return { out, detached: filter.detached };
}

test("keys", () => {
  expect([...parseDetachKeys()]).toEqual([16, 17]);
  expect([...parseDetachKeys("ctrl-],x,ctrl-@,ctrl-_")]).toEqual([29, 120, 0, 31]);
  expect(() => parseDetachKeys("ctrl-1")).toThrow("Unknown character: 'ctrl-1'");
});

test("the keys in a row detach, wherever they are cut", async () => {
  expect(await pass("ctrl-p,ctrl-q", "ab\x10\x11cd")).toEqual({ out: "ab", detached: true });
  expect(await pass("ctrl-p,ctrl-q", "ab\x10", "\x11")).toEqual({ out: "ab", detached: true });
  expect(await pass("a,a,b", "aaab")).toEqual({ out: "a", detached: true });
});

test("a beginning that leads nowhere is passed on", async () => {
  expect(await pass("ctrl-p,ctrl-q", "a\x10b\x11\x10")).toEqual({ out: "a\x10b\x11\x10", detached: false });
  expect(await pass("ctrl-p,ctrl-q", "\x10\x10\x11")).toEqual({ out: "\x10", detached: true });
});
