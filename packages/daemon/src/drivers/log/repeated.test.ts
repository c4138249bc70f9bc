import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Output } from "../../core/index.js";
import { JsonFileLogs } from "./json-file.js";
import { container } from "./testing/container.js";
import { withoutRepeated } from "./repeated.js";

const time = (second: number): string => `2026-01-01T00:00:0${second}.000000000Z`;
const record = (second: number, text: string): Output => ({ stream: "stdout", data: Buffer.from(`${text}\n`), time: time(second), partial: false });
const texts = (batch: readonly Output[]): string => batch.map(({ data }) => data.toString().trim()).join("");

describe("what a log does not have yet of a batch", () => {
  const batch = [record(1, "a"), record(2, "b"), record(2, "b"), record(2, "c"), record(3, "d")];
  test("begins behind the last moment of the log", () => {
    expect(texts(withoutRepeated(batch, { time: time(2), count: 3 }, undefined))).toBe("d");
    expect(texts(withoutRepeated(batch, { time: time(2), count: 2 }, undefined))).toBe("cd");
    expect(texts(withoutRepeated(batch, { time: time(3), count: 1 }, undefined))).toBe("");
  });
  test("is all of it when the log ends elsewhere", () => {
    expect(texts(withoutRepeated(batch, { time: time(9), count: 3 }, undefined))).toBe("abbcd");
  });
  test("does not count what was taken before of the same moment", () => {
    const rest = batch.slice(2);
    expect(texts(withoutRepeated(rest, { time: time(2), count: 1 }, { time: time(2), count: 1 }))).toBe("bcd");
    expect(texts(withoutRepeated(rest, { time: time(2), count: 2 }, { time: time(2), count: 1 }))).toBe("cd");
  });
});

test("a json-file that is resumed leaves out what it has, once", async () => {
  const folder = mkdtempSync(join(tmpdir(), "strata-log-"));
  const file = join(folder, "log");
  const logs = new JsonFileLogs();
  const first = await logs.open(file, {}, container);
  await first.write([record(1, "a"), record(2, "b")]);
  await first.close();
  const resumed = await logs.open(file, {}, container, { taken: undefined });
  await resumed.write([record(1, "a"), record(2, "b"), record(2, "c")]);
  await resumed.write([record(2, "b")]);
  await resumed.close();
  expect(readFileSync(file, "utf8").trim().split("\n").map((line) => (JSON.parse(line) as { log: string }).log)).toEqual(["a\n", "b\n", "c\n", "b\n"]);
  rmSync(folder, { recursive: true });
});
