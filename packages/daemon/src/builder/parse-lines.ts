import { InvalidArgument } from "../core/index.js";

/** An instruction as it stands in the file: continuations joined, comments left out. */
export interface LogicalLine {
  /** Of its first line, from 1. */
  readonly line: number;
  readonly text: string;
}

/** Names the line and shows it. */
export function errorAt(line: number, shown: string, message: string): InvalidArgument {
  return new InvalidArgument(`dockerfile parse error on line ${line}: ${message}\n  ${line} | ${shown.length > 200 ? `${shown.slice(0, 200)}…` : shown}`);
}

const DIRECTIVE = /^#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(\S.*)$/;

/**
 * The lines of a Dockerfile, one after the other. Directives count only before anything else; a comment or an empty
 * line between the parts of a continued instruction is passed over; what follows `<<EOF` is read by `heredoc`.
 */
export class LineReader {
  #escape: "\\" | "`";
  syntax: string | undefined;
  readonly warnings: string[] = [];
  readonly #lines: readonly string[];
  readonly #directives = new Set<string>();
  #at = 0;
  #atTop: boolean;

  /** Directives are looked for unless the escape is given. */
  constructor(text: string, escape?: "\\" | "`") {
    this.#lines = text.replace(/^\uFEFF/, "").split("\n");
    this.#escape = escape ?? "\\";
    this.#atTop = escape === undefined;
  }

  get escape(): "\\" | "`" { return this.#escape; }

  /** Number of lines read. */
  get line(): number { return this.#at; }

  /** As it stands in the file, without what ends it. */
  source(line: number): string {
    return (this.#lines[line - 1] ?? "").replace(/\r+$/, "");
  }

  next(): LogicalLine | undefined {
    while (this.#at < this.#lines.length) {
      const line = ++this.#at;
      const first = this.source(line).trimStart();
      this.#directive(first);
      if (first === "" || first.startsWith("#")) continue;
      return { line, text: this.#join(first) };
    }
    return undefined;
  }

  /** The lines up to the one that is `name` alone (behind tabs, with `loose`); undefined where none is. `tabs`: leading tabs are taken off. */
  heredoc(name: string, tabs: boolean, loose = tabs): string | undefined {
    let content = "";
    while (this.#at < this.#lines.length) {
      const source = this.source(++this.#at);
      if ((loose ? source.replace(/^\t+/, "") : source) === name) return content;
      const whole = `${this.#lines[this.#at - 1]!}\n`;
      content += tabs ? whole.replace(/^\t+/, "") : whole;
    }
    return undefined;
  }

  #join(first: string): string {
    let { text, more } = this.#continued(first);
    let empty = false;
    while (more && this.#at < this.#lines.length) {
      const source = this.source(++this.#at);
      const start = source.trimStart();
      if (start.startsWith("#")) continue;
      // What follows the last line's end is no line.
      if (start === "") { empty ||= this.#at < this.#lines.length; continue; }
      const part = this.#continued(source);
      text += part.text;
      more = part.more;
    }
    if (empty) this.warnings.push(`Empty continuation line found in:\n    ${text.trim()}`);
    return text;
  }

  /** An escape at the end of the line continues it, unless it is itself escaped. */
  #continued(line: string): { text: string; more: boolean } {
    let end = line.length;
    while (end > 0 && (line[end - 1] === " " || line[end - 1] === "\t")) end--;
    const more = line[end - 1] === this.#escape && line[end - 2] !== this.#escape;
    return more ? { text: line.slice(0, end - 1), more } : { text: line, more };
  }

  #directive(line: string): void {
    if (!this.#atTop) return;
    const [, word = "", text = ""] = DIRECTIVE.exec(line) ?? [];
    const name = word.toLowerCase(), value = text.trimEnd();
    if (name !== "escape" && name !== "syntax" && name !== "check") {
      this.#atTop = false;
      return;
    }
    if (this.#directives.has(name)) throw errorAt(this.#at, line, `only one ${name} parser directive can be used`);
    this.#directives.add(name);
    if (name === "syntax") this.syntax = value;
    if (name !== "escape") return;
    if (value !== "\\" && value !== "`") throw errorAt(this.#at, line, `invalid escape token '${value}' does not match \` or \\`);
    this.#escape = value;
  }
}
