import { InvalidArgument } from "../core/index.js";
import { csvFields } from "./parse-words.js";
import { didYouMean } from "./suggest.js";

/** What an instruction takes: a value, a switch (`--link`, `--link=false`), or a value for each time that it is given. */
export type FlagKinds = Readonly<Record<string, "value" | "switch" | "list">>;

export class Flags {
  readonly #values = new Map<string, string[]>();

  /** InvalidArgument for a flag that the instruction does not have, has twice, or that lacks its value. */
  constructor(flags: readonly string[], kinds: FlagKinds) {
    for (const flag of flags) {
      const at = flag.indexOf("=");
      const name = flag.slice(2, at < 0 ? undefined : at);
      const value = at < 0 ? undefined : flag.slice(at + 1);
      const kind = Object.hasOwn(kinds, name) ? kinds[name]! : undefined;
      if (kind === undefined) throw new InvalidArgument(`unknown flag: --${name}${didYouMean(name, Object.keys(kinds))}`);
      const earlier = this.#values.get(name);
      if (earlier !== undefined && kind !== "list") throw new InvalidArgument(`duplicate flag specified: --${name}`);
      const read = kind === "switch" ? switchValue(name, value) : needed(name, value);
      if (earlier === undefined) this.#values.set(name, [read]);
      else earlier.push(read);
    }
  }

  value(name: string): string | undefined { return this.#values.get(name)?.[0]; }
  list(name: string): readonly string[] { return this.#values.get(name) ?? []; }
  switch(name: string): boolean | undefined {
    const value = this.value(name);
    return value === undefined ? undefined : value === "true";
  }
}

function needed(name: string, value: string | undefined): string {
  if (value === undefined) throw new InvalidArgument(`missing a value on flag: --${name}`);
  return value;
}

function switchValue(name: string, value: string | undefined): string {
  const text = value?.toLowerCase() ?? "true";
  if (text === "") throw new InvalidArgument(`missing a value on flag: --${name}`);
  if (text !== "true" && text !== "false") throw new InvalidArgument(`expecting boolean value for flag --${name}, not: ${value!}`);
  return text;
}

const MOUNT_TYPES = ["bind", "cache", "tmpfs", "secret", "ssh"];
const MOUNT_KEYS = ["type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro", "readwrite", "rw", "required", "id", "sharing", "size", "mode", "uid", "gid", "env"];
const MOUNT_SWITCHES = ["readonly", "ro", "readwrite", "rw", "required"];

/** `type=cache,target=/x,ro`: keys in lower case; one that stands alone is "true". */
export function parseMount(text: string): ReadonlyMap<string, string> {
  const mount = new Map<string, string>();
  for (const field of csvFields(text)) {
    const at = field.indexOf("=");
    const key = field.slice(0, at < 0 ? undefined : at).toLowerCase();
    if (!MOUNT_KEYS.includes(key)) throw new InvalidArgument(`unexpected key '${key}' in '${field}' of --mount${didYouMean(key, MOUNT_KEYS)}`);
    if (at < 0 && !MOUNT_SWITCHES.includes(key)) throw new InvalidArgument(`invalid field '${field}' of --mount must be a key=value pair`);
    const value = at < 0 ? "true" : field.slice(at + 1);
    if (key === "type" && !value.includes("$") && !MOUNT_TYPES.includes(value.toLowerCase())) {
      throw new InvalidArgument(`unsupported mount type "${value}"${didYouMean(value, MOUNT_TYPES)}`);
    }
    mount.set(key, value);
  }
  return mount;
}

const UNIT_NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, "µs": 1e3, "μs": 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Go's durations (`1m30s`, `.5s`) in nanoseconds: at least a millisecond, or nothing. */
export function parseInterval(name: string, text: string): number {
  const [, sign = "", digits = ""] = /^([+-]?)(0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(text) ?? [];
  let total = 0;
  for (const [, value, unit] of digits.matchAll(/([\d.]+)(ns|us|µs|μs|ms|s|m|h)/g)) total += Number(value) * UNIT_NS[unit!]!;
  if (digits === "" || total >= 2 ** 63) throw new InvalidArgument(`invalid duration "${text}" of --${name}`);
  if (total !== 0 && (sign === "-" || total < 1e6)) throw new InvalidArgument(`Interval "${name}" cannot be less than 1ms`);
  return Math.trunc(total);
}
