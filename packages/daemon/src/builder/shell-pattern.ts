import { InvalidArgument } from "../core/index.js";

/**
 * Patterns of `${name#pattern}` and its like: `*` is any text, `?` any character (neither a line's end), `\` takes the
 * meaning from what follows. Matching takes time in proportion to pattern times text, whatever the pattern.
 */
type Token = { readonly kind: "star" | "one" } | { readonly kind: "is"; readonly char: string };

export function trimPrefix(pattern: string, value: string, longest: boolean): string {
  const [tokens, chars] = both(pattern, value);
  return chars.slice(prefix(tokens, chars, longest)).join("");
}

export function trimSuffix(pattern: string, value: string, longest: boolean): string {
  const [tokens, chars] = both(pattern, value);
  return chars.slice(0, chars.length - prefix(tokens.toReversed(), chars.toReversed(), longest)).join("");
}

export function replacePattern(pattern: string, value: string, replacement: string, all: boolean): string {
  const [tokens, chars] = both(pattern, value);
  let out = "", from = 0, last = -1;
  while (from <= chars.length) {
    const found = find(tokens, chars, from);
    if (found === undefined) break;
    out += chars.slice(from, found.start).join("");
    // Nothing at the end of what was just replaced is no further match.
    if (found.end > found.start || found.start !== last) out += replacement;
    from = last = found.end;
    if (found.end === found.start) out += chars[from++] ?? "";
    if (!all) break;
  }
  return out + chars.slice(from).join("");
}

/** More is no honest file, and would hold up everyone else. */
const MAX_WORK = 10_000_000;

function both(pattern: string, value: string): [Token[], string[]] {
  const tokens = parse(pattern), chars = Array.from(value);
  if (tokens.length * chars.length > MAX_WORK) throw new InvalidArgument(`a pattern of ${tokens.length} characters is too long for a value of ${chars.length}`);
  return [tokens, chars];
}

function parse(pattern: string): Token[] {
  const tokens: Token[] = [];
  const chars = Array.from(pattern);
  for (let i = 0; i < chars.length; i++) {
    let char = chars[i]!;
    if (char === "*" || char === "?") {
      tokens.push({ kind: char === "*" ? "star" : "one" });
      continue;
    }
    if (char === "\\") {
      char = chars[++i] ?? "";
      if (!"*?\\}/".includes(char) || char === "") throw new InvalidArgument(`invalid pattern (${pattern}) in substitution: invalid escape '\\${char}'`);
    }
    tokens.push({ kind: "is", char });
  }
  return tokens;
}

/** How much of the beginning matches: 0 where nothing does. */
function prefix(tokens: readonly Token[], chars: readonly string[], longest: boolean): number {
  let states = new States(tokens);
  states.add(0, 0);
  let end = 0;
  for (let at = 0; ; at++) {
    if (states.accepted !== undefined) {
      end = at;
      if (!longest) break;
    }
    if (at === chars.length || states.empty) break;
    states = states.step(chars[at]!);
  }
  return end;
}

/** The first match at or after `from`, and the longest of those that begin there. */
function find(tokens: readonly Token[], chars: readonly string[], from: number): { start: number; end: number } | undefined {
  let states = new States(tokens);
  let best: { start: number; end: number } | undefined;
  for (let at = from; ; at++) {
    if (best === undefined) states.add(0, at);
    const start = states.accepted;
    if (start !== undefined && (best === undefined || start <= best.start)) best = { start, end: at };
    if (at === chars.length || (best !== undefined && states.empty)) return best;
    states = states.step(chars[at]!, best?.start);
  }
}

/** Where in the pattern a match may be, and for each place the earliest beginning that led there. */
class States {
  readonly #starts = new Map<number, number>();
  constructor(private readonly tokens: readonly Token[]) {}

  get accepted(): number | undefined { return this.#starts.get(this.tokens.length); }
  get empty(): boolean { return this.#starts.size === 0 || (this.#starts.size === 1 && this.accepted !== undefined); }

  add(place: number, start: number): void {
    for (let at = place; ; at++) {
      if ((this.#starts.get(at) ?? Infinity) <= start) return;
      this.#starts.set(at, start);
      if (this.tokens[at]?.kind !== "star") return;
    }
  }

  step(char: string, latest = Infinity): States {
    const next = new States(this.tokens);
    for (const [place, start] of this.#starts) {
      const token = this.tokens[place];
      if (token === undefined || start > latest) continue;
      if (token.kind === "is" ? token.char === char : char !== "\n") next.add(token.kind === "star" ? place : place + 1, start);
    }
    return next;
  }
}
