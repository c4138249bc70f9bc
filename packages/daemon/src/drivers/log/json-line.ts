import type { Output } from "../../core/index.js";

/**
 * One line of Docker's json-file format: `{"log":"text\n","stream":"stdout","time":"2026-…Z"}`, with what
 * `encodeAttributes` gives before the time. A record that does not end its line has no `\n` in `log`.
 */
export function encodeLine(text: string, stream: Output["stream"], time: string, attrs = ""): string {
  return `{"log":${JSON.stringify(text)},"stream":"${stream}",${attrs}"time":"${time}"}\n`;
}

/** The member of a line that notes attributes; nothing when there are none. */
export function encodeAttributes(attributes: Readonly<Record<string, string>>): string {
  return Object.keys(attributes).length === 0 ? "" : `"attrs":${JSON.stringify(attributes)},`;
}

const NEWLINE = 0x0a, QUOTE = 0x22, BACKSLASH = 0x5c, LETTER_N = 0x6e;
const HEAD = Buffer.from('{"log":"');
/** What our own writer puts after the text: both streams' names and all times have one length. */
const TAIL = Buffer.from('","stream":"stdout","time":"2026-01-02T03:04:05.123456789Z"}');
const STREAM_AT = 15, TIME_AT = 28, TIME_LENGTH = 30;

/**
 * Decodes the line `data[start, end)`. Lines as our writer makes them, with no escape but the final newline, are
 * decoded in place: `data` is written to and the record views it. Others go through a JSON parser.
 * Null for what is no log line: the end of a file that was cut.
 */
export function decodeLine(data: Buffer, start: number, end: number): Output | null {
  const text = start + HEAD.length;
  const tail = end - TAIL.length;
  if (tail >= text && data[start + 2] === HEAD[2] && data[text - 1] === QUOTE && data.indexOf(QUOTE, text) === tail && data[tail + TIME_AT - 2] === TAIL[TIME_AT - 2]) {
    const escape = data.indexOf(BACKSLASH, text);
    const ends = escape === tail - 2 && data[tail - 1] === LETTER_N;
    if (ends || escape < 0 || escape >= tail) {
      if (ends) data[escape] = NEWLINE;
      return {
        stream: data[tail + STREAM_AT] === 0x65 ? "stderr" : "stdout",
        data: data.subarray(text, ends ? escape + 1 : tail),
        time: data.toString("latin1", tail + TIME_AT, tail + TIME_AT + TIME_LENGTH),
        partial: !ends,
      };
    }
  }
  return parseLine(data.toString("utf8", start, end));
}

function parseLine(line: string): Output | null {
  let entry: { log?: unknown; stream?: unknown; time?: unknown; attrs?: Record<string, string> };
  try {
    entry = JSON.parse(line) as typeof entry;
  } catch {
    return null;
  }
  if (typeof entry.log !== "string" || typeof entry.time !== "string") return null;
  return {
    stream: entry.stream === "stderr" ? "stderr" : "stdout",
    data: Buffer.from(entry.log),
    time: nineDigits(entry.time),
    partial: !entry.log.endsWith("\n"),
    ...(entry.attrs === undefined ? {} : { attributes: entry.attrs }),
  };
}

/** RFC 3339 UTC with all nine digits, so that times compare as text. Other writers drop trailing zeros. */
export function nineDigits(time: string): string {
  const match = /^(.{19})(?:\.(\d{1,9}))?Z$/.exec(time);
  return match === null ? time : `${match[1]!}.${(match[2] ?? "").padEnd(9, "0")}Z`;
}
