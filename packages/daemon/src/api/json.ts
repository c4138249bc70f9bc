import type { ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";

/** A list that is longer is written piece by piece. */
const MANY = 500;
/** Items of a piece. */
const PIECE = 32;
/** So much is written at a time, in characters. */
const WRITE = 64 << 10;
/** How long it is written before others get their turn. */
const TURN_MS = 5;

/** A list whose items are encoded one by one, when it is sent. */
class Lazy<T> {
  constructor(readonly items: readonly T[], private readonly textsOf: (items: readonly T[], at: number) => string) {}
  get length(): number { return this.items.length; }
  texts(at: number): string { return this.textsOf(this.items.slice(at, at + PIECE), at); }
}
/** `items.map(encode)`, for `sendJson`: a long list is encoded while it is sent. */
export function lazily<T, R>(items: readonly T[], encode: (item: T) => R): R[] {
  return items.length > MANY ? (new Lazy(items, (some) => inner(some.map(encode))) as unknown as R[]) : items.map(encode);
}

interface Kept { readonly stamp: string; readonly text: string }
/** Texts of one kind: of items, and of pieces of the last list. */
interface Kind<T extends object> { readonly items: WeakMap<T, Kept>; readonly pieces: { readonly items: readonly T[]; readonly stamp: string; readonly text: string }[] }
/**
 * Texts of items of long lists, each kept for as long as its item is: the same object has the same text. Of the kinds (versions of the
 * API) that were asked for last; others are encoded anew.
 */
export class Texts<T extends object> {
  private readonly kinds = new Map<string, Kind<T>>();

  constructor(private readonly most = 2) {}

  /** As `lazily`. `stamp`: all that the text is made of besides the item and the kind. */
  list<R>(kind: string, items: readonly T[], encode: (item: T) => R, stamp?: (item: T) => string): R[] {
    if (items.length <= MANY) return items.map(encode);
    const kept = this.of(kind);
    const text = (item: T, now: string): string => {
      const known = kept.items.get(item);
      if (known?.stamp === now) return known.text;
      const made = JSON.stringify(encode(item));
      kept.items.set(item, { stamp: now, text: made });
      return made;
    };
    kept.pieces.length = Math.min(kept.pieces.length, Math.ceil(items.length / PIECE));
    return new Lazy(items, (some, at) => {
      const stamps = stamp === undefined ? undefined : some.map(stamp), now = stamps?.join("\n") ?? "", known = kept.pieces[at / PIECE];
      if (known?.stamp === now && known.items.length === some.length && known.items.every((item, i) => item === some[i])) return known.text;
      const made = some.map((item, i) => text(item, stamps?.[i] ?? "")).join(",");
      kept.pieces[at / PIECE] = { items: some, stamp: now, text: made };
      return made;
    }) as unknown as R[];
  }
  private of(kind: string): Kind<T> {
    const kept = this.kinds.get(kind) ?? { items: new WeakMap(), pieces: [] };
    this.kinds.delete(kind);
    this.kinds.set(kind, kept);
    for (const oldest of this.kinds.keys()) if (this.kinds.size > this.most) this.kinds.delete(oldest);
    return kept;
  }
}

/**
 * Sends a JSON value, characters as they are. A long list, or an object with one among its members or theirs, is turned into text while it is sent,
 * so that other requests are answered in between; a client that reads slowly does not make it lie in memory.
 */
export async function sendJson(response: ServerResponse, status: number, value: unknown): Promise<void> {
  if (!hasLong(value, 2)) {
    const body = Buffer.from(`${JSON.stringify(value)}\n`);
    response.writeHead(status, { "Content-Type": "application/json", "Content-Length": body.length }).end(body);
    return;
  }
  response.writeHead(status, { "Content-Type": "application/json" });
  let begin = performance.now(), text = "";
  for (const piece of pieces(value)) {
    text += piece;
    const late = performance.now() - begin > TURN_MS;
    if (text.length < WRITE && !late) continue;
    if (response.destroyed) return;
    if (!response.write(text)) await drained(response);
    else if (late) await nextTurn();
    text = "";
    begin = performance.now();
  }
  response.end(`${text}\n`);
}

function* pieces(value: unknown, before = ""): Generator<string> {
  if (isLong(value)) {
    yield* list(value, before);
    return;
  }
  let open = `${before}{`;
  for (const [key, member] of Object.entries(value as object) as [string, unknown][]) {
    const name = `${open}${JSON.stringify(key)}:`;
    if (hasLong(member, 1)) {
      yield* pieces(member, name);
    } else {
      const text = JSON.stringify(member) as string | undefined;
      if (text === undefined) continue;
      yield `${name}${text}`;
    }
    open = ",";
  }
  yield "}";
}
function* list(items: Long, before: string): Generator<string> {
  for (let at = 0; at < items.length; at += PIECE) yield `${at === 0 ? `${before}[` : ","}${items instanceof Lazy ? items.texts(at) : inner(items.slice(at, at + PIECE))}`;
  yield "]";
}

/** A list's text without its brackets. */
const inner = (items: readonly unknown[]): string => JSON.stringify(items).slice(1, -1);

type Long = readonly unknown[] | Lazy<unknown>;
const isLong = (value: unknown): value is Long => (Array.isArray(value) || value instanceof Lazy) && value.length > MANY;
/** It is a long list, or has one among its members; those of members `deep` times down. */
const hasLong = (value: unknown, deep: number): boolean => isLong(value) || (deep > 0 && isObject(value) && Object.values(value).some((member) => hasLong(member, deep - 1)));
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
