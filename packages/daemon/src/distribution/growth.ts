import { LARGE_FILE } from "../archive/compress.js";

/** A blob in a file, to be read. */
export interface BlobFile {
  readonly path: string;
  /** When it is whole. */
  readonly size: number;
  /** As TarFile's; null when it was whole from the beginning. */
  readonly growth: AsyncIterable<number> | null;
  /** It is whole by now, and verified. */
  readonly whole: boolean;
}

/** A download's file, for whoever reads behind it. It ends once: whole and verified, or broken. */
export class GrowingFile {
  #length = 0;
  #end: { readonly error?: unknown } | undefined;
  readonly #waiting = new Set<() => void>();

  constructor(readonly path: string, readonly size: number) {}

  /** To read it before its end gains something, and its beginning is there. */
  get readable(): boolean { return this.#end === undefined && this.size >= LARGE_FILE && this.#length > 0; }
  get whole(): boolean { return this.#end !== undefined && !("error" in this.#end); }

  /** So many bytes are in the file. */
  reach(length: number): void {
    if (length === this.#length) return;
    this.#length = length;
    this.#tell();
  }
  complete(): void { this.#finish({}); }
  /** Whoever reads it is told; what was read is of no use. */
  fail(error: unknown): void { this.#finish({ error }); }

  /** As one reader has it, who may leave. */
  file(signal: AbortSignal): BlobFile {
    const whole = (): boolean => this.whole;
    return { path: this.path, size: this.size, growth: { [Symbol.asyncIterator]: () => this.#follow(signal) }, get whole() { return whole(); } };
  }

  async *#follow(signal: AbortSignal): AsyncGenerator<number, void> {
    for (let told = 0; ;) {
      signal.throwIfAborted();
      if (this.#end !== undefined) {
        if ("error" in this.#end) throw this.#end.error;
        return;
      }
      if (this.#length > told) yield told = this.#length;
      else await this.#news(signal);
    }
  }

  #news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }

  #finish(end: { readonly error?: unknown }): void {
    this.#end ??= end;
    this.#tell();
  }
  #tell(): void { for (const wake of [...this.#waiting]) wake(); }
}

/** The one attempt of a reader to be done with a file not long after its download. */
export class EarlyUse<T> {
  #file: GrowingFile | undefined;
  #result: Promise<T> | undefined;

  constructor(private readonly use: (file: BlobFile) => Promise<T>, private readonly signal: AbortSignal) {}

  /** Begins with the first file that is worth it. */
  consider(file: GrowingFile): void {
    if (this.#file !== undefined || !file.readable) return;
    this.#file = file;
    this.#result = this.use(file.file(this.signal));
    this.#result.catch(() => undefined);
  }

  /** The download is over: what came of it, when the file is what was read; undefined when that is yet to be read. */
  async result(): Promise<{ readonly value: T } | undefined> {
    if (this.#file?.whole === true) return { value: await this.#result! };
    await this.settled();
    return undefined;
  }
  async settled(): Promise<void> { await this.#result?.catch(() => undefined); }
}
