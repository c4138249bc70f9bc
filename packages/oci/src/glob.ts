/** Wildcards of paths, by the rules of Go's `filepath.Match`. */
export class MalformedPattern extends Error {
  override readonly name = "MalformedPattern";
}

/**
 * Whether all of `name` fits: `*` is any text without `/`, `?` any character but `/`, `[a-z]` and `[^a-z]` one of (or
 * none of) the characters, `\` takes the meaning from what follows. Throws MalformedPattern.
 */
export function globMatch(pattern: string, name: string): boolean {
  return new Glob(pattern).matches(name);
}

/** Whether a path is a pattern at all. */
export function hasWildcards(path: string): boolean {
  return /[*?[]/.test(path.replace(/\\[\s\S]/g, ""));
}

type Token =
  | { readonly kind: "is"; readonly char: string }
  /** `?` and `*`, which stop at `/`, and any text at all. */
  | { readonly kind: "one" | "star" | "any" }
  /** Any text that ends with `/`. */
  | { readonly kind: "under" }
  /** What comes next may be left out. */
  | { readonly kind: "maybe" }
  | { readonly kind: "class"; readonly negated: boolean; readonly ranges: readonly (readonly [string, string])[] };

/**
 * A pattern, ready for many names. With `deep`, `**` is any number of directories, as in .dockerignore. Matching takes
 * time in proportion to pattern times name, whatever the pattern.
 */
export class Glob {
  readonly #tokens: readonly Token[];
  /** Of a pattern without wildcards. */
  readonly #literal: string | undefined;

  constructor(pattern: string, deep = false) {
    this.#tokens = new Reader(pattern, deep).read();
    if (this.#tokens.every((t) => t.kind === "is")) this.#literal = this.#tokens.map((t) => t.char).join("");
  }

  matches(name: string): boolean {
    if (this.#literal !== undefined) return name === this.#literal;
    const end = this.#tokens.length;
    let now = new Uint8Array(end + 1), next = new Uint8Array(end + 1);
    this.#enter(now, 0);
    for (const char of name) {
      let alive = false;
      for (let place = 0; place < end; place++) if (now[place] === 1 && this.#step(next, place, char)) alive = true;
      if (!alive) return false;
      [now, next] = [next, now];
      next.fill(0);
    }
    return now[end] === 1;
  }

  /** Marks a place, and those that are reached from it without a character. */
  #enter(places: Uint8Array, place: number): void {
    if (places[place] === 1) return;
    places[place] = 1;
    const kind = this.#tokens[place]?.kind;
    if (kind === "star" || kind === "any" || kind === "maybe") this.#enter(places, place + 1);
    if (kind === "maybe") this.#enter(places, place + 2);
  }

  #step(next: Uint8Array, place: number, char: string): boolean {
    const token = this.#tokens[place]!;
    switch (token.kind) {
      case "is": if (char !== token.char) return false; break;
      case "one": if (char === "/") return false; break;
      case "class": if (token.ranges.some(([low, high]) => low <= char && char <= high) === token.negated) return false; break;
      case "star": if (char === "/") return false; this.#enter(next, place); return true;
      case "any": this.#enter(next, place); return true;
      case "under": this.#enter(next, place); if (char !== "/") return true; break;
      case "maybe": return false;
    }
    this.#enter(next, place + 1);
    return true;
  }
}

class Reader {
  readonly #chars: readonly string[];
  #at = 0;
  constructor(private readonly pattern: string, private readonly deep: boolean) {
    this.#chars = Array.from(pattern);
  }

  read(): Token[] {
    const tokens: Token[] = [];
    while (this.#at < this.#chars.length) {
      const char = this.#chars[this.#at++]!;
      if (char === "*" && this.deep && this.#chars[this.#at] === "*") tokens.push(...this.#directories());
      else if (char === "*") tokens.push({ kind: "star" });
      else if (char === "?") tokens.push({ kind: "one" });
      else if (char === "[") tokens.push(this.#class());
      else tokens.push({ kind: "is", char: char === "\\" ? this.#next() : char });
    }
    return tokens;
  }

  /** At the second star of two: any text at the end, else any number of directories. */
  #directories(): Token[] {
    const first = this.#at === 1;
    this.#at++;
    const slash = this.#chars[this.#at] === "/";
    if (slash) this.#at++;
    const rest = this.#chars.slice(this.#at);
    // `**.md`, of all patterns that begin so, is any name with that end.
    const suffix = first && !slash && !rest.some((c) => "*?[\\".includes(c));
    return rest.length === 0 || suffix ? [{ kind: "any" }] : [{ kind: "maybe" }, { kind: "under" }];
  }

  #class(): Token {
    const negated = this.#chars[this.#at] === "^";
    if (negated) this.#at++;
    const ranges: [string, string][] = [];
    while (this.#chars[this.#at] !== "]" || ranges.length === 0) {
      const low = this.#classChar();
      const to = this.#chars[this.#at] === "-";
      if (to) this.#at++;
      ranges.push([low, to ? this.#classChar() : low]);
    }
    this.#at++;
    return { kind: "class", negated, ranges };
  }

  #classChar(): string {
    const char = this.#next();
    if (char === "-" || char === "]") throw this.#malformed();
    return char === "\\" ? this.#next() : char;
  }

  #next(): string {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw this.#malformed();
    return char;
  }

  #malformed(): MalformedPattern {
    return new MalformedPattern(`syntax error in pattern: ${this.pattern}`);
  }
}
