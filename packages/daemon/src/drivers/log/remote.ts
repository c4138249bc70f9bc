import type { Container, LogDriver, LogQuery, LogWriter, Moment, Output } from "../../core/index.js";
import { ABOUT, checkAbout } from "./about.js";
import { bufferOf, delivered, DELIVERY } from "./delivery.js";
import { lastMoment } from "./json-file-reader.js";
import { LocalLogs } from "./json-file.js";
import { type LogOptions, rejectUnknown } from "./options.js";
import { withoutRepeated } from "./repeated.js";

/** Where records are sent, for one run of a container. */
export interface Sink {
  /** Resolves when it is passed on. */
  send(record: Output): Promise<void>;
  close(): Promise<void>;
}

const CACHE = ["cache-max-size", "cache-max-file", "cache-compress"] as const;

/** A log that others keep. What was sent is kept in files of ours as well (`cache-*` bound them), so that it can be read. */
export abstract class RemoteLogs implements LogDriver {
  abstract readonly name: string;
  readonly #cache = new LocalLogs();

  file(): string { return "container-cached.log"; }

  /** Names of the driver's own options. */
  protected abstract readonly own: readonly string[];
  protected abstract checkOwn(options: LogOptions): void;
  protected abstract connect(options: LogOptions, container: Container): Promise<Sink>;

  check(options: LogOptions): void {
    rejectUnknown(options, this.name, [...this.own, ...ABOUT, ...DELIVERY, ...CACHE]);
    this.checkOwn(options);
    checkAbout(options);
    bufferOf(options);
    this.#cache.check(cacheOptions(options));
  }

  async open(file: string, options: LogOptions, container: Container, resuming?: { readonly taken: Moment | undefined }): Promise<LogWriter> {
    const sink = await this.connect(options, container);
    try {
      const logged = resuming && (await lastMoment(file));
      const cache = await this.#cache.open(file, cacheOptions(options), container, resuming);
      return delivered(new RemoteWriter(sink, cache, logged ? (batch) => withoutRepeated(batch, logged, resuming.taken) : null), options);
    } catch (e) {
      await sink.close();
      throw e;
    }
  }

  read(file: string, query: LogQuery, signal: AbortSignal): AsyncIterable<readonly Output[]> {
    return this.#cache.read(file, query, signal);
  }
}

/** `cache-max-size` and its like as the files' own options. */
function cacheOptions(options: LogOptions): LogOptions {
  return Object.fromEntries(CACHE.flatMap((key) => (options[key] === undefined ? [] : [[key.slice("cache-".length), options[key]]])));
}

class RemoteWriter implements LogWriter {
  constructor(private readonly sink: Sink, private readonly cache: LogWriter, private fresh: ((batch: readonly Output[]) => readonly Output[]) | null) {}

  /** What cannot be sent is kept nevertheless. */
  async write(records: readonly Output[]): Promise<void> {
    const fresh = this.fresh?.(records) ?? records;
    this.fresh = null;
    const kept = this.cache.write(records);
    try {
      for (const record of fresh) await this.sink.send(record);
    } finally {
      await kept;
    }
  }

  async close(): Promise<void> {
    await this.sink.close();
    await this.cache.close();
  }
}
