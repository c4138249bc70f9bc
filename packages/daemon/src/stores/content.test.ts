import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type Descriptor, digestOf, hexOf } from "@strata/oci";
import { Conflict, type DataRoot, DataLoss, handOver, type Lease, NotFound, silentLogger } from "../core/index.js";
import { type Stores, openStores } from "../open-stores.js";
import { FakeDriver, stream } from "./testing/fake-driver.js";
import { FakeMounter, TestClock, temporaryRoot } from "./testing/fixtures.js";

let root: DataRoot, remove: () => void, clock: TestClock, stores: Stores, lease: Lease;
const open = (): Stores => openStores({ root, drivers: new Map([["fake", new FakeDriver(root.driver("fake"))]]), defaultDriver: "fake", mounter: new FakeMounter(), clock, logger: silentLogger });
beforeEach(() => {
  ({ root, remove } = temporaryRoot());
  clock = new TestClock();
  stores = open();
  lease = stores.leases.open("test");
});
afterEach(async () => { await stores.close(); remove(); });

/** The daemon dies and starts again. */
async function restart(): Promise<void> {
  stores.ledger.close();
  stores = open();
  await stores.collector.recover();
  lease = stores.leases.open("test");
}
async function text(body: Readable): Promise<string> {
  let all = "";
  for await (const chunk of body) all += String(chunk);
  return all;
}
const describe_ = (content: string): Descriptor => ({ mediaType: "text/plain", digest: digestOf(content), size: Buffer.byteLength(content) });
const blobs = (): string[] => readdirSync(root.blobs);
const ingests = (): string[] => readdirSync(root.ingests);

describe("put", () => {
  test("stores a body, and the same again", async () => {
    const expected = describe_("hello world");
    expect(await stores.content.put(stream("hello ", "world"), lease, { mediaType: "text/plain" })).toEqual(expected);
    expect(await stores.content.put(stream("hello ", "world"), lease)).toEqual({ ...expected, mediaType: "application/octet-stream" });
    expect(await stores.content.put(Buffer.from("hello world"), lease)).toEqual(expected);
    const unread = stream("never read");
    expect(await stores.content.put(unread, lease, expected)).toEqual(expected);
    expect(unread.destroyed).toBe(true);
    expect(stores.content.stat(expected.digest)).toEqual(expected);
    expect([...stores.content.list()]).toEqual([expected]);
    expect(blobs()).toEqual([hexOf(expected.digest)]);
    expect(ingests()).toEqual([]);
    expect((await stores.content.read(expected.digest)).toString()).toBe("hello world");
  });

  test("nothing is kept of what does not match", async () => {
    const good = describe_("good");
    for (const [body, expected] of [[stream("bad!"), good], [stream("good, and more"), good], [stream("goo"), good], [Buffer.from("bad!"), good], [Buffer.from("good"), { ...good, size: 5 }]] as const) {
      await expect(stores.content.put(body, lease, expected)).rejects.toThrow(DataLoss);
    }
    const breaking = Readable.from((async function* () { yield Buffer.from("go"); throw new Error("connection lost"); })());
    await expect(stores.content.put(breaking, lease, good)).rejects.toThrow("connection lost");
    expect([...blobs(), ...ingests()]).toEqual([]);
    expect(stores.ledger.sql("SELECT * FROM ingest").all()).toEqual([]);
  });

  test("needs a lease", async () => {
    stores.leases.close(lease);
    await expect(stores.content.put(Buffer.from("x"), lease)).rejects.toThrow(Conflict);
    expect([...blobs(), ...ingests()]).toEqual([]);
  });

  test("many writers of the same content make one blob", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => stores.content.put(stream("sa", "me"), lease)));
    expect(new Set(all.map((d) => d.digest)).size).toBe(1);
    expect(blobs()).toHaveLength(1);
    expect(ingests()).toEqual([]);
  });
});

