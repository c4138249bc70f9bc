import { dirname } from "node:path";
import type { Container, LogDriver, LogQuery, LogWriter, Moment, Output } from "../../core/index.js";
import { ABOUT, attributesOf, checkAbout, tagOf } from "./about.js";
import { bufferOf, delivered, DELIVERY } from "./delivery.js";
import { encodeAttributes } from "./json-line.js";
import { JsonFileWriter } from "./json-file-writer.js";
import { lastMoment, readJsonFile } from "./json-file-reader.js";
import { jsonFileRotation, localRotation, type LogOptions, rejectUnknown, ROTATION, type RotationOptions } from "./options.js";
import { withoutRepeated } from "./repeated.js";
import { makeDirectories } from "../../core/make-directories.js";

/** Logs in files, rotated. Followers are woken by the writer, which is in the same process. */
abstract class FileLogs implements LogDriver {
  abstract readonly name: string;
  readonly #writers = new Map<string, JsonFileWriter>();

  /** Path below the container's directory. */
  abstract file(id: string): string;
  protected abstract rotation(options: LogOptions): RotationOptions;

  check(options: LogOptions): void {
    rejectUnknown(options, this.name, [...ROTATION, ...ABOUT, ...DELIVERY]);
    this.rotation(options);
    checkAbout(options);
    bufferOf(options);
  }

  async open(file: string, options: LogOptions, container: Container, resuming?: { readonly taken: Moment | undefined }): Promise<LogWriter> {
    await makeDirectories(dirname(file), 0o710);
    const logged = resuming && (await lastMoment(file));
    const fresh = logged ? (batch: readonly Output[]) => withoutRepeated(batch, logged, resuming.taken) : null;
    const attributes = encodeAttributes({ ...attributesOf(options, container), ...(options["tag"] ? { tag: tagOf(options, container, "") } : {}) });
    const writer: JsonFileWriter = new JsonFileWriter(file, this.rotation(options), attributes, fresh, () => {
      if (this.#writers.get(file) === writer) this.#writers.delete(file);
    });
    this.#writers.set(file, writer);
    return delivered(writer, options);
  }

  read(file: string, query: LogQuery, signal: AbortSignal): AsyncIterable<readonly Output[]> {
    return readJsonFile(file, query, () => this.#writers.get(file), signal);
  }
}

/** Docker's json-file logs. */
export class JsonFileLogs extends FileLogs {
  readonly name = "json-file";
  file(id: string): string { return `${id}-json.log`; }
  protected rotation(options: LogOptions): RotationOptions { return jsonFileRotation(options); }
}

/** The `local` driver: lines as json-file has them, and old files packed. */
export class LocalLogs extends FileLogs {
  readonly name = "local";
  file(): string { return "local-logs/container.log"; }
  protected rotation(options: LogOptions): RotationOptions { return localRotation(options); }
}
