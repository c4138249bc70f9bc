import { fstatSync, read } from "node:fs";
import { promisify } from "node:util";
import type { LogQuery, Moment, Output } from "../../core/index.js";
import { decodeLine } from "./json-line.js";
import type { JsonFileWriter } from "./json-file-writer.js";
import { LogFile } from "./log-file.js";

const readFd = promisify(read);
const BLOCK = 256 << 10;
const NEWLINE = 0x0a;

/** Reads a json-file log, oldest rotated file first. `writer` is the one that writes it now, if any does. */
export async function* readJsonFile(file: string, query: LogQuery, writer: () => JsonFileWriter | undefined, signal: AbortSignal): AsyncGenerator<readonly Output[]> {
  const files = LogFile.all(file);
  const live = query.follow ? writer() : undefined;
  let generation = live?.generation ?? 0;
  const filter = new Filter(query);
  const end = endOf(query.follow ? query.until : undefined, signal);
  try {
    let offset = 0;
    if (query.tail !== undefined) {
      const start = await tailStart(files, live?.size, query.tail, filter);
      for (const before of files.splice(0, start.file)) before.close();
      offset = start.offset;
    }
    while (files.length > 0) {
      // Taken before reading: what is read then holds at least this much.
      const known = live === undefined ? null : { generation: live.generation, size: live.size, closed: live.closed };
      offset = yield* readOn(await files[0]!.lines(), offset, filter, end.signal);
      if (filter.past || end.signal.aborted) return;
      if (files.length > 1) {
        files.shift()!.close();
        offset = 0;
      } else if (live === undefined || known === null) {
        return;
      } else if (generation < known.generation) {
        // Ours is complete. What followed it is still there unless as many files have come since as are kept.
        const next = LogFile.open(file, live.generation - ++generation);
        if (next !== null) {
          files.shift()!.close();
          files.push(next);
          offset = 0;
        }
      } else if (live.generation === known.generation && live.size === known.size) {
        if (known.closed) return;
        await live.changed(end.signal);
      }
    }
  } finally {
    end.cancel();
    for (const one of files) one.close();
  }
}

/** A signal that aborts with `signal`, or when the clock reaches `until`. */
function endOf(until: string | undefined, signal: AbortSignal): { signal: AbortSignal; cancel(): void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  const timer = until === undefined ? undefined : setTimeout(abort, Math.min(Math.max(Date.parse(until) - Date.now(), 0), 2 ** 31 - 1));
  return { signal: controller.signal, cancel: () => { clearTimeout(timer); signal.removeEventListener("abort", abort); } };
}

/** Decides by stream and time. Times compare as text: nine digits, UTC. */
class Filter {
  /** A record later than `until` was seen: nothing that follows is wanted. */
  past = false;
  readonly #since: string;
  readonly #until: string | null;

  constructor(private readonly query: LogQuery) {
    this.#since = query.since ?? "";
    this.#until = query.until ?? null;
  }

  stream(record: Output): boolean {
    return record.stream === "stdout" ? this.query.stdout : this.query.stderr;
  }

  accepts(record: Output): boolean {
    if (this.#until !== null && record.time > this.#until) this.past = true;
    return !this.past && record.time >= this.#since && this.stream(record);
  }
}

/** Batches from `offset` to the end of what the file holds now; returns where it stopped: behind the last whole line. */
async function* readOn(fd: number, offset: number, filter: Filter, signal: AbortSignal): AsyncGenerator<readonly Output[], number> {
  for (let block = BLOCK; !signal.aborted && !filter.past;) {
    const buffer = Buffer.allocUnsafe(block);
    const { bytesRead } = await readFd(fd, buffer, 0, block, offset);
    const end = bytesRead === 0 ? 0 : buffer.lastIndexOf(NEWLINE, bytesRead - 1) + 1;
    if (end === 0) {
      if (bytesRead < block) return offset;
      block *= 2; // one line is longer than the block
      continue;
    }
    const records: Output[] = [];
    for (let start = 0; start < end;) {
      const stop = buffer.indexOf(NEWLINE, start);
      const record = decodeLine(buffer, start, stop);
      if (record !== null && filter.accepts(record)) records.push(record);
      if (filter.past) break;
      start = stop + 1;
    }
    offset += end;
    if (records.length > 0) yield records;
  }
  return offset;
}

/**
 * Where the last `lines` lines begin. Reads backwards, no further than needed. `size` is how much of the newest file
 * is whole lines, when somebody is writing it.
 */
async function tailStart(files: readonly LogFile[], size: number | undefined, lines: number, filter: Filter): Promise<{ file: number; offset: number }> {
  const last = files.length - 1;
  if (last < 0) return { file: 0, offset: 0 };
  let start = { file: last, offset: size ?? fstatSync(await files[last]!.lines()).size };
  let seen = 0;
  for (let file = last; file >= 0; file--) {
    const fd = await files[file]!.lines();
    for await (const batch of backwards(fd, file === last ? start.offset : fstatSync(fd).size)) {
      for (const { offset, line } of batch) {
        const record = decodeLine(line, 0, line.length);
        if (record !== null && filter.stream(record)) {
          if (seen === 0 || !record.partial) seen++;
          if (seen > lines) return start;
        }
        start = { file, offset };
      }
    }
  }
  return start;
}

/** How a log ends; undefined for one without records. */
export async function lastMoment(file: string): Promise<Moment | undefined> {
  const files = LogFile.all(file);
  let time: string | undefined, count = 0;
  try {
    for (const one of files.reverse()) {
      const fd = await one.lines();
      for await (const batch of backwards(fd, fstatSync(fd).size)) {
        for (const { line } of batch) {
          const record = decodeLine(line, 0, line.length);
          if (record === null) continue;
          time ??= record.time;
          if (record.time !== time) return { time, count };
          count++;
        }
      }
    }
  } finally {
    for (const one of files) one.close();
  }
  return time === undefined ? undefined : { time, count };
}

/** The lines of a file from its end, last first, as many at a time as a block holds. */
async function* backwards(fd: number, size: number): AsyncGenerator<readonly { offset: number; line: Buffer }[]> {
  let rest: Buffer = Buffer.alloc(0);
  for (let end = size; end > 0;) {
    const length = Math.min(BLOCK, end);
    const block = Buffer.allocUnsafe(length + rest.length);
    await readFd(fd, block, 0, length, end - length);
    rest.copy(block, length);
    end -= length;
    // The first line of the block may have begun before it.
    const first = end === 0 ? 0 : block.indexOf(NEWLINE) + 1;
    rest = block.subarray(0, first === 0 ? block.length : first);
    if (end > 0 && first === 0) continue;
    const lines: { offset: number; line: Buffer }[] = [];
    for (let stop = block.length; stop > first;) {
      const from = stop < 2 ? 0 : block.lastIndexOf(NEWLINE, stop - 2) + 1;
      lines.push({ offset: end + from, line: block.subarray(from, block[stop - 1] === NEWLINE ? stop - 1 : stop) });
      stop = from;
    }
    yield lines;
  }
}
