import { InvalidArgument } from "../core/index.js";
import { splitWords, unquote } from "./words.js";

/** An instruction's parts before their meaning is looked at. */
export interface Parts {
  /** As it was typed. */
  readonly keyword: string;
  /** `--name` or `--name=value`, their quotes and escapes taken off. */
  readonly flags: readonly string[];
  readonly args: string;
}

/** Where white space parts words. */
const SPACE = /[\t\v\f\r ]+/;

export function splitInstruction(text: string, escape: string): Parts {
  const line = text.trim();
  const space = SPACE.exec(line);
  if (space === null) return { keyword: line, flags: [], args: "" };
  const { flags, rest } = takeFlags(line.slice(space.index + space[0].length), escape);
  return { keyword: line.slice(0, space.index), flags, args: rest.trim() };
}

/** Words at white space alone: quotes mean nothing. */
export function plainWords(args: string): string[] {
  return args === "" ? [] : args.split(SPACE);
}

/** Flags stand before everything else; `--` ends them. */
function takeFlags(text: string, escape: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && /\s/.test(text[at]!)) at++;
    if (!text.startsWith("--", at)) return { flags, rest: text.slice(at) };
    const { word, end } = takeWord(text, at, escape);
    at = end;
    if (word === "--") return { flags, rest: text.slice(at) };
    flags.push(word);
  }
}

function takeWord(text: string, start: number, escape: string): { word: string; end: number } {
  let word = "", quote = "", at = start;
  for (; at < text.length; at++) {
    const c = text[at]!;
    if (quote === "" && /\s/.test(c)) break;
    if (c === escape) word += text[++at] ?? "";
    else if (c === quote) quote = "";
    else if (quote === "" && (c === "'" || c === '"')) quote = c;
    else word += c;
  }
  return { word, end: Math.min(at, text.length) };
}

/** The strings of a JSON array; undefined for anything that is no JSON array, which then has the shell form. */
export function parseJsonForm(args: string): string[] | undefined {
  if (!args.startsWith("[")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(args);
  } catch {
    return undefined;
  }
  if (!(value as unknown[]).every((v) => typeof v === "string")) throw new InvalidArgument("when using JSON array syntax, arrays must be comprised of strings only");
  return value as string[];
}

export interface HeredocMark {
  readonly name: string;
  /** `<<-`: leading tabs are taken off. */
  readonly tabs: boolean;
  readonly expand: boolean;
}

/** `<<EOF`, `<<-EOF`, `3<<"EOF"`: undefined where the word announces no file. */
export function heredocMark(word: string): HeredocMark | undefined {
  const [, dash, rest] = /^\d*<<(-?)\s*([^<]*)$/.exec(word) ?? [];
  if (rest === undefined || rest === "") return undefined;
  const name = unquote(rest);
  if (name === undefined || name === "" || splitWords(rest).length !== 1) return undefined;
  return { name, tabs: dash === "-", expand: !/['"]/.test(rest) };
}

/** Files that the line announces, in their order. A quote that is left open hides them all: it is the shell's to complain. */
export function heredocMarks(line: string): HeredocMark[] {
  if (!line.includes("<<") || unquote(line) === undefined) return [];
  // White space may stand between `<<` and the name.
  const words = splitWords(line.replace(/<<[ \t\r]+(?!-)/g, "<<"));
  return words.flatMap((word) => heredocMark(word) ?? []);
}

/** Fields between commas; a field in double quotes may contain them. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  let field = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '"' && quoted && text[i + 1] === '"') field += text[i++]!;
    else if (c === '"') quoted = !quoted;
    else if (c === "," && !quoted) { fields.push(field); field = ""; }
    else field += c;
  }
  if (quoted) throw new InvalidArgument(`a quote is left open in ${text}`);
  fields.push(field);
  return fields;
}
