import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command, CommanderError, Option } from "commander";
import { InvalidArgument, errnoOf, messageOf } from "./core/index.js";
import { OPTIONS, type OptionKey, type Values } from "./config-options.js";

/** The daemon's settings: flags over the configuration file over defaults, checked and frozen. */
export type Config = Readonly<Values> & {
  /** Where the file was looked for. */
  readonly configFile: string;
  /** Keys that a flag set: a reload leaves them. */
  readonly fromFlags: ReadonlySet<OptionKey>;
};

/** What the command line asks for. */
export type Invocation =
  | { readonly kind: "run" | "validate"; readonly config: Config }
  /** Print this and be done. */
  | { readonly kind: "print"; readonly text: string };

export const DEFAULT_CONFIG_FILE = "/etc/strata/daemon.json";

/** Reads flags and configuration file. InvalidArgument names the flag, key or value that is wrong; nothing is touched. */
export function readInvocation(argv: readonly string[], version: string): Invocation {
  const printed: string[] = [];
  const command = new Command("stratad").description("The Strata daemon: Docker Engine API over a graph root that accounts for every byte.")
    .exitOverride().allowExcessArguments(false).helpOption("-h, --help", "show this and exit")
    .configureOutput({ writeOut: (text) => printed.push(text), writeErr: () => undefined, outputError: () => undefined })
    .option("--config-file <file>", `configuration file (default ${DEFAULT_CONFIG_FILE})`)
    .option("--validate", "check flags and configuration file, then exit")
    .option("-v, --version", "print the version and exit");
  for (const [key, option] of Object.entries(OPTIONS)) {
    for (const [i, flags] of option.flags.entries()) {
      const value = option.kind === "boolean" ? " [bool]" : ` <${option.placeholder ?? "value"}>`;
      const made = new Option(`${flags}${value}`, option.text);
      if (i > 0) made.hideHelp();
      // `--no-proxy` is a name and takes a value.
      made.negate = false;
      if (option.kind === "list") made.argParser((text: string, before: string[] | undefined) => [...(before ?? []), text]);
      made.attributeName = () => (i === 0 ? key : `${key}#${i}`);
      command.addOption(made);
    }
  }
  try {
    command.parse([...argv], { from: "user" });
  } catch (e) {
    if (e instanceof CommanderError && e.code === "commander.helpDisplayed") return { kind: "print", text: printed.join("") };
    throw new InvalidArgument(messageOf(e).replace(/^error: /, ""), { cause: e });
  }
  const given: Record<string, unknown> = command.opts();
  if (given["version"] === true) return { kind: "print", text: `Strata version ${version}\n` };
  const explicit = typeof given["configFile"] === "string" ? given["configFile"] : undefined;
  return { kind: given["validate"] === true ? "validate" : "run", config: merge(given, resolve(explicit ?? DEFAULT_CONFIG_FILE), explicit !== undefined) };
}

/** Reads the file again. Keys that flags set keep their values. */
export function rereadConfig(config: Config): Config {
  const file = readFile(config.configFile, false);
  const values = Object.fromEntries(Object.entries(OPTIONS).map(([key, option]) => {
    const name = key as OptionKey;
    if (config.fromFlags.has(name)) {
      if (option.key in file) throw both(config.configFile, option.key, config[name], file[option.key]);
      return [key, config[name]];
    }
    return [key, option.key in file ? check(name, file[option.key], option.key) : option.default];
  })) as unknown as Values;
  return Object.freeze({ ...values, configFile: config.configFile, fromFlags: config.fromFlags });
}

function merge(given: Record<string, unknown>, configFile: string, explicit: boolean): Config {
  const file = readFile(configFile, explicit);
  const fromFlags = new Set<OptionKey>();
  const values = Object.fromEntries(Object.entries(OPTIONS).map(([key, option]) => {
    const name = key as OptionKey;
    const flag = option.flags.map((_, i) => given[i === 0 ? key : `${key}#${i}`]).filter((v) => v !== undefined).at(-1);
    if (flag === undefined) return [key, option.key in file ? check(name, file[option.key], option.key) : option.default];
    fromFlags.add(name);
    if (option.key in file) throw both(configFile, option.key, flag, file[option.key]);
    return [key, check(name, option.fromFlag === undefined ? typed(option.kind, flag, longName(option)) : option.fromFlag(flag), longName(option))];
  })) as unknown as Values;
  return Object.freeze({ ...values, configFile, fromFlags });
}

