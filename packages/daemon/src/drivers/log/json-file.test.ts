import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseSize, rfc3339Nano, type LogQuery, type Output } from "../../core/index.js";
import { JsonFileLogs } from "./json-file.js";
import { incompleteTail } from "./json-file-writer.js";
import { decodeLine, encodeLine, nineDigits } from "./json-line.js";
import { NoLogs } from "./none.js";
import { container } from "./testing/container.js";

const all: LogQuery = { follow: false, stdout: true, stderr: true };
const time = (n: number) => new Date(1_700_000_000_000 + n * 1000).toISOString().replace("Z", "000000Z");

function record(text: string, n = 0, stream: Output["stream"] = "stdout"): Output {
  return { stream, data: Buffer.from(text), time: time(n), partial: !text.endsWith("\n") };
}

async function texts(batches: AsyncIterable<readonly Output[]>): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of batches) found.push(...batch.map((r) => r.data.toString()));
  return found;
}

describe("json-file lines", () => {
  test("every byte survives, whatever the text", () => {
    for (const text of ["plain\n", "no newline", "\n", "quote \" backslash \\ \n", "tab\t\u0001\n", "ünïcode ☃ 𝄞\n", 'x","stream":"stdout","time":"2026-01-02T03:04:05.123456789Z"}\n', "ends in \\n", "a\\n\n", "\\"]) {
      for (const stream of ["stdout", "stderr"] as const) {
        const line = Buffer.from(encodeLine(text, stream, time(1)));
        expect(JSON.parse(line.toString())).toEqual({ log: text, stream, time: time(1) });
        const decoded = decodeLine(line, 0, line.length - 1)!;
        expect([decoded.data.toString(), decoded.stream, decoded.time, decoded.partial]).toEqual([text, stream, time(1), !text.endsWith("\n")]);
      }
    }
  });

  test("lines of other writers, with attributes and short times", () => {
    const line = Buffer.from('{"log":"x\\n","stream":"stderr","attrs":{"a":"b"},"time":"2026-01-02T03:04:05.1Z"}');
    expect(decodeLine(line, 0, line.length)).toMatchObject({ stream: "stderr", time: "2026-01-02T03:04:05.100000000Z", partial: false });
    expect(nineDigits("2026-01-02T03:04:05Z")).toBe("2026-01-02T03:04:05.000000000Z");
    const cut = Buffer.from('{"log":"x\\n","stre');
    expect(decodeLine(cut, 0, cut.length)).toBeNull();
  });

  test("characters that a record cuts", () => {
    for (const text of ["é", "☃", "𝄞"]) {
      const bytes = Buffer.from(`a${text}`);
      for (let keep = 2; keep < bytes.length; keep++) expect(incompleteTail(bytes.subarray(0, keep))).toBe(keep - 1);
      expect(incompleteTail(bytes)).toBe(0);
    }
  });
});

