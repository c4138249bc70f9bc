import { InvalidArgument } from "../core/index.js";

/**
 * Words of a Dockerfile line: quotes, backslash escapes and variables (`$A`, `${A}`, `${A:-default}`, `${A:+other}`,
 * `${A:?message}` and the forms without the colon, which test for unset only).
 */

/** Splits at white space outside quotes. Quotes and escapes stay in the words. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word = "", inWord = false, quote = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quote === "" && /\s/.test(c)) {
      if (inWord) words.push(word);
      word = "";
      inWord = false;
      continue;
    }
    inWord = true;
    word += c;
    if (c === "\\" && quote !== "'" && i + 1 < text.length) word += text[++i]!;
    else if (quote === "" && (c === '"' || c === "'")) quote = c;
    else if (c === quote) quote = "";
  }
  if (inWord) words.push(word);
  return words;
}

export type Lookup = (name: string) => string | undefined;

/** Removes quotes and escapes and puts values in place of variables. InvalidArgument when a quote or brace is left open. */
export function expandWord(word: string, lookup: Lookup): string {
  const scanner = new Scanner(word, lookup);
  return scanner.run();
}

class Scanner {
  #at = 0;
  constructor(private readonly text: string, private readonly lookup: Lookup) {}

  run(stop = ""): string {
    let out = "";
    while (this.#at < this.text.length) {
      const c = this.text[this.#at]!;
      if (stop !== "" && c === stop) return out;
      if (c === "'") out += this.#single();
      else if (c === '"') out += this.#double();
      else if (c === "$") out += this.#variable();
      else if (c === "\\") out += this.#escaped();
      else { out += c; this.#at++; }
    }
    if (stop !== "") throw new InvalidArgument(`unexpected end of statement while looking for matching ${stop} in ${this.text}`);
    return out;
  }

  #escaped(): string {
    this.#at += 2;
    return this.text[this.#at - 1] ?? "\\";
  }

  #single(): string {
    const end = this.text.indexOf("'", this.#at + 1);
    if (end < 0) throw new InvalidArgument("unexpected end of statement while looking for matching single-quote");
    const out = this.text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return out;
  }

  #double(): string {
    let out = "";
    this.#at++;
    while (this.#at < this.text.length) {
      const c = this.text[this.#at]!;
      if (c === '"') { this.#at++; return out; }
      if (c === "$") out += this.#variable();
      else if (c === "\\") {
        const next = this.text[this.#at + 1];
        this.#at += next === undefined ? 1 : 2;
        out += next === '"' || next === "$" || next === "\\" ? next : `\\${next ?? ""}`;
      } else { out += c; this.#at++; }
    }
    throw new InvalidArgument("unexpected end of statement while looking for matching double-quote");
  }

  #variable(): string {
    this.#at++;
    if (this.text[this.#at] !== "{") {
      const name = /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?!-])/.exec(this.text.slice(this.#at))?.[0];
      if (name === undefined) return "$";
      this.#at += name.length;
      return this.lookup(name) ?? "";
    }
    this.#at++;
    const name = /^[A-Za-z0-9_]+/.exec(this.text.slice(this.#at))?.[0];
    if (name === undefined) throw new InvalidArgument(`syntax error: bad substitution in ${this.text}`);
    this.#at += name.length;
    const value = this.lookup(name);
    const colon = this.text[this.#at] === ":";
    const operator = this.text[this.#at + (colon ? 1 : 0)];
    if (operator === "}" && !colon) { this.#at++; return value ?? ""; }
    if (operator === undefined || !"-+?".includes(operator)) throw new InvalidArgument(`unsupported modifier in substitution: ${this.text}`);
    this.#at += colon ? 2 : 1;
    const other = this.run("}");
    this.#at++;
    const there = colon ? value !== undefined && value !== "" : value !== undefined;
    if (operator === "+") return there ? other : "";
    if (there) return value!;
    if (operator === "-") return other;
    throw new InvalidArgument(`${name}: ${other === "" ? "not set" : other}`);
  }
}