/** `--data-root` of `-g, --data-root`. */
function longName(option: { readonly key: string; readonly flags: readonly string[] }): string {
  return option.flags[0]?.replace(/^-\w, /, "") ?? option.key;
}

function both(file: string, key: string, flag: unknown, inFile: unknown): InvalidArgument {
  return new InvalidArgument(`${file}: "${key}" is given both as a flag (${JSON.stringify(flag)}) and in the file (${JSON.stringify(inFile)})`);
}

/** What a flag's text means. */
function typed(kind: string, text: unknown, flag: string): unknown {
  if (kind === "boolean") {
    if (text === true || /^(1|t|true)$/i.test(String(text))) return true;
    if (/^(0|f|false)$/i.test(String(text))) return false;
    throw new InvalidArgument(`${flag}: "${String(text)}" is neither true nor false`);
  }
  if (kind === "integer") {
    if (!/^-?\d+$/.test(String(text))) throw new InvalidArgument(`${flag}: "${String(text)}" is not a whole number`);
    return Number(text);
  }
  return text;
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);
const TYPE: Readonly<Record<string, (value: unknown) => boolean>> = {
  boolean: (v) => typeof v === "boolean",
  integer: (v) => Number.isInteger(v),
  string: (v) => typeof v === "string",
  list: (v) => Array.isArray(v) && v.every((e) => typeof e === "string"),
  map: isObject,
  objects: (v) => Array.isArray(v) && v.every(isObject),
};

function check(key: OptionKey, value: unknown, name: string): unknown {
  const option = OPTIONS[key];
  const kind = option.inFile ?? option.kind;
  if (!TYPE[kind]!(value)) throw new InvalidArgument(`${name}: expected ${kind === "integer" ? "an integer" : kind === "objects" ? "a list of objects" : `a ${kind}`}, not ${JSON.stringify(value)}`);
  try {
    return (option.check as ((value: unknown) => unknown) | undefined)?.(value) ?? value;
  } catch (e) {
    throw new InvalidArgument(`${name}: ${messageOf(e)}`, { cause: e });
  }
}

/** `{"proxies": {"http-proxy": …}}`: its members stand for the options of these names. */
function withProxies({ proxies, ...rest }: Record<string, unknown>, path: string): Record<string, unknown> {
  if (proxies === undefined) return rest;
  if (!TYPE["map"]!(proxies)) throw new InvalidArgument(`${path}: proxies: expected a map, not ${JSON.stringify(proxies)}`);
  const unknown = Object.keys(proxies as object).find((k) => !["http-proxy", "https-proxy", "no-proxy"].includes(k));
  if (unknown !== undefined) throw new InvalidArgument(`${path}: proxies: there is no option "${unknown}"`);
  return { ...rest, ...(proxies as object) };
}

function readFile(path: string, mustExist: boolean): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (e) {
    if (errnoOf(e) === "ENOENT" && !mustExist) return {};
    throw new InvalidArgument(`cannot read the configuration file ${path}: ${messageOf(e)}`, { cause: e });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (e) {
    throw new InvalidArgument(`${path}: ${messageOf(e)}`, { cause: e });
  }
  if (!TYPE["map"]!(value)) throw new InvalidArgument(`${path}: a JSON object is expected`);
  value = withProxies(value as Record<string, unknown>, path);
  const known = new Set(Object.values(OPTIONS).map((o) => o.key));
  const unknown = Object.keys(value as object).filter((k) => !known.has(k));
  if (unknown.length > 0) throw new InvalidArgument(`${path}: there is no option ${unknown.map((k) => `"${k}"`).join(", ")}`);
  return value as Record<string, unknown>;
}
