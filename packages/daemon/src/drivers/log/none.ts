import { type LogDriver, type LogQuery, type LogWriter, NotImplemented, type Output } from "../../core/index.js";

/** Keeps nothing. */
export class NoLogs implements LogDriver {
  readonly name = "none";

  /** Options of whatever driver was meant before are of no account. */
  check(): void {}

  file(id: string): string { return `${id}.log`; }

  async open(): Promise<LogWriter> {
    return { write: async () => undefined, close: async () => undefined };
  }

  read(_file: string, _query: LogQuery, _signal: AbortSignal): AsyncIterable<readonly Output[]> {
    throw new NotImplemented("configured logging driver does not support reading");
  }
}
