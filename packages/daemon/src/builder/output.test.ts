import { OrderedOutput } from "./output.js";

const made = (stages: number): { said: string[]; output: OrderedOutput; room: (open: boolean) => void } => {
  const said: string[] = [];
  let ready = true, drain: () => void = () => undefined;
  return {
    said, room: (open) => { ready = open; if (open) drain(); },
    output: new OrderedOutput(stages, { write: (text) => { said.push(text); return ready; }, drained: () => (ready ? Promise.resolve() : new Promise((resolve) => { drain = resolve; })) }),
  };
};

test("stages speak in their order, the first that is not over as it happens", () => {
  const { said, output } = made(3), [one, two, three] = [0, 1, 2].map((at) => output.stage(at)) as [ReturnType<OrderedOutput["stage"]>, ReturnType<OrderedOutput["stage"]>, ReturnType<OrderedOutput["stage"]>];
  three.write("c1");
  two.write("b1");
  one.write("a1");
  two.end();
  expect(said).toEqual(["a1"]);
  one.end();
  expect(said).toEqual(["a1", "b1", "c1"]);
  three.write("c2");
  expect(said.at(-1)).toBe("c2");
});

test("a stage whose turn has not come is told to wait once it has said much, and may go on when its turn comes", async () => {
  const { output } = made(2), one = output.stage(0), two = output.stage(1);
  expect([two.write("x"), two.write("y".repeat(1 << 20))]).toEqual([true, false]);
  let waited = false;
  const waiting = two.drained().then(() => { waited = true; });
  await new Promise((resolve) => setImmediate(resolve));
  expect(waited).toBe(false);
  one.end();
  await waiting;
  expect(two.write("z")).toBe(true);
});

test("a slow listener is waited for", async () => {
  const { output, room } = made(1), one = output.stage(0);
  room(false);
  expect(one.write("x")).toBe(false);
  const waiting = one.drained();
  room(true);
  await waiting;
});
