import type { LogWriter, Output } from "../../core/index.js";
import { bufferOf, delivered, NonBlockingWriter } from "./delivery.js";

const record = (text: string): Output => ({ stream: "stdout", data: Buffer.from(text), time: "2026-01-01T00:00:00.000000000Z", partial: false });

/** Takes a batch when it is told to. */
class SlowWriter implements LogWriter {
  readonly texts: string[] = [];
  closed = false;
  broken = false;
  #gates: (() => void)[] = [];
  async write(records: readonly Output[]): Promise<void> {
    await new Promise<void>((resolve) => { this.#gates.push(resolve); });
    if (this.broken) throw new Error("disk full");
    this.texts.push(...records.map((r) => r.data.toString()));
  }
  async close(): Promise<void> { this.closed = true; }
  async take(): Promise<void> {
    this.#gates.shift()!();
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }
}

test("options", () => {
  expect(bufferOf({})).toBeUndefined();
  expect(bufferOf({ mode: "non-blocking" })).toBe(1 << 20);
  expect(bufferOf({ mode: "non-blocking", "max-buffer-size": "4m" })).toBe(4 << 20);
  expect(() => bufferOf({ mode: "eventual" })).toThrow("logger: logging mode not supported: eventual");
  expect(() => bufferOf({ "max-buffer-size": "4m" })).toThrow("max-buffer-size option is only supported with 'mode=non-blocking'");
  expect(() => bufferOf({ mode: "non-blocking", "max-buffer-size": "some" })).toThrow("max-buffer-size");
  const writer = new SlowWriter();
  expect(delivered(writer, { mode: "blocking" })).toBe(writer);
});

test("nobody waits for a slow log; what has no room is lost; close writes the rest", async () => {
  const slow = new SlowWriter(), writer = new NonBlockingWriter(slow, 6);
  await writer.write([record("aaa")]);
  await writer.write([record("bbb"), record("ccc"), record("ddd")]);
  const closing = writer.close();
  await slow.take();
  expect([slow.texts, slow.closed]).toEqual([["aaa"], false]);
  await slow.take();
  await closing;
  expect([slow.texts, slow.closed]).toEqual([["aaa", "bbb", "ccc"], true]);
});

test("a failure is told by the next write", async () => {
  const slow = new SlowWriter(), writer = new NonBlockingWriter(slow, 100);
  await writer.write([record("a")]);
  slow.broken = true;
  await slow.take();
  await expect(writer.write([record("b")])).rejects.toThrow("disk full");
  slow.broken = false;
  await slow.take();
  await writer.close();
  expect(slow.texts).toEqual(["b"]);
});