describe("json-file logs", () => {
  let dir: string, file: string, logs: JsonFileLogs;
  const never = new AbortController().signal;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "strata-log-"));
    file = join(dir, "x-json.log");
    logs = new JsonFileLogs();
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  async function fill(lines: number, options: Record<string, string> = {}): Promise<void> {
    const writer = await logs.open(file, options, container);
    for (let i = 0; i < lines; i += 100) await writer.write(Array.from({ length: Math.min(100, lines - i) }, (_, k) => record(`line ${i + k}\n`, i + k, (i + k) % 2 === 0 ? "stdout" : "stderr")));
    await writer.close();
  }

  test("whole, by stream, by time", async () => {
    await fill(10);
    expect(await texts(logs.read(file, all, never))).toEqual(Array.from({ length: 10 }, (_, i) => `line ${i}\n`));
    expect(await texts(logs.read(file, { ...all, stdout: false }, never))).toEqual([1, 3, 5, 7, 9].map((i) => `line ${i}\n`));
    expect(await texts(logs.read(file, { ...all, since: rfc3339Nano(1_700_000_007_000) }, never))).toEqual([7, 8, 9].map((i) => `line ${i}\n`));
    expect(await texts(logs.read(file, { ...all, until: rfc3339Nano(1_700_000_002_000) }, never))).toEqual([0, 1, 2].map((i) => `line ${i}\n`));
  });

  test("no file is an empty log", async () => {
    expect(await texts(logs.read(file, { ...all, tail: 3 }, never))).toEqual([]);
    expect(await texts(logs.read(file, { ...all, follow: true }, never))).toEqual([]);
  });

  test.each([0, 1, 3, 99, 100, 101, 20_000])("the last %d of 20,000 lines", async (tail) => {
    await fill(20_000, { "max-size": "-1" });
    const found = await texts(logs.read(file, { ...all, tail }, never));
    expect(found).toHaveLength(Math.min(tail, 20_000));
    if (tail > 0) expect([found[0], found.at(-1)]).toEqual([`line ${20_000 - tail}\n`, "line 19999\n"]);
  });

  test("the last lines of one stream; parts of a line count once", async () => {
    const writer = await logs.open(file, {}, container);
    await writer.write([record("a\n"), record("b1 "), record("b2 "), record("b3\n"), record("err\n", 0, "stderr"), record("c open")]);
    await writer.close();
    expect(await texts(logs.read(file, { ...all, stderr: false, tail: 2 }, never))).toEqual(["b1 ", "b2 ", "b3\n", "c open"]);
    expect(await texts(logs.read(file, { ...all, stdout: false, tail: 5 }, never))).toEqual(["err\n"]);
  });

  test("lines longer than a block", async () => {
    const long = `${"x".repeat(700_000)}\n`;
    const writer = await logs.open(file, {}, container);
    await writer.write([record("first\n"), record(long), record("last\n")]);
    await writer.close();
    expect(await texts(logs.read(file, all, never))).toEqual(["first\n", long, "last\n"]);
    expect(await texts(logs.read(file, { ...all, tail: 2 }, never))).toEqual([long, "last\n"]);
  });

  test("rotation keeps the newest files, none above its size, and tail crosses them", async () => {
    await fill(1000, { "max-size": "4k", "max-file": "3" });
    expect(readdirSync(dir).sort()).toEqual(["x-json.log", "x-json.log.1", "x-json.log.2"]);
    for (const name of readdirSync(dir)) expect(statSync(join(dir, name)).size).toBeLessThanOrEqual(4096);
    const found = await texts(logs.read(file, { ...all, tail: 70 }, never));
    expect(found).toEqual(Array.from({ length: 70 }, (_, i) => `line ${930 + i}\n`));
  });

  test("follow goes on across rotations and ends with the writer", async () => {
    const writer = await logs.open(file, { "max-size": "2k", "max-file": "100" }, container);
    await writer.write([record("line 0\n")]);
    const following = texts(logs.read(file, { ...all, follow: true }, never));
    for (let i = 1; i < 500; i++) {
      await writer.write([record(`line ${i}\n`)]);
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await writer.close();
    expect(await following).toEqual(Array.from({ length: 500 }, (_, i) => `line ${i}\n`));
  });

  test("follow ends with its signal, and at until", async () => {
    const writer = await logs.open(file, {}, container);
    const controller = new AbortController();
    const following = texts(logs.read(file, { ...all, follow: true }, controller.signal));
    await writer.write([record("one\n")]);
    const timed = texts(logs.read(file, { ...all, follow: true, until: rfc3339Nano(Date.now() + 30) }, never));
    expect(await timed).toEqual(["one\n"]);
    controller.abort();
    expect(await following).toEqual(["one\n"]);
    await writer.close();
  });

  test("a file that a crash cut short: the whole lines count", async () => {
    await fill(3);
    writeFileSync(file, readFileSync(file).subarray(0, -20));
    expect(await texts(logs.read(file, all, never))).toEqual(["line 0\n", "line 1\n"]);
    const writer = await logs.open(file, {}, container);
    await writer.write([record("after\n")]);
    await writer.close();
    expect(await texts(logs.read(file, all, never))).toEqual(["line 0\n", "line 1\n", "after\n"]);
  });

  test("a character that two records share", async () => {
    const writer = await logs.open(file, {}, container);
    const snow = Buffer.from("☃");
    await writer.write([{ ...record("x"), data: snow.subarray(0, 1), partial: true }]);
    await writer.write([{ ...record("x\n"), data: Buffer.concat([snow.subarray(1), Buffer.from("\n")]), partial: false }]);
    await writer.close();
    expect((await texts(logs.read(file, all, never))).join("")).toBe("☃\n");
  });

  test("options", () => {
    expect(parseSize("max-size", "10m")).toBe(10 << 20);
    expect(parseSize("max-size", "1.5k")).toBe(1536);
    expect(() => logs.check({ "max-size": "lots" })).toThrow("max-size");
    expect(() => logs.check({ "max-file": "0" })).toThrow("max-file cannot be less than 1");
    expect(() => logs.check({ colour: "red" })).toThrow("unknown log opt 'colour' for json-file log driver");
    expect(() => new NoLogs().read(file, all, never)).toThrow("does not support reading");
  });
});
