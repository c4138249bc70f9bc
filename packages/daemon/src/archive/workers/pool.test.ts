import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { handOver } from "../../core/handover.js";
import type { TarFile } from "../../core/storage.js";
import { findProgram } from "../../kernel/spawn.js";
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

  test("chunks arrive in their order, those whose memory is taken and those that stay the sender's", async () => {
    const chunks = Array.from({ length: 40 }, (_, i) => randomBytes(1000 + i * 12_345)), all = Buffer.concat(chunks), path = join(dir, "file");
    const fd = openSync(path, "w"), job = pool.open("ingest", { fd, size: 0 });
    for (const [i, chunk] of chunks.entries()) {
      const own = Buffer.from(new ArrayBuffer(600_000), 0, chunk.length);
      chunk.copy(own);
      await job.write(i % 3 === 0 ? own : handOver(own));
      expect(own.length).toBe(i % 3 === 0 ? chunk.length : 0);
    }
    const sha256 = createHash("sha256").update(all).digest("hex");
    expect(await job.end()).toBe(sha256);
    expect(job.taken).toBe(all.length);
    closeSync(fd);
    expect(readFileSync(path).equals(all)).toBe(true);
  });

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
  describe("a tar in a file", () => {
    const noise = randomBytes(3_000_000);
    const tar = tarOf([{ name: "f", content: noise }]);
    const gzip = findProgram("gzip")!;
    const file = (bytes: Buffer, filter: TarFile["filter"]): TarFile & { found: [string, number][]; seen: number[] } => {
      const path = join(dir, "layer");
      writeFileSync(path, bytes);
      const found: [string, number][] = [], seen: number[] = [];
      return { path, filter, growth: null, found, seen, progress: (n) => seen.push(n), hashed: (sha256, length) => found.push([sha256, length]), destroy: () => undefined };
    };
    const openFiles = (): number => readdirSync("/proc/self/fd").length;
    /** The other ends of pipes are closed once the program has started, which may be after the job that wanted it was given up. */
    const nothingStaysOpen = async (before: number): Promise<void> => {
      for (let i = 0; i < 1000 && openFiles() !== before; i++) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(openFiles()).toBe(before);
    };
    const use = (source: TarFile): Promise<{ size: number }> => {
      mkdirSync(join(dir, "tree"));
      return pool.consume("apply", { root: join(dir, "tree"), whiteouts: "delete", split: join(dir, "split.gz") }, source);
    };

    test.each<[string, Buffer, TarFile["filter"]]>([["plain", tar, null], ["packed", gzipSync(tar), [gzip, "-dc"]]])("%s: is read, hashed and consumed", async (_, bytes, filter) => {
      await pool.run("remove", { path: join(dir, "nothing") });
      const before = openFiles(), source = file(bytes, filter);
      expect(await use(source)).toEqual({ size: noise.length });
      expect(source.found).toEqual([[createHash("sha256").update(tar).digest("hex"), tar.length]]);
      expect(readFileSync(join(dir, "tree/f")).equals(noise)).toBe(true);
      await nothingStaysOpen(before);
    });
    test.each<[string, Buffer, TarFile["filter"], RegExp]>([
      ["cut off", gzipSync(tar).subarray(0, 2_000_000), [gzip, "-dc"], /corrupt layer: gzip: .*unexpected end of file/],
      ["bytes behind its end", Buffer.concat([gzipSync(tar), Buffer.from("x".repeat(600))]), [gzip, "-dc"], /corrupt layer: gzip/],
      ["no tar inside", gzipSync(randomBytes(2_000_000)), [gzip, "-dc"], /tar: invalid header/],
    ])("%s: is refused, and nothing stays open or running", async (_, bytes, filter, message) => {
      await pool.run("remove", { path: join(dir, "nothing") });
      const before = openFiles(), source = file(bytes, filter);
      await expect(use(source)).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringMatching(message) });
      expect(source.found).toEqual([]);
      await nothingStaysOpen(before);
    });
    describe("that grows", () => {
      /** Writes the file portion by portion as it is asked for more; then does as `end` says. */
      const growing = (bytes: Buffer, filter: TarFile["filter"], portion: number, end: () => Promise<void> = async () => undefined): ReturnType<typeof file> => {
        const source = file(Buffer.alloc(0), filter);
        async function* growth(): AsyncGenerator<number, void> {
          for (let at = 0; at < bytes.length; await new Promise((resolve) => setImmediate(resolve))) {
            appendFileSync(source.path, bytes.subarray(at, at += portion));
            yield Math.min(at, bytes.length);
          }
          await end();
        }
        return { ...source, growth: growth() };
      };
      test.each<[string, Buffer, TarFile["filter"], number]>([
        ["plain", tar, null, 100_001], ["packed", gzipSync(tar), [gzip, "-dc"], 100_001], ["packed, in small portions", gzipSync(tar), [gzip, "-dc"], 3000],
        ["packed, in larger ones than a pipe holds", gzipSync(tar), [gzip, "-dc"], 1_500_000],
      ])("%s: is read behind the writer", async (_, bytes, filter, portion) => {
        await pool.run("remove", { path: join(dir, "nothing") });
        const before = openFiles(), source = growing(bytes, filter, portion);
        expect(await use(source)).toEqual({ size: noise.length });
        expect(source.found).toEqual([[createHash("sha256").update(tar).digest("hex"), tar.length]]);
        expect(readFileSync(join(dir, "tree/f")).equals(noise)).toBe(true);
        await nothingStaysOpen(before);
      });
      test("much comes of little", async () => {
        const zeros = tarOf([{ name: "f", content: Buffer.alloc(50_000_000) }]);
        expect(await use(growing(gzipSync(zeros), [gzip, "-dc"], 5000))).toEqual({ size: 50_000_000 });
      });
      test.each<[string, Buffer, TarFile["filter"]]>([["plain", tar, null], ["packed", gzipSync(tar), [gzip, "-dc"]]])("%s: does not end before its writer says so, and is given up when that fails", async (_, bytes, filter) => {
        await pool.run("remove", { path: join(dir, "nothing") });
        const before = openFiles();
        let written!: () => void;
        const all = new Promise<void>((resolve) => { written = resolve; });
        const source = growing(bytes, filter, 500_000, async () => {
          written();
          // All bytes are there; other work of the thread is done meanwhile.
          await pool.run("usage", { path: dir });
          throw new Error("wrong digest");
        });
        await expect(use(source)).rejects.toThrow("wrong digest");
        await all;
        expect(source.found).toEqual([]);
        await nothingStaysOpen(before);
      });
      test.each<[string, Buffer, RegExp]>([
        ["cut off", gzipSync(tar).subarray(0, 2_000_000), /corrupt layer: gzip: .*unexpected end of file/], ["no tar inside", gzipSync(randomBytes(2_000_000)), /tar: invalid header/],
        ["no gzip", randomBytes(2_000_000), /corrupt layer: gzip: .*not in gzip format/],
      ])("%s: is refused", async (_, bytes, message) => {
        await pool.run("remove", { path: join(dir, "nothing") });
        const before = openFiles();
        await expect(use(growing(bytes, [gzip, "-dc"], 100_000))).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringMatching(message) });
        await nothingStaysOpen(before);
      });
    });
    test("without its filter", async () => {
      await expect(use(file(tar, ["/no/such/program"]))).rejects.toMatchObject({ code: "ENOENT" });
    });
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
