import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { LogQuery, Output } from "../../core/index.js";
import { JsonFileLogs, LocalLogs } from "./json-file.js";
import { jsonFileRotation, localRotation } from "./options.js";
import { container } from "./testing/container.js";

const all: LogQuery = { follow: false, stdout: true, stderr: true };
const never = new AbortController().signal;
const time = (n: number): string => new Date(1_700_000_000_000 + n * 1000).toISOString().replace("Z", "000000Z");
const record = (n: number): Output => ({ stream: "stdout", data: Buffer.from(`line ${n}\n`), time: time(n), partial: false });
const lines = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`);

async function texts(batches: AsyncIterable<readonly Output[]>): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of batches) found.push(...batch.map((r) => r.data.toString()));
  return found;
}

let dir: string, file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "strata-log-"));
  file = join(dir, "sub", "log");
});
afterEach(() => rmSync(dir, { recursive: true }));

test("both drivers are bounded, whatever is left out", () => {
  expect(jsonFileRotation({})).toEqual({ maxSize: 10 << 20, maxFiles: 3, compress: false });
  expect(jsonFileRotation({ "max-size": "1m" })).toEqual({ maxSize: 1 << 20, maxFiles: 1, compress: false });
  expect(jsonFileRotation({ "max-file": "4", compress: "true" })).toEqual({ maxSize: 10 << 20, maxFiles: 4, compress: true });
  expect(localRotation({})).toEqual({ maxSize: 20 << 20, maxFiles: 5, compress: true });
  expect(localRotation({ "max-file": "1" })).toEqual({ maxSize: 20 << 20, maxFiles: 1, compress: false });
  expect(() => jsonFileRotation({ "max-size": "1m", compress: "true" })).toThrow("compress cannot be true when max-file is less than 2 or max-size is not set");
  expect(() => localRotation({ compress: "maybe" })).toThrow('invalid value for compress: "maybe" is neither true nor false');
});

async function fill(logs: LocalLogs, count: number, options: Record<string, string>): Promise<void> {
  const writer = await logs.open(file, options, container);
  for (let i = 0; i < count; i += 10) await writer.write(Array.from({ length: 10 }, (_, k) => record(i + k)));
  await writer.close();
}

test("full files are packed; all, tail, since and until read through them", async () => {
  const logs = new LocalLogs();
  await fill(logs, 1000, { "max-size": "16k", "max-file": "9" });
  const names = readdirSync(join(dir, "sub")).sort();
  expect(names.slice(0, 3)).toEqual(["log", "log.1.gz", "log.2.gz"]);
  expect(names.every((name) => name === "log" || name.endsWith(".gz"))).toBe(true);
  expect(gunzipSync(readFileSync(`${file}.1.gz`)).toString()).toContain('"log":"line ');
  expect(await texts(logs.read(file, all, never))).toEqual(lines(0, 1000));
  expect(await texts(logs.read(file, { ...all, tail: 700 }, never))).toEqual(lines(300, 1000));
  expect(await texts(logs.read(file, { ...all, since: time(990) }, never))).toEqual(lines(990, 1000));
  expect(await texts(logs.read(file, { ...all, until: time(9) }, never))).toEqual(lines(0, 10));
  expect(readdirSync(join(dir, "sub")).sort()).toEqual(names);
});

test("the oldest go, packed or not", async () => {
  const logs = new LocalLogs();
  await fill(logs, 1000, { "max-size": "8k", "max-file": "3" });
  expect(readdirSync(join(dir, "sub")).sort()).toEqual(["log", "log.1.gz", "log.2.gz"]);
  const found = await texts(logs.read(file, all, never));
  expect(found).toEqual(lines(1000 - found.length, 1000));
  await fill(logs, 1000, { "max-size": "8k", "max-file": "3", compress: "false" });
  expect(readdirSync(join(dir, "sub")).sort()).toEqual(["log", "log.1", "log.2"]);
});

test("who follows misses nothing while files are packed", async () => {
  const logs = new LocalLogs();
  const writer = await logs.open(file, { "max-size": "2k", "max-file": "100" }, container);
  await writer.write([record(0)]);
  const following = texts(logs.read(file, { ...all, follow: true }, never));
  for (let i = 1; i < 500; i++) await writer.write([record(i)]);
  await writer.close();
  expect(await following).toEqual(lines(0, 500));
});

test("what a crash left of packing does no harm", async () => {
  const logs = new LocalLogs();
  await fill(logs, 100, { compress: "false", "max-size": "4k" });
  writeFileSync(`${file}.1.packing`, "half");
  expect(existsSync(`${file}.1`)).toBe(true);
  expect(await texts(logs.read(file, all, never))).toEqual(lines(0, 100));
  await fill(logs, 100, { "max-size": "4k" });
  expect((await texts(logs.read(file, { ...all, tail: 100 }, never)))).toEqual(lines(0, 100));
});

test("json-file notes what it is told of the container, and gives it back", async () => {
  const logs = new JsonFileLogs();
  const writer = await logs.open(file, { labels: "colour", env: "STAGE", tag: "{{.Name}}" }, container);
  await writer.write([record(1)]);
  await writer.close();
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ log: "line 1\n", stream: "stdout", attrs: { colour: "blue", STAGE: "test", tag: "box" }, time: time(1) });
  for await (const [found] of logs.read(file, all, never)) expect(found).toMatchObject({ time: time(1), attributes: { colour: "blue", STAGE: "test", tag: "box" } });
});
