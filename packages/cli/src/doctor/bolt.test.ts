import { BoltError, type Bucket, openBolt } from "./bolt.js";
import { BoltWriter, type Tree } from "./testing/bolt-writer.js";

function read(bucket: Bucket): Tree {
  return Object.fromEntries([...[...bucket.values()].map(([key, value]) => [key, value.toString()] as const), ...[...bucket.buckets()].map(([name, inner]) => [name, read(inner)] as const)]);
}

const many = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`key${String(n).padStart(3, "0")}`, `value ${n}`]));
const tree: Tree = { snapshots: { one: { parent: "zero", committed: "abc" }, two: {}, three: { layerid: `sha256:${"a".repeat(64)}` } }, many: { ...many }, large: { value: "x".repeat(9000), more: "y" }, empty: {} };

test("trees, buckets on pages and inline, values over several pages", () => {
  for (const fanout of [2, 3, 50, 1000]) expect(read(openBolt(BoltWriter.write(tree, fanout)))).toEqual(tree);
});

test("the newer metadata counts, and the older where the newer is torn", () => {
  const file = BoltWriter.write({ a: "new" });
  const older = BoltWriter.write({ a: "old" });
  // The same pages; the older metadata points to a root of its own behind them.
  const both = Buffer.concat([file, older.subarray(3 * 4096)]);
  older.copy(both, 0, 0, 4096);
  expect(read(openBolt(both))).toEqual({ a: "new" });
  both[4096 + 16 + 20]! ^= 0xff;
  expect(read(openBolt(both))).toEqual({ a: "new" });
  both[16 + 20]! ^= 0xff;
  expect(() => openBolt(both)).toThrow(BoltError);
});

test("whatever is damaged is an error, never a hang or a wrong answer by silence", () => {
  expect(() => openBolt(Buffer.alloc(0))).toThrow("not a bolt database");
  expect(() => openBolt(Buffer.alloc(16384, 1))).toThrow("not a bolt database");
  // Of what lies within a value nothing can be told.
  const { large: _, ...rest } = tree, whole = BoltWriter.write(rest);
  for (let length = 2 * 4096; length < whole.length - 4096; length += 4096) expect(() => read(openBolt(whole.subarray(0, length)))).toThrow();
  const { length } = whole;
  // Each page in turn turned into zeros: found out, or not needed.
  for (let at = 2 * 4096; at < length; at += 4096) {
    const hurt = Buffer.from(whole);
    hurt.fill(0, at, at + 4096);
    let outcome: Tree | undefined;
    try { outcome = read(openBolt(hurt)); } catch (error) { expect(error).toBeInstanceOf(Error); }
    if (outcome !== undefined) expect(outcome).toEqual(rest);
  }
});

test("a tree that leads back to itself ends", () => {
  const file = BoltWriter.write(many, 3);
  const root = Number(file.readBigUInt64LE(4096 + 16 + 16));
  file.writeBigUInt64LE(BigInt(root), root * 4096 + 16 + 8);
  expect(() => read(openBolt(file))).toThrow("the tree has no end");
});
