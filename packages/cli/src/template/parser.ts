import { lex, TemplateError, type Segment, type Token } from "./lexer.js";

/** What yields a value. */
export type Operand =
  | { readonly kind: "dot" }
  | { readonly kind: "literal"; readonly value: string | number | boolean | null }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "function"; readonly name: string; readonly at: number }
  | { readonly kind: "group"; readonly pipeline: Pipeline }
  | { readonly kind: "fields"; readonly of: Operand; readonly names: readonly string[]; readonly at: number };
/** A function or a method with its arguments, or one value. */
export interface Command { readonly operands: readonly Operand[]; readonly at: number }
/** Commands joined by `|`, possibly setting variables. */
export interface Pipeline {
  readonly commands: readonly Command[];
  readonly variables: readonly string[];
  /** `:=` rather than `=`. */
  readonly declares: boolean;
  readonly at: number;
}
export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly pipeline: Pipeline }
  | { readonly kind: "if" | "with" | "range"; readonly pipeline: Pipeline; readonly body: readonly Node[]; readonly otherwise: readonly Node[] }
  | { readonly kind: "break" | "continue" };

/** Parses a whole template. Throws TemplateError. */
export function parse(source: string, functions: ReadonlySet<string>): readonly Node[] {
  return new Parser(source, functions).template();
}

const BLOCKS = new Set(["if", "with", "range"]);
const KEYWORDS = new Set([...BLOCKS, "else", "end", "break", "continue", "define", "template", "block"]);

class Parser {
  readonly #source: string;
  readonly #functions: ReadonlySet<string>;
  readonly #segments: readonly Segment[];
  #segment = 0;
  #tokens: readonly Token[] = [];
  #token = 0;
  #at = 0;
  #loops = 0;
  /** Variables in scope; `$` is the data. */
  #variables: string[] = ["$"];

  constructor(source: string, functions: ReadonlySet<string>) {
    this.#source = source;
    this.#functions = functions;
    this.#segments = lex(source);
  }

  template(): Node[] {
    const { nodes, end } = this.#list(false);
    if (end !== undefined) this.#fail(`unexpected {{${end}}}`);
    return nodes;
  }

