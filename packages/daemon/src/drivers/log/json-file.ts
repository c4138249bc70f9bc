import type { LogDriver, LogQuery, LogWriter, Moment, Output } from "../../core/index.js";
import { JsonFileWriter } from "./json-file-writer.js";
import { lastMoment, readJsonFile } from "./json-file-reader.js";
import { rotationOptions } from "./options.js";
import { withoutRepeated } from "./repeated.js";

/** Docker's json-file logs, rotated. Followers are woken by the writer, which is in the same process. */
export class JsonFileLogs implements LogDriver {
  readonly name = "json-file";
  readonly #writers = new Map<string, JsonFileWriter>();

  check(options: Readonly<Record<string, string>>): void {
    rotationOptions(options, this.name);
  }

  async open(file: string, options: Readonly<Record<string, string>>, resuming?: { readonly taken: Moment | undefined }): Promise<LogWriter> {
    const logged = resuming && (await lastMoment(file));
    const fresh = logged ? (batch: readonly Output[]) => withoutRepeated(batch, logged, resuming.taken) : null;
    const writer: JsonFileWriter = new JsonFileWriter(file, rotationOptions(options, this.name), fresh, () => {
      if (this.#writers.get(file) === writer) this.#writers.delete(file);
    });
    this.#writers.set(file, writer);
    return writer;
  }

  read(file: string, query: LogQuery, signal: AbortSignal): AsyncIterable<readonly Output[]> {
    return readJsonFile(file, query, () => this.#writers.get(file), signal);
  }
}
