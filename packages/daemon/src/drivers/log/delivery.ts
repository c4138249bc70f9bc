import { InvalidArgument, type LogWriter, type Output, parseSize } from "../../core/index.js";
import type { LogOptions } from "./options.js";

/** Names of options that say whether a slow log holds the container back. */
export const DELIVERY = ["mode", "max-buffer-size"] as const;

/** Bytes that a log in mode `non-blocking` keeps waiting; undefined in mode `blocking`. */
export function bufferOf(options: LogOptions): number | undefined {
  const mode = options["mode"] || "blocking", size = options["max-buffer-size"];
  if (mode !== "blocking" && mode !== "non-blocking") throw new InvalidArgument(`logger: logging mode not supported: ${mode}`);
  if (mode === "blocking") {
    if (size !== undefined) throw new InvalidArgument("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    return undefined;
  }
  return size === undefined ? 1 << 20 : parseSize("max-buffer-size", size);
}

/** The writer in the mode that the options ask for. */
export function delivered(writer: LogWriter, options: LogOptions): LogWriter {
  const buffer = bufferOf(options);
  return buffer === undefined ? writer : new NonBlockingWriter(writer, buffer);
}

/** Takes what comes at once and writes it behind; what there is no room for is lost. */
export class NonBlockingWriter implements LogWriter {
  #waiting: Output[] = [];
  #bytes = 0;
  #pump: Promise<void> | null = null;
  #failure: Error | null = null;

  /** `room` in bytes; one record is taken whatever its length. */
  constructor(private readonly to: LogWriter, private readonly room: number) {}

  /** Rejects with what went wrong since the last call. */
  async write(records: readonly Output[]): Promise<void> {
    for (const record of records) {
      if (this.#waiting.length > 0 && this.#bytes + record.data.length > this.room) continue;
      this.#waiting.push(record);
      this.#bytes += record.data.length;
    }
    this.#pump ??= this.#run().finally(() => { this.#pump = null; });
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure;
  }

  async close(): Promise<void> {
    await this.#pump;
    await this.to.close();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      this.#bytes = 0;
      await this.to.write(batch).catch((e: unknown) => { this.#failure = e as Error; });
    }
  }
}