describe("reading", () => {
  test("verifies, also from an offset", async () => {
    const { digest } = await stores.content.put(Buffer.from("0123456789"), lease);
    expect(await text(await stores.content.open(digest))).toBe("0123456789");
    expect(await text(await stores.content.open(digest, 4))).toBe("456789");
    expect(await text(await stores.content.open(digest, 10))).toBe("");
    const empty = await stores.content.put(Buffer.alloc(0), lease);
    expect((await stores.content.read(empty.digest)).length).toBe(0);
  });

  test.each<[string, (path: string) => void]>([
    ["changed", (path) => writeFileSync(path, "012345678X")],
    ["truncated", (path) => truncateSync(path, 5)],
    ["grown", (path) => writeFileSync(path, "0123456789+")],
  ])("a blob that was %s fails before its end", async (_, harm) => {
    const { digest } = await stores.content.put(Buffer.from("0123456789"), lease);
    harm(join(root.blobs, hexOf(digest)));
    let seen = "";
    await expect((async () => { for await (const chunk of await stores.content.open(digest)) seen += String(chunk); })()).rejects.toThrow(DataLoss);
    expect(seen.length).toBeLessThan(10);
    await expect(stores.content.read(digest)).rejects.toThrow(DataLoss);
  });

  test("absent is NotFound; in the tables but not on disk is DataLoss", async () => {
    await expect(stores.content.open(digestOf("nope"))).rejects.toThrow(NotFound);
    stores.ledger.sql<[string]>("INSERT INTO blob (digest, media_type, size, created_at) VALUES (?, 't', 1, 0)").run(digestOf("lost"));
    await expect(stores.content.read(digestOf("lost"))).rejects.toThrow(/its file is missing/);
  });
});

describe("ingests", () => {
  const blob = describe_("abcdefghij");

  test("whose directory a power cut took are forgotten at the start", async () => {
    const ingest = await stores.content.ingest("layer x", blob, lease);
    await ingest.write(Buffer.from("abc"));
    await ingest.abort(true);
    for (const id of ingests()) rmSync(join(root.ingests, id), { recursive: true });
    await restart();
    expect(stores.ledger.sql("SELECT id FROM ingest").all()).toEqual([]);
    const again = await stores.content.ingest("layer x", blob, lease);
    expect(again.offset).toBe(0);
    await again.abort(false);
  });

  test("count chunks whose memory they take", async () => {
    const large = Buffer.alloc(3 << 20, "x"), ingest = await stores.content.ingest("layer large", { digest: digestOf(large), size: large.length, mediaType: "application/x" }, lease);
    for (let at = 0; at < large.length; at += 1 << 20) {
      const chunk = handOver(Buffer.from(new ArrayBuffer(1 << 20)).fill("x"));
      await ingest.write(chunk);
      expect([chunk.length, ingest.offset]).toEqual([0, at + (1 << 20)]);
    }
    await ingest.commit(lease);
    expect(stores.content.stat(digestOf(large))).toMatchObject({ size: large.length });
  });

  test("go on where they were after a drop and after a restart", async () => {
    let ingest = await stores.content.ingest("layer x", blob, lease);
    expect(ingest.offset).toBe(0);
    await ingest.write(Buffer.from("abc"));
    await ingest.abort(true);
    ingest = await stores.content.ingest("layer x", blob, lease);
    expect(ingest.offset).toBe(3);
    await ingest.write(Buffer.from("def"));
    await restart();
    await ingest.abort(true);
    expect(readFileSync(ingest.path, "utf8")).toBe("abcdef");
    ingest = await stores.content.ingest("layer x", blob, lease);
    expect(ingest.offset).toBe(6);
    await ingest.write(Buffer.from("ghij"));
    expect(await ingest.commit(lease)).toEqual(blob);
    expect(ingests()).toEqual([]);
    const again = await stores.content.ingest("layer x", blob, lease);
    expect(again.offset).toBe(10);
    expect(readFileSync(again.path, "utf8")).toBe("abcdefghij");
    await again.check();
    expect(await again.commit(lease)).toEqual(blob);
    await again.abort(false);
    expect((await stores.content.read(blob.digest)).toString()).toBe("abcdefghij");
  });

  test("a kept blob that is damaged is found by the check, and goes", async () => {
    await stores.content.put(Readable.from([Buffer.from("abcdefghij")]), lease, blob);
    for (const damaged of ["abcdefghiX", "abc", undefined]) {
      const kept = await stores.content.ingest("r", blob, lease);
      expect(kept.offset).toBe(10);
      if (damaged === undefined) rmSync(kept.path);
      else writeFileSync(kept.path, damaged);
      await expect(kept.check()).rejects.toThrow(DataLoss);
      expect([stores.content.stat(blob.digest), blobs()]).toEqual([undefined, []]);
      const anew = await stores.content.ingest("r", blob, lease);
      expect(anew.offset).toBe(0);
      await anew.write(Buffer.from("abcdefghij"));
      await anew.commit(lease);
    }
  });

  test("a second caller of a ref waits for the first, and finds what it left", async () => {
    const first = await stores.content.ingest("r", blob, lease);
    const order: string[] = [];
    const second = stores.content.ingest("r", blob, lease).then((i) => { order.push("second"); return i; });
    const other = await stores.content.ingest("other", blob, lease);
    await other.abort(false);
    await first.write(Buffer.from("abcde"));
    order.push("first done");
    await first.abort(true);
    const next = await second;
    expect(order).toEqual(["first done", "second"]);
    expect(next.offset).toBe(5);
    const third = stores.content.ingest("r", blob, lease);
    await next.write(Buffer.from("fghij"));
    await next.commit(lease);
    expect((await third).offset).toBe(10);
  });

  test("check verifies and keeps; abort then drops, commit then stores", async () => {
    const applied = await stores.content.ingest("r", blob, lease);
    await applied.write(Buffer.from("abcdefghij"));
    await applied.check();
    expect(existsSync(applied.path)).toBe(true);
    await applied.abort(false);
    await applied.abort(true);
    expect(ingests()).toEqual([]);
    expect(stores.content.stat(blob.digest)).toBeUndefined();
    const kept = await stores.content.ingest("r", blob, lease);
    await kept.write(Buffer.from("abcdefghij"));
    await kept.check();
    await kept.commit(lease);
    expect(blobs()).toHaveLength(1);
  });

  test("wrong bytes are dropped", async () => {
    for (const verb of ["check", "commit"] as const) {
      const ingest = await stores.content.ingest("r", blob, lease);
      expect(ingest.offset).toBe(0);
      await ingest.write(Buffer.from("abcdefghiX"));
      await expect(ingest[verb](lease)).rejects.toThrow(DataLoss);
      await ingest.abort(true);
      await expect(ingest.write(Buffer.from("x"))).rejects.toThrow(Conflict);
      expect(ingests()).toEqual([]);
    }
    const short = await stores.content.ingest("r", blob, lease);
    await short.write(Buffer.from("abc"));
    await expect(short.commit(lease)).rejects.toThrow("it has 3 bytes, not 10");
  });

  test("truncate starts over; a ref that now means other content does too", async () => {
    const ingest = await stores.content.ingest("r", blob, lease);
    await ingest.write(Buffer.from("wrong"));
    await ingest.truncate();
    expect(ingest.offset).toBe(0);
    await ingest.write(Buffer.from("abcdefghij"));
    await ingest.abort(true);
    const other = await stores.content.ingest("r", describe_("klm"), lease);
    expect(other.offset).toBe(0);
    await other.write(Buffer.from("klm"));
    await other.commit(lease);
    expect(ingests()).toEqual([]);
  });

  test("wait a week for somebody to take them up, then they are collected", async () => {
    const ingest = await stores.content.ingest("r", blob, lease);
    await ingest.write(Buffer.from("abc"));
    await ingest.abort(true);
    await restart();
    clock.time += 6 * 24 * 3_600_000;
    await stores.collector.collect({ wait: true });
    expect(ingests()).toHaveLength(1);
    clock.time += 2 * 24 * 3_600_000;
    const { items } = await stores.collector.collect({ wait: true });
    expect(items.map((i) => i.kind)).toEqual(["ingest"]);
    expect(ingests()).toEqual([]);
  });
});

