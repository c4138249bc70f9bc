import { closeSync, fdatasync, fstatSync, openSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import Sqlite, { type Database, type Statement } from "better-sqlite3";
import { errnoOf } from "../core/index.js";
import { Aside } from "./aside.js";
import { migrate } from "./migrate.js";
import { migrations } from "./schema.js";

const sync = promisify(fdatasync);

export interface TransactionOptions {
  /**
   * True (the default): on disk when the call returns. False: a crash of the daemon loses nothing, a power cut may
   * lose it, until the next durable transaction or `flush`.
   */
  readonly durable?: boolean;
}

/** Commits, or changed rows, after which the log is put into the database: some 2 MiB of it. */
const CHECKPOINT = { commits: 128, rows: 512 };
/** Pages of the log at which a commit does that itself, because the other thread did not come to an end with it: less than the log's room. */
const OWN_CHECKPOINT = 1800;

/**
 * The one metadata database. Everything is synchronous and there is one writer, so a transaction never waits for
 * anything but the disk; nothing may be awaited inside one.
 */
export class Ledger {
  private readonly statements = new Map<string, Statement>();
  private readonly log: number;
  private flushing: Promise<void> | undefined;
  private queued: Promise<void> | undefined;
  private depth = 0;
  private readonly kept = new Map<string, { readonly version: string; readonly value: unknown }>();
  /** Changes that a rollback takes back stay counted. */
  private rollbacks = 0;
  /** Writes to each table; to `table rows` those that add or remove some; to `table column` updates that set that one first. */
  private readonly writes = new Map<string, number>();
  private readonly aside: Aside;
  private readonly since = { commits: 0, rows: 0 };
  private checkpointing = false;

  private constructor(private readonly db: Database) {
    this.aside = new Aside(db.name);
    this.log = openSync(`${db.name}-wal`, "r+");
    reserve(this.log);
  }

  /** Opens or creates the database and brings its schema up to date. Unavailable when newer code wrote it. */
  static open(path: string, known: readonly string[] = migrations): Ledger {
    const db = new Sqlite(path, { timeout: 5000 });
    try {
      db.pragma("journal_mode = WAL");
      // Set on every open: the connection that switches to WAL reads FULL, the next ones NORMAL.
      db.pragma("synchronous = FULL");
      db.pragma("foreign_keys = ON");
      db.pragma("temp_store = MEMORY");
      db.pragma("cache_size = -16384");
      db.pragma(`wal_autocheckpoint = ${OWN_CHECKPOINT}`);
      // A log that a long reader made grow is cut when it is used again from its beginning.
      db.pragma(`journal_size_limit = ${LOG_ROOM}`);
      migrate(db, known);
      return new Ledger(db);
    } catch (e) {
      db.close();
      throw e;
    }
  }

  /** A statement, prepared once. `P` are its parameters, `R` a row. Text must be constant. */
  sql<P extends unknown[] | object = [], R = unknown>(text: string): Statement<P extends unknown[] ? P : [P], R> {
    let statement = this.statements.get(text);
    if (statement === undefined) {
      statement = this.counted(this.db.prepare(text));
      this.statements.set(text, statement);
    }
    return statement as unknown as Statement<P extends unknown[] ? P : [P], R>;
  }

  /**
   * What `read` gives, kept until anything in the database changes. With `tables`: until one of these is written to, for
   * `table rows` until rows of it come or go, for `table column` until an update sets that column (first). Rows that go with another's (a cascade) count with that one: name its table, too.
   * Whoever gets it must not change it.
   */
  cached<T>(key: string, read: () => T, tables?: readonly string[]): T {
    const version = this.version(tables);
    const kept = this.kept.get(key);
    if (kept?.version === version) return kept.value as T;
    const value = read();
    this.kept.set(key, { version, value });
    return value;
  }

  /** Transactions undone so far. */
  get rolledBack(): number { return this.rollbacks; }
  /** What is read now may be undone. */
  get inTransaction(): boolean { return this.depth > 0; }

  /** Runs `work` in a transaction; a throw undoes it. Inside another transaction it joins that one. */
  transaction<T>(work: () => T, options: TransactionOptions = {}): T {
    if (this.depth > 0) return work();
    const durable = options.durable ?? true;
    // The level cannot change inside a transaction, and the pragma acts when it is compiled: no prepared statement.
    if (!durable) this.db.exec("PRAGMA synchronous = NORMAL");
    try {
      this.sql("BEGIN IMMEDIATE").run();
      this.depth++;
      try {
        const result = work();
        if (result instanceof Promise) throw new TypeError("a transaction cannot wait");
        this.sql("COMMIT").run();
        this.checkpoint();
        return result;
      } catch (e) {
        this.rollbacks++;
        // SQLite has rolled back by itself after some errors (disk full).
        if (this.db.inTransaction) this.sql("ROLLBACK").run();
        throw e;
      } finally {
        this.depth--;
      }
    } finally {
      if (!durable) this.db.exec("PRAGMA synchronous = FULL");
    }
  }

  /**
   * Puts everything committed so far on disk without blocking the event loop: a sync of the write-ahead log.
   * Callers that come while one runs share the next.
   */
  flush(): Promise<void> {
    if (this.flushing === undefined) return this.startFlush();
    this.queued ??= this.flushing.then(() => this.startFlush(), () => this.startFlush());
    return this.queued;
  }
  private startFlush(): Promise<void> {
    this.queued = undefined;
    const running = sync(this.log).finally(() => {
      if (this.flushing === running) this.flushing = undefined;
    });
    this.flushing = running;
    return running;
  }

  /** Rows of a query that takes long, read on another thread: what is committed when it begins. Nothing here waits for it. */
  async readAside<R>(text: string, ...parameters: readonly unknown[]): Promise<R[]> {
    return (await this.aside.run({ kind: "all", sql: text, parameters })) as R[];
  }

  /** As `end`, for those who cannot wait: work aside is given up. */
  close(): void {
    void this.aside.end();
    closeSync(this.log);
    this.db.close();
  }
  /** Gives up what is read aside, and closes. What was committed is in the database, and the log is gone. */
  async end(): Promise<void> {
    await this.aside.end();
    this.close();
  }

  private counted(statement: Statement): Statement {
    const [, verb, table, column] = statement.readonly ? [] : WRITE.exec(statement.source) ?? [];
    if (verb === undefined || table === undefined) return statement;
    const names = [table, `${table} ${column ?? "rows"}`];
    for (const method of ["run", "get", "all"] as const) {
      const run = statement[method].bind(statement) as (...parameters: unknown[]) => unknown;
      const counting = (...parameters: unknown[]): unknown => {
        for (const name of names) this.writes.set(name, (this.writes.get(name) ?? 0) + 1);
        return run(...parameters);
      };
      Object.assign(statement, { [method]: counting });
    }
    return statement;
  }

  private version(tables?: readonly string[]): string {
    return `${this.rollbacks} ${tables === undefined ? this.changes() : tables.map((table) => this.writes.get(table) ?? 0).join(" ")}`;
  }

  private changes(): number {
    return this.sql<[], { n: number }>("SELECT total_changes() AS n").get()!.n;
  }

  /** Now and then the log goes into the database. That syncs both files, so another thread does it. */
  private checkpoint(): void {
    const rows = this.changes();
    if (this.checkpointing || (++this.since.commits < CHECKPOINT.commits && rows - this.since.rows < CHECKPOINT.rows)) return;
    Object.assign(this.since, { commits: 0, rows });
    this.checkpointing = true;
    // One that failed (a full disk) is tried again with the next.
    this.aside.run({ kind: "checkpoint" }).catch(() => undefined).finally(() => { this.checkpointing = false; });
  }
}

/**
 * Gives the write-ahead log its room on disk beforehand: on a full disk rows can still be written, above all to remove
 * things. SQLite overwrites the zeros; behind its last frame they mean nothing. It checkpoints at half of this.
 */
function reserve(log: number): void {
  const zeros = Buffer.alloc(1 << 20);
  try {
    for (let { size } = fstatSync(log); size < LOG_ROOM;) size += writeSync(log, zeros, 0, Math.min(zeros.length, LOG_ROOM - size), size);
  } catch (e) {
    if (errnoOf(e) !== "ENOSPC") throw e;
  }
}
const LOG_ROOM = 8 << 20;
/** What a statement writes to. */
const WRITE = /\b(INSERT (?:OR \w+ )?INTO|UPDATE|DELETE FROM) (\w+)(?: SET (\w+))?/;

/** Which constraint a failed statement met, if it was one. */
export function violated(e: unknown): "unique" | "foreign-key" | undefined {
  const code = errnoOf(e);
  if (code === "SQLITE_CONSTRAINT_UNIQUE" || code === "SQLITE_CONSTRAINT_PRIMARYKEY") return "unique";
  return code === "SQLITE_CONSTRAINT_FOREIGNKEY" ? "foreign-key" : undefined;
}
