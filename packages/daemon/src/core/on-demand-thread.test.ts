import { Worker } from "node:worker_threads";
import { OnDemandThread } from "./on-demand-thread.js";

interface Said { readonly id: number; readonly value: unknown }
interface Call { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }
const ECHO = `const { parentPort } = require("node:worker_threads");
parentPort.on("message", ({ id, word }) => {
  if (word === "die") process.exit(3);
  if (word === "throw") throw new Error("thrown there");
  if (word !== "keep") parentPort.postMessage({ id, value: word });
});`;

let started: Worker[], gone: number;
function thread(idleMs?: number): { thread: OnDemandThread<Call, Said>; ask: (word: string) => Promise<unknown> } {
  [started, gone] = [[], 0];
  const made = new OnDemandThread<Call, Said>({
    name: "the echo", ...(idleMs === undefined ? {} : { idleMs }), callOf: ({ id }) => id, lost: ({ reject }, error) => reject(error), gone: () => { gone++; },
    start: () => { const worker = new Worker(ECHO, { eval: true }); started.push(worker); return worker; },
    receive: ({ resolve }, { id, value }) => { made.over(id); resolve(value); },
  });
  return { thread: made, ask: (word) => new Promise((resolve, reject) => { made.begin((id, post) => { post({ id, word }); return { resolve, reject }; }); }) };
}
const exit = (worker: Worker): Promise<number> => new Promise((resolve) => { worker.once("exit", resolve); });

test("starts with the first call, answers each, and stays while it is idle", async () => {
  const { thread: echo, ask } = thread();
  expect(started).toHaveLength(0);
  expect(await Promise.all(["a", "b"].map(ask))).toEqual(["a", "b"]);
  expect([await ask("c"), started.length, echo.load, echo.over(1)]).toEqual(["c", 1, 0, false]);
  await echo.end();
  expect(gone).toBe(1);
});

test("ends when nobody called for a while, and not while a call is under way", async () => {
  const { thread: echo, ask } = thread(1);
  void ask("keep");
  await ask("a");
  expect([echo.load, gone]).toEqual([1, 0]);
  echo.over(1);
  await exit(started[0]!);
  expect(gone).toBe(1);
  expect(await ask("b")).toBe("b");
  expect(started).toHaveLength(2);
  await echo.end();
});

test.each([["die", "the echo ended"], ["throw", "thrown there"]])("calls are lost when it dies (%s), and the next has another", async (word, message) => {
  const { thread: echo, ask } = thread(60_000);
  const [kept, last] = [ask("keep"), ask(word)];
  await expect(kept).rejects.toThrow(message);
  await expect(last).rejects.toThrow(message);
  expect([echo.load, gone]).toEqual([0, 1]);
  expect(await ask("a")).toBe("a");
  await echo.end();
});

test("the end loses what is under way", async () => {
  const { thread: echo, ask } = thread(60_000);
  const kept = ask("keep").catch((e: Error) => e.message);
  await echo.end();
  expect([await kept, echo.load]).toEqual(["the echo ended", 0]);
});