describe("collection", () => {
  test("takes blobs that nothing holds, and files without rows", async () => {
    const a = await stores.content.put(Buffer.from("aaaa"), lease);
    writeFileSync(join(root.blobs, "stray"), "123");
    mkdirSync(join(root.ingests, "stray"));
    writeFileSync(join(root.ingests, "stray", "data"), "12345");
    expect((await stores.collector.collect({ wait: true })).items).toEqual([]);
    expect(stores.content.stat(a.digest)).toEqual(a);
    const onDisk = [join(root.blobs, a.digest.slice("sha256:".length)), join(root.blobs, "stray"), join(root.ingests, "stray", "data")].map((path) => statSync(path).blocks * 512);
    const report = await stores.collector.recover();
    expect(report.items).toEqual([{ kind: "blob", key: a.digest, bytes: onDisk[0] }]);
    expect(report.freed).toEqual({ bytes: onDisk.reduce((sum, bytes) => sum + bytes, 0), inodes: 3 });
    expect([...blobs(), ...ingests()]).toEqual([]);
  });

  test("content put again while its blob is swept is there afterwards", async () => {
    for (let i = 0; i < 20; i++) {
      const first = stores.leases.open("first");
      const { digest } = await stores.content.put(Buffer.from("again"), first);
      stores.leases.close(first);
      const [, again] = await Promise.all([stores.collector.collect({ wait: true }), stores.content.put(stream("again"), lease)]);
      expect((await stores.content.read(again.digest)).toString()).toBe("again");
      stores.leases.close(lease);
      lease = stores.leases.open("test");
      expect(digest).toBe(again.digest);
    }
  });
});
