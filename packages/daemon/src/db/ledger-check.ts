import Sqlite, { type Database } from "better-sqlite3";
import { errnoOf, messageOf } from "../core/index.js";

/** Something in the ledger that is not as it must be. */
export interface LedgerFault {
  /** The file itself, or rows in it. */
  readonly problem: "corrupt" | "inconsistent";
  /** `table.column`, or the file. */
  readonly where: string;
  readonly detail: string;
}

/** Rows that are named in one fault. */
const NAMED = 5;

/** Columns that name a container without a foreign key: what they name must be there all the same. */
const NAMES_OF_CONTAINERS = [["endpoint", "container"], ["port", "container"]] as const;
/** Columns that hold JSON. */
const DOCUMENTS = [["container", "id", "document"], ["network", "id", "document"], ["endpoint", "id", "document"], ["volume", "name", "labels"], ["volume", "name", "options"], ["image", "id", "labels"]] as const;

/**
 * Looks at the ledger over a connection of its own, which reads one state of it and keeps no writer waiting. `deep`
 * compares indexes with their tables, too. Takes its time: not for the main thread.
 */
export function examineLedger(path: string, deep: boolean): LedgerFault[] {
  const db = new Sqlite(path, { readonly: true, timeout: 5000 });
  try {
    return db.transaction(() => {
      const damaged = (db.pragma(deep ? "integrity_check" : "quick_check") as Record<string, string>[]).map((row) => Object.values(row)[0]!).filter((text) => text !== "ok");
      if (damaged.length > 0) return [{ problem: "corrupt" as const, where: "strata.db", detail: damaged.slice(0, NAMED).join("; ") }];
      return [...danglingKeys(db), ...strangers(db), ...unreadable(db)];
    })();
  } catch (e) {
    // A page that cannot be read ends the query.
    if (/^SQLITE_(CORRUPT|NOTADB)/.test(errnoOf(e) ?? "")) return [{ problem: "corrupt", where: "strata.db", detail: messageOf(e) }];
    throw e;
  } finally {
    db.close();
  }
}

/** Rows whose foreign keys lead nowhere. */
function danglingKeys(db: Database): LedgerFault[] {
  const found = new Map<string, { table: string; parent: string; fkid: number }>();
  for (const row of db.pragma("foreign_key_check") as { table: string; parent: string; fkid: number }[]) found.set(`${row.table} ${row.fkid}`, row);
  return [...found.values()].flatMap(({ table, parent, fkid }) => {
    const key = (db.pragma(`foreign_key_list("${table}")`) as { id: number; from: string; to: string | null }[]).find((k) => k.id === fkid)!;
    const to = key.to ?? (db.pragma(`table_info("${parent}")`) as { name: string; pk: number }[]).find((column) => column.pk === 1)!.name;
    return inconsistent(db, table, key.from, `SELECT "${key.from}" FROM "${table}" WHERE "${key.from}" IS NOT NULL AND "${key.from}" NOT IN (SELECT "${to}" FROM "${parent}")`, `which no ${parent} is called`);
  });
}

function strangers(db: Database): LedgerFault[] {
  return NAMES_OF_CONTAINERS.flatMap(([table, column]) => inconsistent(db, table, column, `SELECT "${column}" FROM "${table}" WHERE "${column}" NOT IN (SELECT id FROM container)`, "which no container is called"));
}

function unreadable(db: Database): LedgerFault[] {
  return DOCUMENTS.flatMap(([table, key, column]) => inconsistent(db, table, column, `SELECT "${key}" FROM "${table}" WHERE NOT json_valid("${column}")`, "whose value is not JSON"));
}

function inconsistent(db: Database, table: string, column: string, query: string, what: string): LedgerFault[] {
  const values = db.prepare(query).pluck().all() as string[];
  if (values.length === 0) return [];
  const named = values.slice(0, NAMED).join(", ");
  return [{ problem: "inconsistent", where: `${table}.${column}`, detail: `${values.length} row${values.length === 1 ? "" : "s"} of ${table} with ${named}${values.length > NAMED ? ", …" : ""}, ${what}` }];
}
