import type { ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";

/** A list that is longer is written piece by piece. */
const MANY = 500;
/** Items of a piece: some tens of kilobytes. */
const PIECE = 64;
/** How long it is written before others get their turn. */
const TURN_MS = 5;

/** A list whose items are encoded one by one, when it is sent. */
class Lazy<T> {
  constructor(readonly items: readonly T[], private readonly encode: (item: T) => unknown) {}
  get length(): number { return this.items.length; }
  slice(from: number, to: number): unknown[] { return this.items.slice(from, to).map(this.encode); }
}
/** `items.map(encode)`, for `sendJson`: a long list is encoded while it is sent. */
export function lazily<T, R>(items: readonly T[], encode: (item: T) => R): R[] {
  return items.length > MANY ? (new Lazy(items, encode) as unknown as R[]) : items.map(encode);
}

/**
 * Sends a JSON value, characters as they are. A long list, or a value with one among its members, is turned into text while it is sent,
 * so that other requests are answered in between; a client that reads slowly does not make it lie in memory.
 */
export async function sendJson(response: ServerResponse, status: number, value: unknown): Promise<void> {
  if (!isLong(value) && !(isObject(value) && Object.values(value).some(isLong))) {
    const body = Buffer.from(`${JSON.stringify(value)}\n`);
    response.writeHead(status, { "Content-Type": "application/json", "Content-Length": body.length }).end(body);
    return;
  }
  response.writeHead(status, { "Content-Type": "application/json" });
  let begin = performance.now();
  for (const piece of pieces(value)) {
    if (response.destroyed) return;
    if (!response.write(piece)) await drained(response);
    else if (performance.now() - begin > TURN_MS) await nextTurn();
    else continue;
    begin = performance.now();
  }
  response.end("\n");
}

function* pieces(value: Long | object): Generator<string> {
  if (isLong(value)) {
    yield* list(value);
    return;
  }
  let before = "{";
  for (const [key, member] of Object.entries(value)) {
    if (isLong(member)) {
      yield `${before}${JSON.stringify(key)}:`;
      yield* list(member);
    } else {
      const text = JSON.stringify(member) as string | undefined;
      if (text === undefined) continue;
      yield `${before}${JSON.stringify(key)}:${text}`;
    }
    before = ",";
  }
  yield "}";
}
function* list(items: Long): Generator<string> {
  for (let at = 0; at < items.length; at += PIECE) yield `${at === 0 ? "[" : ","}${JSON.stringify(items.slice(at, at + PIECE)).slice(1, -1)}`;
  yield "]";
}

type Long = readonly unknown[] | Lazy<unknown>;
const isLong = (value: unknown): value is Long => (Array.isArray(value) || value instanceof Lazy) && value.length > MANY;
const isObject = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value);

/** Also when the client is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      response.off("drain", over).off("close", over);
      resolve();
    };
    response.once("drain", over).once("close", over);
  });
}
