import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { tarOf } from "../testing/tar-of.js";
import { WorkerPool } from "./pool.js";

const root = process.getuid?.() === 0;
(root ? describe : describe.skip)(`worker pool${root ? "" : " (skipped: unpacking needs root)"}`, () => {
  let dir: string, pool: WorkerPool;
  beforeEach(() => { dir = mkdtempSync(join(tmpdir(), "strata-pool-")); pool = new WorkerPool({ size: 1 }); });
  afterEach(async () => { await pool.close(); rmSync(dir, { recursive: true, force: true }); });
  const apply = (name: string, tar: Readable): Promise<{ size: number }> => {
    mkdirSync(join(dir, name));
    return pool.consume("apply", { root: join(dir, name), whiteouts: "delete", split: join(dir, `${name}.gz`) }, tar);
  };
  const tree = (): string => {
    mkdirSync(join(dir, "big"));
    for (let i = 0; i < 8; i++) writeFileSync(join(dir, "big", String(i)), Buffer.alloc(2 << 20, i));
    return join(dir, "big");
  };

  test("streams that nobody reads, and sources that give nothing, hold up nothing on the same thread", async () => {
    const path = tree();
    const args = { root: path, kind: "plain", sparse: false, withRoot: false } as const;
    const unread = Array.from({ length: 5 }, () => pool.produce("treeTar", args));
    for (const stream of unread) stream.read(1);
    const silent = new PassThrough();
    const waiting = apply("waiting", silent);
    expect(await apply("done", Readable.from([tarOf([{ name: "f", content: "x" }])]))).toEqual({ size: 1 });
    let size = 0;
    for await (const chunk of pool.produce("treeTar", args)) size += (chunk as Buffer).length;
    expect(size).toBeGreaterThan(8 * (2 << 20));
    for (const stream of unread) stream.destroy();
    silent.end(tarOf([{ name: "g", content: "xy" }]));
    expect(await waiting).toEqual({ size: 2 });
  });
  test("a stream begins only when it is read", async () => {
    const stream = pool.produce("treeTar", { root: join(dir, "not-yet"), kind: "plain", sparse: false, withRoot: false });
    mkdirSync(join(dir, "not-yet"));
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks)).toEqual(Buffer.alloc(1024));
  });
  test("an error keeps its class, code and message over the threads", async () => {
    await expect(apply("bad", Readable.from([Buffer.alloc(600, "x")]))).rejects.toMatchObject({ name: "InvalidArgument", code: "InvalidArgument", message: expect.stringContaining("tar: invalid header") });
    const missing = pool.produce("treeTar", { root: join(dir, "missing"), kind: "plain", sparse: false, withRoot: false });
    await expect(missing.toArray()).rejects.toMatchObject({ code: "ENOENT", syscall: "openat", path: join(dir, "missing") });
  });
  test("a thread that ends fails its jobs, and the next job gets a new one", async () => {
    const source = new PassThrough();
    const lost = apply("lost", source);
    const failed = expect(lost).rejects.toThrow("the worker thread ended");
    source.write(tarOf([{ name: "f" }]).subarray(0, 512));
    await pool.close();
    await failed;
    expect(source.destroyed).toBe(true);
    expect(await apply("next", Readable.from([tarOf([])]))).toEqual({ size: 0 });
  });
  test("an idle thread ends by itself", async () => {
    const quick = new WorkerPool({ size: 2, idleMs: 0 });
    writeFileSync(join(dir, "f"), "");
    const before = readdirSync("/proc/self/task").length;
    await quick.run("remove", { path: join(dir, "f") });
    while (readdirSync("/proc/self/task").length > before) await new Promise((resolve) => setTimeout(resolve, 5));
    await quick.run("remove", { path: join(dir, "f") });
    await quick.close();
  });
});
