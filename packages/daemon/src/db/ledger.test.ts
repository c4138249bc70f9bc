import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { Unavailable } from "../core/index.js";
import { Ledger, violated } from "./ledger.js";
import { migrations } from "./schema.js";

let dir: string, path: string;
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), "strata-db-")); path = join(dir, "strata.db"); });
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const pragma = (ledger: Ledger, name: string): unknown => Object.values(ledger.sql<[], object>(`PRAGMA ${name}`).get()!)[0];

test("opens with full durability and foreign keys, also the second time", () => {
  for (let i = 0; i < 2; i++) {
    const ledger = Ledger.open(path);
    expect(pragma(ledger, "journal_mode")).toBe("wal");
    expect(pragma(ledger, "synchronous")).toBe(2);
    expect(pragma(ledger, "foreign_keys")).toBe(1);
    expect(pragma(ledger, "user_version")).toBe(migrations.length);
    ledger.close();
  }
});

test("migrations run once, each or not at all", () => {
  Ledger.open(path, ["CREATE TABLE a (x INTEGER);"]).close();
  expect(() => Ledger.open(path, ["never run again", "CREATE TABLE b (x INTEGER); CREATE TABLE a (x INTEGER);"])).toThrow(/already exists/);
  const ledger = Ledger.open(path, ["never run again", "CREATE TABLE b (x INTEGER);", "CREATE TABLE c (x INTEGER);"]);
  expect(pragma(ledger, "user_version")).toBe(3);
  ledger.close();
});

test("a database from newer code is refused and left as it is", () => {
  Ledger.open(path, ["CREATE TABLE a (x INTEGER);", "CREATE TABLE b (x INTEGER);"]).close();
  expect(() => Ledger.open(path, ["CREATE TABLE a (x INTEGER);"])).toThrow(Unavailable);
  expect(() => Ledger.open(path, ["CREATE TABLE a (x INTEGER);"])).toThrow(/newer version of Strata: its schema is 2, this version knows 1/);
  const db = new Sqlite(path);
  expect(db.pragma("user_version", { simple: true })).toBe(2);
  db.close();
});

test("transactions undo on a throw, join when nested, refuse promises, and put the durability back", async () => {
  const ledger = Ledger.open(path, ["CREATE TABLE t (x INTEGER PRIMARY KEY);"]);
  const add = (x: number) => ledger.sql<[number]>("INSERT INTO t VALUES (?)").run(x);
  const count = () => ledger.sql<[], { n: number }>("SELECT count(*) AS n FROM t").get()!.n;
  expect(() => ledger.transaction(() => { add(1); throw new Error("no"); })).toThrow("no");
  expect(count()).toBe(0);
  expect(() => ledger.transaction(() => { ledger.transaction(() => add(1), { durable: false }); throw new Error("no"); })).toThrow("no");
  expect(count()).toBe(0);
  expect(() => ledger.transaction(() => { add(1); return Promise.resolve(); })).toThrow(TypeError);
  expect(count()).toBe(0);
  ledger.transaction(() => {
    add(1);
    expect(pragma(ledger, "synchronous")).toBe(1);
  }, { durable: false });
  expect(pragma(ledger, "synchronous")).toBe(2);
  await Promise.all([ledger.flush(), ledger.flush(), ledger.flush()]);
  await ledger.flush();
  expect(count()).toBe(1);
  try {
    add(1);
  } catch (e) {
    expect(violated(e)).toBe("unique");
  }
  ledger.close();
});

test("what was committed without a sync is there after the process lost the connection", () => {
  const ledger = Ledger.open(path, ["CREATE TABLE t (x INTEGER PRIMARY KEY);"]);
  ledger.transaction(() => ledger.sql<[number]>("INSERT INTO t VALUES (?)").run(7), { durable: false });
  const other = new Sqlite(path, { readonly: true });
  expect(other.prepare("SELECT x FROM t").pluck().all()).toEqual([7]);
  other.close();
  ledger.close();
});

