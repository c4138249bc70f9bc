import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { examineLedger } from "./ledger-check.js";
import { Ledger } from "./ledger.js";

let dir: string, path: string;
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), "strata-db-")); path = join(dir, "strata.db"); Ledger.open(path).close(); });
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function spoil(sql: string): void {
  const db = new Sqlite(path);
  db.pragma("foreign_keys = OFF");
  db.exec(sql);
  db.close();
}

test.each([false, true])("a ledger that was just made is sound (deep: %s)", (deep) => { expect(examineLedger(path, deep)).toEqual([]); });

test("rows that lead nowhere are named, once for a column", () => {
  spoil("INSERT INTO snapshot (id, driver, kind, state, chain, created_at) VALUES ('s', 'erofs', 'layer', 'committed', 'c', 0); INSERT INTO writable VALUES ('a', 'x', 'y', NULL, 0), ('b', 'z', 's', NULL, 0)");
  expect(examineLedger(path, false)).toEqual(expect.arrayContaining([
    { problem: "inconsistent", where: "snapshot.chain", detail: "1 row of snapshot with c, which no layer is called" },
    { problem: "inconsistent", where: "writable.snapshot", detail: "2 rows of writable with x, z, which no snapshot is called" },
    { problem: "inconsistent", where: "writable.init", detail: "1 row of writable with y, which no snapshot is called" },
  ]));
  expect(examineLedger(path, false)).toHaveLength(3);
});

test("ports and endpoints of no container, and documents that are none", () => {
  spoil("INSERT INTO port VALUES ('tcp', 80, '0.0.0.0', 'nobody', 80); INSERT INTO network (id, name, created_at, document) VALUES ('n', 'n', 0, '{')");
  expect(examineLedger(path, true)).toEqual([
    { problem: "inconsistent", where: "port.container", detail: "1 row of port with nobody, which no container is called" },
    { problem: "inconsistent", where: "network.document", detail: "1 row of network with n, whose value is not JSON" },
  ]);
});

test("a damaged file is told", () => {
  const db = new Sqlite(path);
  db.exec("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO network (id, name, created_at, document) SELECT 'n' || i, 'n' || i, 0, '{}' FROM n");
  db.pragma("wal_checkpoint(TRUNCATE)");
  db.close();
  const fd = openSync(path, "r+");
  writeSync(fd, Buffer.alloc(8192, 0xff), 0, 8192, 40 * 4096);
  closeSync(fd);
  expect(examineLedger(path, false)).toMatchObject([{ problem: "corrupt", where: "strata.db" }]);
});
