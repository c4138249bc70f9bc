import type { Readable } from "node:stream";
import { explainLost, StrataApiError } from "./errors.js";

const NEWLINE = 0x0a;
/** RFC 7464 puts this before each record (`application/json-seq`). */
const RECORD_SEPARATOR = 0x1e;

/**
 * The JSON values of a stream, one a line. A line `{"error": …}` or `{"errorDetail": {code, message}}` becomes a thrown
 * StrataApiError. Leaving the loop early destroys the stream, which ends the request.
 */
export async function* jsonLines<T>(stream: Readable): AsyncGenerator<T, void, undefined> {
  let held: Buffer[] = [];
  for await (const chunk of whole(stream)) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      held.push(chunk.subarray(from, at));
      const value = parse<T>(held);
      held = [];
      from = at + 1;
      if (value !== undefined) yield value;
    }
    if (from < chunk.length) held.push(chunk.subarray(from));
  }
  const last = parse<T>(held);
  if (last !== undefined) yield last;
}

async function* whole(stream: Readable): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* stream as AsyncIterable<Buffer>;
  } catch (error) {
    throw explainLost(error);
  }
}

function parse<T>(parts: Buffer[]): T | undefined {
  let line = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  if (line[0] === RECORD_SEPARATOR) line = line.subarray(1);
  const text = line.toString("utf8").trim();
  if (text === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new StrataApiError(500, `the daemon sent a line that is not JSON: ${text.slice(0, 200)}`, { cause });
  }
  if (typeof value === "object" && value !== null) throwIfError(value);
  return value as T;
}

function throwIfError(line: { error?: unknown; errorDetail?: unknown }): void {
  const detail = line.errorDetail as { code?: unknown; message?: unknown } | null | undefined;
  const message = typeof detail?.message === "string" ? detail.message : line.error;
  if (typeof message === "string" && message !== "") throw new StrataApiError(typeof detail?.code === "number" && detail.code > 0 ? detail.code : 500, message);
}
