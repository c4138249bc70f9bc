import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Output } from "../../core/index.js";
import { PipePeek } from "../../kernel/pipe-peek.js";
import { LogPipe, OUTPUT } from "./log-pipe.js";

const record = (n: number, second = n): string => `${new Date().getFullYear()}-01-01T00:00:${String(second).padStart(2, "0")}.000000000+00:00 stdout F line ${n}\n`;
const text = (batch: readonly Output[]): string => batch.map(({ data }) => data.toString()).join("");

describe("a FIFO of output", () => {
  let bundle: string;
  let peek: PipePeek;
  let writer: number;
  /** Keeps what was written while nobody reads, as a Holder does. */
  let holder: number;
  let pipe: LogPipe;
  beforeEach(() => {
    bundle = mkdtempSync(join(tmpdir(), "strata-pipe-"));
    peek = new PipePeek();
    pipe = LogPipe.create(bundle, peek);
    writer = openSync(join(bundle, OUTPUT), constants.O_WRONLY);
    holder = openSync(join(bundle, OUTPUT), constants.O_RDONLY | constants.O_NONBLOCK);
  });
  afterEach(async () => {
    pipe.destroy();
    await pipe.ended;
    closeSync(holder);
    rmSync(bundle, { recursive: true });
  });

  /** The daemon dies and another one comes. */
  async function successor(): Promise<AsyncIterator<readonly Output[]>> {
    pipe.destroy();
    await pipe.ended;
    pipe = LogPipe.reopen(bundle, peek);
    return pipe.output[Symbol.asyncIterator]();
  }
  const next = async (output: AsyncIterator<readonly Output[]>): Promise<readonly Output[]> => ((await output.next()) as { value: readonly Output[] }).value;

  test("records come once, and the end when the last writer goes", async () => {
    const output = pipe.output[Symbol.asyncIterator]();
    writeSync(writer, record(1) + record(2));
    expect(text(await next(output))).toBe("line 1\nline 2\n");
    writeSync(writer, record(3));
    expect(text(await next(output))).toBe("line 3\n");
    closeSync(writer);
    expect((await output.next()).done).toBe(true);
  });

  test("half a record waits for its other half", async () => {
    const output = pipe.output[Symbol.asyncIterator]();
    writeSync(writer, record(1) + record(2).slice(0, 40));
    expect(text(await next(output))).toBe("line 1\n");
    const second = next(output);
    setTimeout(() => writeSync(writer, record(2).slice(40)), 20);
    expect(text(await second)).toBe("line 2\n");
    closeSync(writer);
  });

  test("what was read but not dealt with comes again, whole", async () => {
    writeSync(writer, record(1) + record(2));
    expect(text(await next(pipe.output[Symbol.asyncIterator]()))).toBe("line 1\nline 2\n");
    const output = await successor();
    expect(pipe.taken).toBeUndefined();
    const again = await next(output);
    expect(text(again)).toBe("line 1\nline 2\n");
    expect(again[0]!.time).toBe(`${new Date().getFullYear()}-01-01T00:00:01.000000000Z`);
    closeSync(writer);
  });

  test("what was dealt with does not come again, and the last of it is known", async () => {
    const output = pipe.output[Symbol.asyncIterator]();
    writeSync(writer, record(1, 1) + record(2, 7) + record(3, 7));
    await next(output);
    const waiting = output.next();
    writeSync(writer, record(4, 7));
    await waiting;
    const last = output.next();
    await new Promise(setImmediate);
    const after = await successor();
    await last;
    expect(pipe.taken).toEqual({ time: `${new Date().getFullYear()}-01-01T00:00:07.000000000Z`, count: 3 });
    writeSync(writer, record(5));
    expect(text(await next(after))).toBe("line 5\n");
    closeSync(writer);
  });

  test("a daemon that dies again and again loses no byte that matters", async () => {
    writeSync(writer, record(1) + record(2));
    for (let i = 0; i < 3; i++) await next(await successor());
    expect(text(await next(await successor()))).toBe("line 1\nline 2\n");
    closeSync(writer);
  });

  test("a reader that pauses is left alone", async () => {
    pipe.output.pause();
    writeSync(writer, record(1));
    const batch = next(pipe.output[Symbol.asyncIterator]());
    const early = await Promise.race([batch, new Promise((resolve) => { setTimeout(() => resolve("paused"), 50); })]);
    expect(early).toBe("paused");
    pipe.output.resume();
    expect(text(await batch)).toBe("line 1\n");
    closeSync(writer);
  });
});
