import { FUNCTIONS, type TemplateFunction } from "../template/functions.js";
import { TemplateError } from "../template/lexer.js";
import { markMap } from "../template/show.js";
import { Template } from "../template/template.js";
import { alignTabs } from "./table.js";

/** How rows are shown. */
export interface View {
  readonly noTrunc: boolean;
  /** Milliseconds since the epoch, for ages. */
  readonly now: number;
}

export interface Column<T> {
  readonly header: string;
  readonly value: (item: T, view: View) => string;
  /** Left out of `json`. */
  readonly hidden?: boolean;
  /** What `json` has, where that is something else. */
  readonly json?: (item: T) => string;
}

/** What a list of things can show of each, by the names that `--format` uses. */
export interface Listing<T> {
  /** For errors: `Container`. */
  readonly name: string;
  readonly columns: Readonly<Record<string, Column<T>>>;
  /** Names that take arguments, such as `Label "key"`. */
  readonly methods?: Readonly<Record<string, (item: T, ...args: string[]) => string>>;
}

export interface ListingOptions {
  /** `table`, `table TEMPLATE`, `json`, or a template. */
  readonly format?: string;
  /** Columns of the plain table. */
  readonly defaults: readonly string[];
  readonly noTrunc?: boolean;
  readonly now?: number;
}

/** The lines of a list, each without its newline at the end. Throws TemplateError with docker's words. */
export function formatListing<T>(listing: Listing<T>, items: readonly T[], options: ListingOptions): string[] {
  const view: View = { noTrunc: options.noTrunc ?? false, now: options.now ?? Date.now() };
  const format = options.format?.trim() ?? "table";
  if (format === "json") return items.map((item) => JSON.stringify(rowValues(listing, item, view)));
  const isTable = format === "table" || format.startsWith("table ");
  if (!isTable) {
    const template = rowTemplate(unescape(format), listing, view);
    return items.map((item) => execute(template, item));
  }
  const columns = options.defaults.map((name) => `{{.${name}}}`).join("\t");
  const source = format === "table" ? columns : unescape(format.slice("table ".length).trim());
  const rows = rowTemplate(source, listing, view);
  const header = new Template(source, { field: (_object, name) => headerOf(listing, name), functions: HEADER_FUNCTIONS });
  return alignTabs([execute(header, {}), ...items.map((item) => execute(rows, item))].flatMap((line) => line.split("\n")));
}

/**
 * Whether a format names a field, so that what it costs need only be asked for when it is shown. `json` shows everything but
 * asks for nothing, as docker's does.
 */
export function mentions(format: string | undefined, field: string): boolean {
  return format !== undefined && new RegExp(`\\.${field}\\b`).test(format);
}

/** Parses and runs a template for one value of plain data. */
export function compile(format: string, field?: (object: object, name: string) => unknown): Template {
  try {
    return new Template(format, { field });
  } catch (cause) {
    throw prefixed("failed to parse template", cause);
  }
}

const unescape = (format: string): string => format.replaceAll("\\t", "\t").replaceAll("\\n", "\n");

function rowValues<T>(listing: Listing<T>, item: T, view: View): Record<string, string> {
  const names = Object.keys(listing.columns).filter((name) => listing.columns[name]!.hidden !== true).sort();
  const values = Object.fromEntries(names.map((name) => {
    const { json, value } = listing.columns[name]!;
    return [name, json === undefined ? value(item, view) : json(item)];
  }));
  markMap(values);
  return values;
}

/** Rows stand behind this, so that a field is worked out only when it is asked for. */
class Row<T> {
  constructor(readonly item: T, readonly listing: Listing<T>, readonly view: View) {}
  toJSON(): Record<string, string> { return rowValues(this.listing, this.item, this.view); }
}

function rowTemplate<T>(source: string, listing: Listing<T>, view: View): { execute(item: unknown): string } {
  const template = compile(source, (object, name) => {
    const row = object as Row<T>;
    const column = Object.hasOwn(listing.columns, name) ? listing.columns[name] : undefined;
    if (column) return column.value(row.item, view);
    const method = listing.methods?.[name];
    if (method) return (...args: string[]) => method(row.item, ...args);
    throw new Error(`can't evaluate field ${name} in type ${listing.name}`);
  });
  return { execute: (item) => template.execute(new Row(item as T, listing, view)) };
}

function execute(template: { execute(value: unknown): string }, value: unknown): string {
  try {
    return template.execute(value);
  } catch (cause) {
    throw prefixed("failed to execute template", cause);
  }
}

function headerOf<T>(listing: Listing<T>, name: string): unknown {
  if (Object.hasOwn(listing.columns, name)) return listing.columns[name]!.header;
  if (listing.methods && Object.hasOwn(listing.methods, name)) {
    return (key: string) => (key.split(".").at(-1) ?? key).replace(/[-_]/g, " ").toUpperCase();
  }
  return undefined;
}

const same: TemplateFunction = (value) => value;
/** In the header line functions leave the column's name alone. */
const HEADER_FUNCTIONS = { ...FUNCTIONS, json: same, split: same, join: same, title: same, lower: same, upper: same, truncate: same };

function prefixed(what: string, cause: unknown): unknown {
  return cause instanceof TemplateError ? new TemplateError(`${what}: ${cause.message}`, { cause }) : cause;
}
