import { humanSize } from "./status.js";

test("sizes as docker info has them", () => {
  expect([0, 65536, 10 * 2 ** 30, 100 * 2 ** 30, 999, 1000, 1.5e15].map(humanSize)).toEqual(["0B", "65.54kB", "10.74GB", "107.4GB", "999B", "1kB", "1.5PB"]);
});
