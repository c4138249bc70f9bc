import { PruneTurn } from "./prune-turn.js";

test("a second prune at once is refused, a later one is not", async () => {
  const turn = new PruneTurn();
  let end = (): void => undefined;
  const first = turn.take(() => new Promise<string>((resolve) => { end = () => resolve("first"); }));
  await expect(turn.take(async () => "second")).rejects.toMatchObject({ code: "Conflict", message: "a prune operation is already running" });
  end();
  expect(await first).toBe("first");
  await expect(turn.take(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await turn.take(async () => "third")).toBe("third");
});