  /** Nodes up to `end`, `else` or the end of the template. */
  #list(inside: boolean): { nodes: Node[]; end: "end" | "else" | undefined } {
    const nodes: Node[] = [];
    while (this.#segment < this.#segments.length) {
      const segment = this.#segments[this.#segment++]!;
      this.#at = segment.at;
      if ("text" in segment) {
        nodes.push({ kind: "text", text: segment.text });
        continue;
      }
      this.#tokens = segment.action;
      this.#token = 0;
      this.#space();
      const word = this.#peek();
      if (word?.kind === "identifier" && KEYWORDS.has(word.text)) {
        this.#token++;
        if (word.text === "end" || word.text === "else") {
          if (word.text === "end") this.#finish("end");
          return { nodes, end: word.text };
        }
        nodes.push(this.#keyword(word.text));
        continue;
      }
      nodes.push({ kind: "action", pipeline: this.#pipeline("command") });
    }
    if (inside) this.#fail("unexpected EOF");
    return { nodes, end: undefined };
  }

  #keyword(word: string): Node {
    if (word === "break" || word === "continue") {
      this.#finish(`{{${word}}}`);
      if (this.#loops === 0) this.#fail(`{{${word}}} outside {{range}}`);
      return { kind: word };
    }
    if (word === "if" || word === "with" || word === "range") return this.#block(word);
    return this.#fail(`{{${word}}} is not supported`);
  }

  #block(kind: "if" | "with" | "range"): Node {
    const scope = this.#variables.length;
    const pipeline = this.#pipeline(kind, kind === "range");
    if (kind === "range") this.#loops++;
    const { nodes: body, end } = this.#list(true);
    if (kind === "range") this.#loops--;
    let otherwise: Node[] = [];
    if (end === "else") {
      this.#space();
      const word = this.#peek();
      if (word?.kind === "identifier" && word.text === kind && kind !== "range") {
        // {{else if}}: the chain shares the one {{end}}.
        this.#token++;
        otherwise = [this.#block(kind)];
      } else {
        this.#finish("else");
        const rest = this.#list(true);
        if (rest.end === "else") this.#fail("expected end; found {{else}}");
        otherwise = rest.nodes;
      }
    }
    this.#variables.length = scope;
    return { kind, pipeline, body, otherwise };
  }

  #pipeline(context: string, ranged = false, inParentheses = false): Pipeline {
    this.#space();
    const at = this.#peek()?.at ?? this.#at;
    const { variables, declares } = this.#assignment(ranged);
    const commands: Command[] = [];
    for (;;) {
      this.#space();
      const token = this.#peek();
      if (token === undefined || (inParentheses && token.kind === "close")) break;
      if (token.kind === "pipe") {
        this.#token++;
        this.#space();
        if (commands.length === 0 || this.#peek() === undefined) this.#fail(`missing value for ${context}`);
        continue;
      }
      commands.push(this.#command());
    }
    if (commands.length === 0) this.#fail(`missing value for ${context}`);
    commands.forEach((command, index) => {
      const first = command.operands[0]!;
      if (index > 0 && (first.kind === "dot" || first.kind === "literal")) this.#fail("non executable command in pipeline stage " + String(index + 1));
    });
    if (declares) this.#variables.push(...variables);
    return { commands, variables, declares, at };
  }

  /** `$x :=`, `$i, $x :=` or `$x =`, if the pipeline starts with one. */
  #assignment(ranged: boolean): { variables: string[]; declares: boolean } {
    const start = this.#token;
    const variables: string[] = [];
    while (this.#peek()?.kind === "variable") {
      variables.push(this.#peek()!.text);
      this.#token++;
      this.#space();
      const token = this.#peek();
      if (token?.kind === "declare" || token?.kind === "assign") {
        this.#token++;
        if (token.kind === "assign") for (const name of variables) this.#known(name);
        return { variables, declares: token.kind === "declare" };
      }
      if (token?.kind !== "comma" || variables.length === 2) break;
      if (!ranged) this.#fail("too many declarations in command");
      this.#token++;
      this.#space();
    }
    this.#token = start;
    return { variables: [], declares: false };
  }

  #command(): Command {
    const operands: Operand[] = [];
    const at = this.#peek()?.at ?? this.#at;
    for (;;) {
      this.#space();
      const token = this.#peek();
      if (token === undefined || token.kind === "pipe" || token.kind === "close") break;
      operands.push(this.#operand());
      const after = this.#peek();
      if (after !== undefined && after.kind !== "space" && after.kind !== "pipe" && after.kind !== "close") this.#fail(`unexpected ${JSON.stringify(after.text)} in operand`);
    }
    if (operands.length === 0) this.#fail("empty command");
    const first = operands[0]!;
    if (operands.length > 1 && (first.kind === "literal" || first.kind === "dot")) this.#fail("can't give argument to non-function");
    return { operands, at };
  }

  #operand(): Operand {
    const term = this.#term();
    const names: string[] = [];
    let at = this.#at;
    for (let token = this.#peek(); token?.kind === "field"; token = this.#peek()) {
      if (term.kind === "literal") this.#fail(`unexpected . after term`);
      if (names.length === 0) at = token.at;
      names.push(token.text);
      this.#token++;
    }
    return names.length === 0 ? term : { kind: "fields", of: term, names, at };
  }

  #term(): Operand {
    const token = this.#peek()!;
    this.#at = token.at;
    switch (token.kind) {
      case "field": return { kind: "dot" };
      case "dot": this.#token++; return { kind: "dot" };
      case "string": this.#token++; return { kind: "literal", value: token.text };
      case "char": this.#token++; return { kind: "literal", value: token.text.codePointAt(0) ?? 0 };
      case "number": this.#token++; return { kind: "literal", value: this.#number(token.text) };
      case "variable": this.#token++; return { kind: "variable", name: this.#known(token.text) };
      case "open": {
        this.#token++;
        const pipeline = this.#pipeline("parenthesized pipeline", false, true);
        if (this.#peek()?.kind !== "close") this.#fail("unclosed left paren");
        this.#token++;
        return { kind: "group", pipeline };
      }
      case "identifier": {
        this.#token++;
        if (token.text === "true" || token.text === "false") return { kind: "literal", value: token.text === "true" };
        if (token.text === "nil") return { kind: "literal", value: null };
        if (!this.#functions.has(token.text)) this.#fail(`function ${JSON.stringify(token.text)} not defined`);
        return { kind: "function", name: token.text, at: token.at };
      }
      default: return this.#fail(`unexpected ${JSON.stringify(token.text)} in operand`);
    }
  }

  #number(text: string): number {
    const sign = text.startsWith("-") ? -1 : 1;
    const digits = text.replace(/^[+-]/, "").replace(/_/g, "");
    const value = sign * Number(/^0\d+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
    return Number.isNaN(value) ? this.#fail(`bad number syntax: ${JSON.stringify(text)}`) : value;
  }

  #known(name: string): string {
    return this.#variables.includes(name) ? name : this.#fail(`undefined variable ${JSON.stringify(name)}`);
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#token];
  }

  #space(): void {
    while (this.#peek()?.kind === "space") this.#token++;
  }

  #finish(context: string): void {
    this.#space();
    const token = this.#peek();
    if (token !== undefined) this.#fail(`unexpected ${JSON.stringify(token.text)} in ${context}`);
  }

  #fail(message: string): never {
    throw new TemplateError(`template: :${this.#source.slice(0, this.#at).split("\n").length}: ${message}`);
  }
}
