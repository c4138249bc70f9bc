import { mkdirSync, readFileSync, statSync, unlinkSync, watch, type FSWatcher } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../core/index.js";

export interface ExitRecord {
  readonly code: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The directory where monitors leave exit codes, one file a container, renamed into place when whole. */
export class ExitWatcher {
  readonly #waiting = new Map<string, (exit: ExitRecord) => void>();
  readonly #watcher: FSWatcher;

  constructor(readonly directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#watcher = watch(directory, { persistent: false }, (_event, name) => {
      if (name === null) for (const id of [...this.#waiting.keys()]) this.#deliver(id);
      else this.#deliver(name);
    });
    // An overflowed queue loses names: look for all that are awaited.
    this.#watcher.on("error", () => { for (const id of [...this.#waiting.keys()]) this.#deliver(id); });
  }

  /** What is recorded now, if anything. */
  read(id: string): ExitRecord | undefined {
    const path = join(this.directory, id);
    try {
      const code = Number.parseInt(readFileSync(path, "utf8"), 10);
      return Number.isNaN(code) ? undefined : { code, at: statSync(path).mtimeMs };
    } catch (e) {
      if (errnoOf(e) === "ENOENT") return undefined;
      throw e;
    }
  }

  /** Resolves with the record, also one that is there already. One waiter an ID. */
  wait(id: string): Promise<ExitRecord> {
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#deliver(id);
    });
  }

  /** Drops the record, and whoever waits for one. */
  forget(id: string): void {
    this.#waiting.delete(id);
    try {
      unlinkSync(join(this.directory, id));
    } catch (e) {
      if (errnoOf(e) !== "ENOENT") throw e;
    }
  }

  close(): void {
    this.#watcher.close();
  }

  #deliver(id: string): void {
    const resolve = this.#waiting.get(id);
    if (resolve === undefined) return;
    const exit = this.read(id);
    if (exit === undefined) return;
    this.#waiting.delete(id);
    resolve(exit);
  }
}
