import { InvalidArgument } from "../core/index.js";
import { replacePattern, trimPrefix, trimSuffix } from "./shell-pattern.js";

/**
 * Words of a Dockerfile line: quotes, escapes and variables (`$A`, `${A}`, `${A:-default}`, `${A:+other}`,
 * `${A:?message}` and the forms without the colon, which test for unset only; `${A#pattern}`, `##`, `%` and `%%`, which
 * take the shortest or longest match off the beginning or end; `${A/pattern/text}`, and with `//` for every match).
 * The escape is the file's: a backslash, or a backtick where its directive says so.
 */

/** Splits at white space outside quotes. Quotes and escapes stay in the words; an escape at the very end is dropped. */
export function splitWords(text: string, escape = "\\"): string[] {
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
    if (c === escape && quote !== "'") {
      if (i + 1 === text.length) break;
      word += c + text[++i]!;
    } else {
      word += c;
      if (quote === "" && (c === '"' || c === "'")) quote = c;
      else if (c === quote) quote = "";
    }
    inWord = true;
  }
  if (inWord) words.push(word);
  return words;
}

export type Lookup = (name: string) => string | undefined;

/** Removes quotes and escapes and puts values in place of variables. InvalidArgument when a quote or brace is left open. */
export function expandWord(word: string, lookup: Lookup, escape = "\\"): string {
  return expand(word, { lookup, escape, quotes: true });
}

/** Puts values in place of variables in a heredoc, where quotes are text like any other. */
export function expandHeredoc(text: string, lookup: Lookup): string {
  return expand(text, { lookup, escape: "\\", quotes: false });
}

/** Without quotes and escapes, variables as they stand; undefined where a quote is left open. */
export function unquote(word: string): string | undefined {
  try {
    return new Scanner(word, { escape: "\\", quotes: true }).run();
  } catch {
    return undefined;
  }
}

interface Rules {
  /** Absent: `$` is a character like any other. */
  readonly lookup?: Lookup;
  readonly escape: string;
  readonly quotes: boolean;
}

function expand(text: string, rules: Rules): string {
  try {
    return new Scanner(text, rules).run();
  } catch (e) {
    throw e instanceof InvalidArgument ? new InvalidArgument(`failed to process ${JSON.stringify(text)}: ${e.message}`) : e;
  }
}

const NAME = /(?:\p{Nd}+|[@*#?$!-]|[\p{L}_][\p{L}\p{Nd}_]*)/uy;
/** Deeper is no honest file. */
const MAX_DEPTH = 200;

class Scanner {
  #at = 0;
  #depth = 0;
  constructor(private readonly text: string, private readonly rules: Rules) {}

  /** Up to `stop`, which is passed over, or the end. `raw` leaves escapes in place: they mean something to a pattern. */
  run(stop = "", raw = false): string {
    let out = "";
    while (this.#at < this.text.length) {
      const c = this.text[this.#at]!;
      if (c === stop) { this.#at++; return out; }
      if (c === "'" && this.rules.quotes) out += this.#single();
      else if (c === '"' && this.rules.quotes) out += this.#double(raw);
      else if (c === "$" && this.rules.lookup !== undefined) out += this.#variable(this.rules.lookup);
      else if (c === this.rules.escape) out += this.#escaped(raw);
      else { out += c; this.#at++; }
    }
    if (stop !== "") throw new InvalidArgument(`syntax error: missing '${stop}'`);
    return out;
  }

  #escaped(raw: boolean): string {
    const next = this.text[this.#at + 1] ?? "";
    this.#at += 2;
    return raw ? this.rules.escape + next : next;
  }

  #single(): string {
    const end = this.text.indexOf("'", this.#at + 1);
    if (end < 0) throw new InvalidArgument("unexpected end of statement while looking for matching single-quote");
    const out = this.text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return out;
  }

  #double(raw: boolean): string {
    let out = "";
    this.#at++;
    while (this.#at < this.text.length) {
      const c = this.text[this.#at]!;
      if (c === '"') { this.#at++; return out; }
      if (c === "$" && this.rules.lookup !== undefined) out += this.#variable(this.rules.lookup);
      else if (c === this.rules.escape) {
        const next = this.text[this.#at + 1] ?? "";
        const special = next === '"' || next === "$" || next === this.rules.escape;
        this.#at += special ? 2 : 1;
        // In a pattern an escape that means itself is written as two.
        if (next !== "") out += (raw ? c : "") + (special ? next : c);
      } else { out += c; this.#at++; }
    }
    throw new InvalidArgument("unexpected end of statement while looking for matching double-quote");
  }

  #name(): string {
    NAME.lastIndex = this.#at;
    const name = NAME.exec(this.text)?.[0] ?? "";
    this.#at += name.length;
    return name;
  }

  #variable(lookup: Lookup): string {
    this.#at++;
    if (this.text[this.#at] !== "{") {
      const name = this.#name();
      return name === "" ? "$" : lookup(name) ?? "";
    }
    this.#at++;
    if (++this.#depth > MAX_DEPTH) throw new InvalidArgument("syntax error: substitutions are nested too deeply");
    const out = this.#braces(lookup);
    this.#depth--;
    return out;
  }

  #braces(lookup: Lookup): string {
    const first = this.text[this.#at];
    if (first === undefined) throw new InvalidArgument("syntax error: missing '}'");
    if (first === "{" || first === "}" || first === ":") throw new InvalidArgument("syntax error: bad substitution");
    const name = this.#name();
    const value = lookup(name);
    const colon = this.text[this.#at] === ":";
    if (colon) this.#at++;
    const operator = this.text[this.#at++];
    if (operator === undefined) throw new InvalidArgument("syntax error: missing '}'");
    if (operator === "}" && !colon) return value ?? "";
    if ("-+?".includes(operator)) return this.#default(operator, name, value, colon);
    if (colon || !"#%/".includes(operator)) throw new InvalidArgument(`unsupported modifier (${colon ? ":" : ""}${operator}) in substitution`);
    return operator === "/" ? this.#replace(value ?? "") : this.#trim(operator, value ?? "");
  }

  #default(operator: string, name: string, value: string | undefined, colon: boolean): string {
    const other = this.run("}");
    const there = value !== undefined && !(colon && value === "");
    if (operator === "+") return there ? other : "";
    if (there) return value;
    if (operator === "-") return other;
    throw new InvalidArgument(`${name}: ${other === "" ? `is not allowed to be ${value === undefined ? "unset" : "empty"}` : other}`);
  }

  #trim(operator: string, value: string): string {
    const word = this.run("}", true);
    const longest = word.startsWith(operator);
    return (operator === "#" ? trimPrefix : trimSuffix)(longest ? word.slice(1) : word, value, longest);
  }

  #replace(value: string): string {
    const all = this.text[this.#at] === "/";
    if (all) this.#at++;
    const pattern = this.run("/", true), replacement = this.run("}", true);
    return replacePattern(pattern, value, replacement, all);
  }
}
