import type { Output } from "../../core/index.js";

const NEWLINE = 0x0a, SPACE = 0x20;
/** ` stdout F `: what stands between the time and the text. */
const HEADER = 10;

/**
 * Takes conmon's "k8s-file" stream apart: `<RFC 3339 time> <stdout|stderr> <F|P> <text>\n`, where P says that the
 * newline is conmon's own. Text is any bytes but newline.
 */
export class RecordParser {
  #rest: Buffer | null = null;
  #lastRaw = "";
  #lastUtc = "";

  /** The records that are complete with this chunk; their data are views of it. */
  push(chunk: Buffer): Output[] {
    const data = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    const records: Output[] = [];
    let start = 0;
    for (;;) {
      const end = data.indexOf(NEWLINE, start);
      if (end < 0) break;
      const record = this.#parse(data, start, end);
      if (record !== null) records.push(record);
      start = end + 1;
    }
    this.#rest = start === data.length ? null : data.subarray(start);
    return records;
  }

  /** Null for a line that a monitor left unfinished when it was killed. */
  #parse(data: Buffer, start: number, end: number): Output | null {
    const space = data.indexOf(SPACE, start);
    const text = space + HEADER;
    if (space < 0 || text > end || data[space + 7] !== SPACE || data[space + 9] !== SPACE) return null;
    const partial = data[space + 8] === 0x50;
    return {
      stream: data[space + 4] === 0x65 ? "stderr" : "stdout",
      data: data.subarray(text, partial ? end : end + 1),
      time: this.#utc(data.toString("latin1", start, space)),
      partial,
    };
  }

  #utc(raw: string): string {
    if (raw !== this.#lastRaw) {
      this.#lastRaw = raw;
      this.#lastUtc = utcNano(raw);
    }
    return this.#lastUtc;
  }
}

/** Length of a record's time, as conmon writes it. */
const TIME_LENGTH = "2026-01-02T03:04:05.123456789+02:00".length;

/** Puts back what is missing of the year at the beginning of the first record: at most its four digits. */
export function restoreYear(data: Buffer, now: Date): Buffer {
  const missing = TIME_LENGTH - data.indexOf(SPACE);
  return missing > 0 && missing <= 4 ? Buffer.concat([Buffer.from(String(now.getFullYear()).slice(0, missing)), data]) : data;
}

/** `2026-01-02T03:04:05.123456789+02:00` as UTC with the same fraction and a final Z. */
export function utcNano(time: string): string {
  const zone = time.length - 6;
  if (time.endsWith("+00:00")) return `${time.slice(0, zone)}Z`;
  const dot = time.indexOf(".");
  if (dot < 0 || zone < dot) return time;
  const seconds = Date.parse(time.slice(0, dot) + time.slice(zone));
  return Number.isNaN(seconds) ? time : new Date(seconds).toISOString().slice(0, 19) + time.slice(dot, zone) + "Z";
}
