import { PassThrough, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Demux } from "./demux.js";
import { frame } from "./test-support/fake-daemon.js";

async function run(chunks: Buffer[]): Promise<{ stdout: string; stderr: string }> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const sink = (into: Buffer[]): Writable => new Writable({ write: (chunk: Buffer, _e, done) => { into.push(Buffer.from(chunk)); done(); } });
  const source = new PassThrough();
  for (const chunk of chunks) source.write(chunk);
  source.end();
  await pipeline(source, new Demux(sink(out), sink(err)));
  return { stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}

const wire = Buffer.concat([frame(1, "one\n"), frame(2, "two\n"), frame(1, ""), frame(1, "three ü\n")]);

test("separates stdout and stderr", async () => {
  expect(await run([wire])).toEqual({ stdout: "one\nthree ü\n", stderr: "two\n" });
});

test("wherever the wire cuts it", async () => {
  for (let size = 1; size <= 12; size++) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < wire.length; at += size) chunks.push(wire.subarray(at, at + size));
    expect(await run(chunks)).toEqual({ stdout: "one\nthree ü\n", stderr: "two\n" });
  }
});

test("an end within a frame is an error, and so are unknown streams and the daemon's own errors", async () => {
  await expect(run([wire.subarray(0, wire.length - 1)])).rejects.toThrow("ended within a frame");
  await expect(run([wire.subarray(0, 5)])).rejects.toThrow("ended within a frame");
  await expect(run([Buffer.from("plain text, no frames")])).rejects.toThrow("unknown stream");
  await expect(run([frame(3, "log is gone")])).rejects.toThrow("error from daemon in stream: log is gone");
});

test("a slow destination holds back the source", async () => {
  let release: (() => void) | undefined;
  const slow = new Writable({ highWaterMark: 1, write: (_chunk, _e, done) => { release = done; } });
  const demux = new Demux(slow, new PassThrough());
  let accepted = false;
  demux.write(frame(1, "x".repeat(100)), () => { accepted = true; });
  await new Promise(setImmediate);
  expect(accepted).toBe(false);
  release?.();
  await new Promise(setImmediate);
  expect(accepted).toBe(true);
});
