/** A template that cannot be understood or executed; the message reads as Go's does. */
export class TemplateError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "TemplateError";
  }
}

export type TokenKind = "field" | "variable" | "identifier" | "string" | "number" | "char" | "dot" | "pipe" | "assign" | "declare" | "comma" | "open" | "close" | "space";
export interface Token {
  readonly kind: TokenKind;
  /** For a string its value, for a field its name without the dot, for a variable its name with the dollar. */
  readonly text: string;
  /** Offset in the template. */
  readonly at: number;
}
/** The template in order: text, and actions as their tokens. */
export type Segment = { readonly text: string; readonly at: number } | { readonly action: readonly Token[]; readonly at: number };

/** `line:column` of an offset, as Go counts them: lines from 1, bytes of the line from 0. */
export function position(source: string, at: number): string {
  const before = source.slice(0, at);
  const lineStart = before.lastIndexOf("\n") + 1;
  return `${before.split("\n").length}:${Buffer.byteLength(before.slice(lineStart))}`;
}

const lineOf = (source: string, at: number): number => source.slice(0, at).split("\n").length;

/** Cuts a template into text and actions; `{{-` and `-}}` trim the text beside them, comments vanish. */
export function lex(source: string): Segment[] {
  const segments: Segment[] = [];
  let at = 0;
  let trimNext = false;
  while (at < source.length) {
    const open = source.indexOf("{{", at);
    let text = source.slice(at, open === -1 ? source.length : open);
    if (trimNext) text = text.replace(/^[ \t\r\n]+/, "");
    trimNext = false;
    const trimLeft = open !== -1 && /^-[ \t\r\n]/.test(source.slice(open + 2, open + 4));
    if (trimLeft) text = text.replace(/[ \t\r\n]+$/, "");
    if (text !== "") segments.push({ text, at });
    if (open === -1) break;
    let inner = open + 2 + (trimLeft ? 2 : 0);
    const comment = /^\s*\/\*/.exec(source.slice(inner));
    if (comment) {
      const end = source.indexOf("*/", inner);
      const close = end === -1 ? null : /^(\s+-)?\}\}/.exec(source.slice(end + 2));
      if (!close) throw new TemplateError(`template: :${lineOf(source, inner)}: ${end === -1 ? "unclosed comment" : "comment ends before closing delimiter"}`);
      trimNext = close[1] !== undefined;
      at = end + 2 + close[0].length;
      continue;
    }
    const tokens: Token[] = [];
    for (;;) {
      const rest = source.slice(inner);
      const close = /^(?:[ \t\r\n]+-)?\}\}/.exec(rest);
      if (close) {
        trimNext = close[0].length > 2;
        inner += close[0].length;
        break;
      }
      if (rest === "") throw new TemplateError(`template: :${lineOf(source, open)}: unclosed action`);
      const token = next(rest, inner, source);
      tokens.push(token.token);
      inner += token.length;
    }
    segments.push({ action: tokens, at: open });
    at = inner;
  }
  return segments;
}

const PATTERNS: readonly (readonly [RegExp, TokenKind])[] = [
  [/^[ \t\r\n]+/, "space"],
  [/^\.([\p{L}_][\p{L}\p{N}_]*)/u, "field"],
  [/^[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/, "number"],
  [/^\./, "dot"],
  [/^\$[\p{L}\p{N}_]*/u, "variable"],
  [/^[\p{L}_][\p{L}\p{N}_]*/u, "identifier"],
  [/^`([^`]*)`/, "string"],
  [/^"(?:[^"\\\n]|\\.)*"/, "string"],
  [/^'(?:[^'\\\n]|\\.)+'/u, "char"],
  [/^:=/, "declare"],
  [/^=/, "assign"],
  [/^\|/, "pipe"],
  [/^,/, "comma"],
  [/^\(/, "open"],
  [/^\)/, "close"],
];

function next(rest: string, at: number, source: string): { token: Token; length: number } {
  for (const [pattern, kind] of PATTERNS) {
    const match = pattern.exec(rest);
    if (!match) continue;
    let text = match[1] ?? match[0];
    if (kind === "string" && rest.startsWith('"')) text = unquote(match[0], at, source);
    if (kind === "char") text = unquote(`"${match[0].slice(1, -1).replace(/^"$/, '\\"').replace(/^\\'$/, "'")}"`, at, source);
    return { token: { kind, text, at }, length: match[0].length };
  }
  const line = lineOf(source, at);
  if (rest.startsWith('"')) throw new TemplateError(`template: :${line}: unterminated quoted string`);
  if (rest.startsWith("`")) throw new TemplateError(`template: :${line}: unterminated raw quoted string`);
  if (rest.startsWith("'")) throw new TemplateError(`template: :${line}: unterminated character constant`);
  const char = String.fromCodePoint(rest.codePointAt(0) ?? 0);
  throw new TemplateError(`template: :${line}: unexpected ${JSON.stringify(char)} in operand`);
}

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v", "\\": "\\", '"': '"', "'": "'" };

/** A Go interpreted string literal. */
function unquote(literal: string, at: number, source: string): string {
  return literal.slice(1, -1).replace(/\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))/gs, (_whole, x?: string, u?: string, U?: string, octal?: string, simple?: string) => {
    if (x ?? u ?? U) return String.fromCodePoint(parseInt((x ?? u ?? U)!, 16));
    if (octal) return String.fromCodePoint(parseInt(octal, 8));
    const escaped = ESCAPES[simple ?? ""];
    if (escaped === undefined) throw new TemplateError(`template: :${lineOf(source, at)}: invalid syntax`);
    return escaped;
  });
}
