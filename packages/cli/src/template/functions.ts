import { show, truth } from "./show.js";

/** Called with evaluated arguments; what it throws becomes Go's "error calling NAME: …". */
export type TemplateFunction = (...args: unknown[]) => unknown;

type Basic = "string" | "number" | "boolean" | "other";
const kind = (value: unknown): Basic => {
  const type = typeof value;
  return type === "string" || type === "number" || type === "boolean" ? type : "other";
};
const text = (value: unknown): string => {
  if (typeof value === "string") return value;
  throw new Error(`wrong type for value; expected string; got ${typeof value === "object" ? "object" : typeof value}`);
};
const list = (value: unknown): readonly unknown[] => {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value as unknown[];
  throw new Error("wrong type for value; expected []string");
};

function compare(a: unknown, b: unknown): number {
  if (kind(a) !== kind(b) || kind(a) === "other" || kind(a) === "boolean") throw new Error(kind(a) === "boolean" && kind(b) === "boolean" ? "invalid type for comparison" : "incompatible types for comparison");
  return (a as string) < (b as string) ? -1 : (a as string) > (b as string) ? 1 : 0;
}

function equal(a: unknown, ...others: unknown[]): boolean {
  if (others.length === 0) throw new Error("missing argument for comparison");
  return others.some((b) => {
    if (kind(a) !== kind(b)) throw new Error("incompatible types for comparison");
    return a === b;
  });
}

function index(item: unknown, ...keys: unknown[]): unknown {
  let value = item;
  for (const key of keys) {
    if (value === null || value === undefined) throw new Error("index of untyped nil");
    if (Array.isArray(value) || typeof value === "string") {
      if (typeof key !== "number") throw new Error(`cannot index slice/array with type ${typeof key}`);
      if (key < 0 || key >= value.length) throw new Error(`reflect: slice index out of range: ${key}`);
      value = typeof value === "string" ? value.charCodeAt(key) : (value[key] as unknown);
    } else if (typeof value === "object") {
      if (typeof key !== "string") throw new Error(`value has type ${typeof key}; should be string`);
      // An absent key is the zero value: the maps that are looked into hold strings.
      value = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : "";
    } else {
      throw new Error(`can't index item of type ${typeof value}`);
    }
  }
  return value;
}

function length(item: unknown): number {
  if (item === null || item === undefined) return 0;
  if (typeof item === "string") return Buffer.byteLength(item);
  if (Array.isArray(item)) return item.length;
  if (typeof item === "object") return Object.keys(item).length;
  throw new Error(`len of type ${typeof item}`);
}

/** Operands with a space between two when neither is a string, as Go's Sprint. */
function print(...args: unknown[]): string {
  return args.reduce<string>((all, value, at) => all + (at > 0 && typeof value !== "string" && typeof args[at - 1] !== "string" ? " " : "") + show(value), "");
}

const VERB = /%([-+# 0]*)(\d+|\*)?(?:\.(\d+))?([a-zA-Z%])/g;

/** The common verbs of Go's Sprintf: v s q d t x X o b c f e g U %. */
function printf(format: unknown, ...args: unknown[]): string {
  let used = 0;
  const out = text(format).replace(VERB, (_whole, flags: string, width: string | undefined, precision: string | undefined, verb: string) => {
    if (verb === "%") return "%";
    const size = width === "*" ? Number(args[used++]) : Number(width ?? 0);
    if (used >= args.length) return `%!${verb}(MISSING)`;
    let shown = formatVerb(verb, args[used++], precision === undefined ? undefined : Number(precision));
    if (flags.includes("+") && /[dfeg]/.test(verb) && !shown.startsWith("-")) shown = `+${shown}`;
    if (flags.includes("-")) return shown.padEnd(size);
    if (!flags.includes("0") || /[svqtc]/.test(verb)) return shown.padStart(size);
    const sign = /^[-+]/.exec(shown)?.[0] ?? "";
    return sign + shown.slice(sign.length).padStart(size - sign.length, "0");
  });
  const extra = args.slice(used).map((value) => `${typeof value === "number" ? "int" : typeof value}=${show(value)}`);
  return extra.length > 0 ? `${out}%!(EXTRA ${extra.join(", ")})` : out;
}

function formatVerb(verb: string, value: unknown, precision: number | undefined): string {
  const bad = (): string => `%!${verb}(${typeof value === "number" ? "int" : typeof value}=${show(value)})`;
  switch (verb) {
    case "v": return show(value);
    case "s": {
      if (typeof value === "number" || typeof value === "boolean") return bad();
      const shown = show(value);
      return precision === undefined ? shown : Array.from(shown).slice(0, precision).join("");
    }
    case "q": return Array.isArray(value) ? `[${value.map((one) => JSON.stringify(show(one))).join(" ")}]` : JSON.stringify(show(value));
    case "t": return typeof value === "boolean" ? String(value) : bad();
    case "x": return typeof value === "string" ? Buffer.from(value).toString("hex") : typeof value === "number" ? value.toString(16) : bad();
    case "X": return typeof value === "string" ? Buffer.from(value).toString("hex").toUpperCase() : typeof value === "number" ? value.toString(16).toUpperCase() : bad();
    default:
  }
  if (typeof value !== "number") return bad();
  switch (verb) {
    case "d": return Number.isInteger(value) ? String(value) : `%!d(float64=${value})`;
    case "o": return value.toString(8);
    case "b": return value.toString(2);
    case "c": return String.fromCodePoint(value);
    case "f": return value.toFixed(precision ?? 6);
    case "e": return value.toExponential(precision ?? 6).replace(/e([+-])(\d)$/, "e$10$2");
    case "g": return precision === undefined ? String(value) : String(Number(value.toPrecision(precision)));
    default: return bad();
  }
}

/** As Go's strings.Title: the first letter of each word, the rest left alone. */
const title = (value: unknown): string => text(value).replace(/(^|[^\p{L}\p{N}_'])(\p{Ll})/gu, (_whole, before: string, letter: string) => before + letter.toUpperCase());

/** Go's builtins and what Docker adds to them. `and` and `or` are evaluated lazily and live in the evaluator. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  not: (value) => !truth(value),
  eq: equal,
  ne: (a, b) => !equal(a, b),
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  index,
  len: length,
  slice: (value, from = 0, to) => (typeof value === "string" ? value : list(value)).slice(Number(from), to === undefined ? undefined : Number(to)),
  print,
  println: (...args) => `${args.map(show).join(" ")}\n`,
  printf,
  html: (...args) => print(...args).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`.replace("&#38;", "&amp;").replace("&#60;", "&lt;").replace("&#62;", "&gt;")),
  urlquery: (...args) => encodeURIComponent(print(...args)).replace(/%20/g, "+"),
  json: (value) => JSON.stringify(value ?? null),
  join: (value, separator) => list(value).map(show).join(text(separator)),
  split: (value, separator) => text(value).split(text(separator)),
  lower: (value) => text(value).toLowerCase(),
  upper: (value) => text(value).toUpperCase(),
  title,
  pad: (value, before, after) => (text(value) === "" ? "" : " ".repeat(Number(before)) + text(value) + " ".repeat(Number(after))),
  truncate: (value, size) => text(value).slice(0, Number(size)),
};
