import { closeSync, fdatasync, fstatSync, openSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import Sqlite, { type Database, type Statement } from "better-sqlite3";
import { errnoOf } from "../core/index.js";
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

  private constructor(private readonly db: Database) {
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
      statement = this.db.prepare(text);
      this.statements.set(text, statement);
    }
    return statement as unknown as Statement<P extends unknown[] ? P : [P], R>;
  }

  /** What `read` gives, kept until anything in the database changes. Whoever gets it must not change it. */
  cached<T>(key: string, read: () => T): T {
    const version = `${this.rollbacks} ${this.sql<[], { n: number }>("SELECT total_changes() AS n").get()!.n}`;
    const kept = this.kept.get(key);
    if (kept?.version === version) return kept.value as T;
    const value = read();
    this.kept.set(key, { version, value });
    return value;
  }

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

  close(): void {
    closeSync(this.log);
    this.db.close();
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

/** Which constraint a failed statement met, if it was one. */
export function violated(e: unknown): "unique" | "foreign-key" | undefined {
  const code = errnoOf(e);
  if (code === "SQLITE_CONSTRAINT_UNIQUE" || code === "SQLITE_CONSTRAINT_PRIMARYKEY") return "unique";
  return code === "SQLITE_CONSTRAINT_FOREIGNKEY" ? "foreign-key" : undefined;
}
