import { parentPort } from "node:worker_threads";
import Sqlite, { type Database } from "better-sqlite3";
import { messageOf } from "../core/index.js";
import type { AsideAnswer, AsideJob, AsideRequest } from "./aside.js";

/** The thread's side of `Aside`. */
if (!parentPort) throw new Error("runs as a worker thread only");
const port = parentPort;
const send = (answer: AsideAnswer): void => port.postMessage(answer);

/** A checkpoint is complete, and the log used again from its beginning, when nothing was written meanwhile; each further round has less to do. */
const ROUNDS = 3;

port.on("message", ({ id, path, ...job }: AsideRequest) => {
  try {
    const db = new Sqlite(path, { fileMustExist: true, timeout: 5000 });
    try { send({ id, value: work(db, job) }); } finally { db.close(); }
  } catch (e) {
    send({ id, error: messageOf(e) });
  }
});

function work(db: Database, job: AsideJob): unknown {
  if (job.kind === "checkpoint") {
    db.pragma("synchronous = FULL");
    for (let round = 0; round < ROUNDS; round++) {
      const [state] = db.pragma("wal_checkpoint(PASSIVE)") as [{ busy: number; log: number; checkpointed: number }];
      if (state.busy === 0 && state.log === state.checkpointed) break;
    }
    return undefined;
  }
  db.pragma("query_only = ON");
  db.pragma("temp_store = MEMORY");
  db.pragma("cache_size = -65536");
  return db.prepare(job.sql).all(...job.parameters);
}
