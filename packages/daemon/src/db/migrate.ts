import type { Database } from "better-sqlite3";
import { Unavailable } from "../core/index.js";

/**
 * Brings a database to the newest schema; `user_version` counts the migrations applied. Every migration is one
 * transaction, so a crash leaves the version before it. A database from newer code is refused untouched.
 */
export function migrate(db: Database, migrations: readonly string[]): void {
  const version = db.pragma("user_version", { simple: true }) as number;
  if (version > migrations.length) {
    throw new Unavailable(`${db.name} was written by a newer version of Strata: its schema is ${version}, this version knows ${migrations.length}. Use the newer version, or another data root.`);
  }
  for (const [i, sql] of migrations.entries()) {
    if (i < version) continue;
    db.transaction(() => {
      db.exec(sql);
      db.pragma(`user_version = ${i + 1}`);
    })();
  }
}