test("has room for its log from the start, and the room means nothing to whoever reads it", () => {
  const ledger = Ledger.open(path, ["CREATE TABLE t (x INTEGER PRIMARY KEY);"]);
  expect(statSync(`${path}-wal`).size).toBe(8 << 20);
  expect(statSync(`${path}-wal`).blocks * 512).toBeGreaterThanOrEqual(8 << 20);
  ledger.sql("INSERT INTO t VALUES (1)").run();
  // As a power cut would leave them.
  for (const file of ["", "-wal"]) copyFileSync(path + file, `${path}.copy${file}`);
  ledger.close();
  const copy = Ledger.open(`${path}.copy`, ["CREATE TABLE t (x INTEGER PRIMARY KEY);"]);
  expect(copy.sql("SELECT x FROM t").all()).toEqual([{ x: 1 }]);
  expect(copy.sql("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
  copy.close();
});

test("the schema's foreign keys and views hold together", () => {
  const ledger = Ledger.open(path);
  expect(ledger.sql("PRAGMA foreign_key_check").all()).toEqual([]);
  expect(ledger.sql("SELECT * FROM root").all()).toEqual([]);
  expect(ledger.sql("SELECT * FROM edge").all()).toEqual([]);
  ledger.close();
});

test("what is kept is read again after any change, also in a transaction that is then rolled back", () => {
  const ledger = Ledger.open(path, ["CREATE TABLE a (x INTEGER PRIMARY KEY);"]);
  let reads = 0;
  const all = (): number[] => ledger.cached("a", () => { reads++; return ledger.sql<[], { x: number }>("SELECT x FROM a").all().map(({ x }) => x); });
  const insert = (x: number): unknown => ledger.sql<[number]>("INSERT INTO a VALUES (?)").run(x);
  insert(1);
  expect([all(), all(), reads]).toEqual([[1], [1], 1]);
  ledger.transaction(() => insert(2), { durable: false });
  expect([all(), reads]).toEqual([[1, 2], 2]);
  expect(() => ledger.transaction(() => { insert(3); expect(all()).toEqual([1, 2, 3]); insert(3); })).toThrow(/UNIQUE/);
  expect([all(), all(), reads]).toEqual([[1, 2], [1, 2], 4]);
  ledger.close();
});

test("what is kept of some tables is read again when these are written to, and no sooner", () => {
  const ledger = Ledger.open(path, ["CREATE TABLE a (x INTEGER PRIMARY KEY, y INTEGER, z INTEGER); CREATE TABLE b (x INTEGER PRIMARY KEY);"]);
  const reads = { table: 0, rows: 0, column: 0 };
  const look = (): typeof reads => {
    ledger.cached("table", () => ++reads.table, ["a"]);
    ledger.cached("rows", () => ++reads.rows, ["a rows"]);
    ledger.cached("column", () => ++reads.column, ["a y"]);
    return reads;
  };
  expect(look()).toEqual({ table: 1, rows: 1, column: 1 });
  ledger.sql("INSERT INTO b VALUES (1)").run();
  expect(look()).toEqual({ table: 1, rows: 1, column: 1 });
  ledger.sql("INSERT INTO a VALUES (1, 1, 1)").run();
  expect(look()).toEqual({ table: 2, rows: 2, column: 1 });
  ledger.sql("UPDATE a SET z = 2").run();
  expect(look()).toEqual({ table: 3, rows: 2, column: 1 });
  ledger.sql("WITH one (x) AS (SELECT 1) UPDATE a SET y = 2 WHERE x IN (SELECT x FROM one)").run();
  expect(look()).toEqual({ table: 4, rows: 2, column: 2 });
  expect(ledger.sql("DELETE FROM a RETURNING x").all()).toEqual([{ x: 1 }]);
  expect(look()).toEqual({ table: 5, rows: 3, column: 2 });
  ledger.sql("INSERT OR REPLACE INTO a VALUES (1, 3, 3)").run();
  expect(look()).toEqual({ table: 6, rows: 4, column: 2 });
  expect(() => ledger.transaction(() => { ledger.sql("INSERT INTO b VALUES (2)").run(); throw new Error("no"); })).toThrow("no");
  expect(look()).toEqual({ table: 7, rows: 5, column: 3 });
  ledger.close();
});

test("a query aside sees what was committed, and nothing of what is under way", async () => {
  const ledger = Ledger.open(path, ["CREATE TABLE a (x INTEGER PRIMARY KEY);"]);
  ledger.transaction(() => ledger.sql("INSERT INTO a VALUES (1)").run(), { durable: false });
  expect(await ledger.readAside("SELECT x FROM a WHERE x < ?", 5)).toEqual([{ x: 1 }]);
  await expect(ledger.readAside("DELETE FROM a")).rejects.toThrow();
  await expect(ledger.readAside("SELECT nonsense")).rejects.toThrow("nonsense");
  expect(ledger.sql("SELECT x FROM a").all()).toEqual([{ x: 1 }]);
  const asked = ledger.readAside("SELECT x FROM a");
  asked.catch(() => undefined);
  await ledger.end();
  expect(existsSync(`${path}-wal`)).toBe(false);
});

test("the log goes into the database on another thread, and keeps its size however much is written", async () => {
  const ledger = Ledger.open(path, ["CREATE TABLE a (x INTEGER PRIMARY KEY, y TEXT);"]);
  const before = statSync(path).size;
  // 1 KiB a row: ten times what the log has room for.
  const write = (n: number, y: string): unknown => ledger.transaction(() => ledger.sql<[number, string]>("INSERT INTO a VALUES (?, ?)").run(n, y), { durable: false });
  for (let n = 0; n < 300; n++) write(n, "y".repeat(1000));
  while (statSync(path).size === before) await new Promise((resolve) => setTimeout(resolve, 10));
  // Without a pause, so that no checkpoint of the other thread is complete.
  for (let n = 300; n < 12_000; n++) write(n, "y".repeat(1000));
  expect(statSync(`${path}-wal`).size).toBeLessThanOrEqual(8 << 20);
  copyFileSync(path, `${path}.copy`);
  copyFileSync(`${path}-wal`, `${path}.copy-wal`);
  await ledger.end();
  expect(existsSync(`${path}-wal`)).toBe(false);
  for (const file of [path, `${path}.copy`]) {
    const again = Ledger.open(file, ["CREATE TABLE a (x INTEGER PRIMARY KEY, y TEXT);"]);
    expect(again.sql("SELECT count(*) AS n FROM a").get()).toEqual({ n: 12_000 });
    expect(again.sql("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
    again.close();
  }
});
