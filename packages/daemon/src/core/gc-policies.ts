import { InvalidArgument } from "./errors.js";
import { parseSize } from "./sizes.js";

export const POLICY_KINDS = ["images", "containers", "volumes", "build-cache", "networks", "logs"] as const;
export type PolicyKind = (typeof POLICY_KINDS)[number];

/** A part of the whole, or bytes. */
export type Measure = { readonly fraction: number } | { readonly bytes: number };
/** How full the file system of the data root is: any of these. In `when` it is crossed from above, in `until` it is reached from above. */
export interface DiskMark {
  readonly used?: Measure;
  readonly free?: Measure;
  readonly inodes?: Measure;
}
/** `label=KEY`, `label=KEY=VALUE`, or for images `reference=PATTERN`. */
export interface Exception { readonly kind: "label" | "reference"; readonly text: string }

/** What may go, and when. Times are milliseconds, sizes bytes. */
export interface Policy {
  readonly name: string;
  readonly kind: PolicyKind;
  readonly schedule?: string;
  readonly except: readonly Exception[];
  readonly match?: string;
  readonly unusedFor?: number;
  /** An age, or a moment. */
  readonly createdBefore?: { readonly age: number } | { readonly at: number };
  readonly keepLast?: number;
  readonly danglingOnly?: boolean;
  readonly exitedFor?: number;
  readonly anonymousOnly: boolean;
  readonly maxBytes?: number;
  readonly olderThan?: number;
  readonly when?: DiskMark;
  readonly until?: DiskMark;
  /** Since it came or was last used, whichever is later. */
  readonly minAge: number;
}
export interface GcSettings {
  /** Cron expression for policies that have none of their own. */
  readonly schedule?: string;
  /** How long removed images can be brought back; 0: not at all. */
  readonly trashGrace: number;
  readonly policies: readonly Policy[];
  /** As it was written. */
  readonly given: Readonly<Record<string, unknown>>;
}
export const NO_GC: GcSettings = { trashGrace: 0, policies: [], given: {} };

const DEFAULT_GRACE = 3_600_000;
/** What is younger is not taken for want of room, unless the policy says otherwise. */
const DEFAULT_MIN_AGE = 600_000;

const DISK = ["when", "until", "order", "minAge"];
const KEYS: Readonly<Record<PolicyKind, { readonly known: readonly string[]; readonly oneOf: readonly string[] }>> = {
  images: { known: ["match", "unusedFor", "createdBefore", "keepLast", "danglingOnly", ...DISK], oneOf: ["match", "unusedFor", "createdBefore", "keepLast", "danglingOnly", "when"] },
  containers: { known: ["exitedFor"], oneOf: ["exitedFor"] },
  volumes: { known: ["unusedFor", "anonymousOnly"], oneOf: ["unusedFor"] },
  "build-cache": { known: ["maxBytes", "unusedFor", ...DISK], oneOf: ["maxBytes", "unusedFor", "when"] },
  networks: { known: ["unusedFor", "createdBefore"], oneOf: ["unusedFor", "createdBefore"] },
  logs: { known: ["maxBytes", "olderThan"], oneOf: ["maxBytes", "olderThan"] },
};

type Given = Readonly<Record<string, unknown>>;

/** Reads the `gc` of daemon.json, or the body of `PUT /gc/policies`. InvalidArgument names the field. */
export function parseGcSettings(value: unknown): GcSettings {
  const given = objectAt("", value);
  onlyKnown("", given, ["schedule", "trashGrace", "policies"]);
  const policies = given["policies"] ?? [];
  if (!Array.isArray(policies)) throw bad("policies", "a list is expected");
  const parsed = policies.map((policy, i) => parsePolicy(`policies[${i}]`, policy));
  parsed.forEach(({ name }, i) => { if (parsed.findIndex((p) => p.name === name) < i) throw bad(`policies[${i}].name`, `there is another policy ${JSON.stringify(name)}`); });
  return {
    ...optional("schedule", given["schedule"], textAt("schedule")), trashGrace: given["trashGrace"] === undefined ? DEFAULT_GRACE : durationAt("trashGrace", given["trashGrace"]), policies: parsed, given,
  };
}

function parsePolicy(place: string, value: unknown): Policy {
  const given = objectAt(place, value);
  const at = (key: string): string => `${place}.${key}`;
  const name = textAt(at("name"))(given["name"]);
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) throw bad(at("name"), `${JSON.stringify(name)} is not a name of letters, digits, "_", "." and "-"`);
  const kind = given["kind"] as PolicyKind;
  if (!POLICY_KINDS.includes(kind)) throw bad(at("kind"), `${JSON.stringify(given["kind"])} is not one of ${POLICY_KINDS.join(", ")}`);
  const { known, oneOf } = KEYS[kind];
  onlyKnown(place, given, ["name", "kind", "schedule", "except", ...known]);
  if (!oneOf.some((key) => given[key] !== undefined && given[key] !== false)) throw bad(place, `a policy for ${kind} needs ${oneOf.length > 1 ? "one of " : ""}${oneOf.join(", ")}`);
  if (given["order"] !== undefined && given["order"] !== "least-recently-used") throw bad(at("order"), `${JSON.stringify(given["order"])} is not "least-recently-used"`);
  const duration = (key: string) => optional(key, given[key], (v) => durationAt(at(key), v));
  return {
    name, kind, except: exceptionsAt(at("except"), given["except"], kind),
    ...optional("schedule", given["schedule"], textAt(at("schedule"))), ...optional("match", given["match"], (v) => patternAt(at("match"), v)),
    ...duration("unusedFor"), ...duration("exitedFor"), ...duration("olderThan"), ...optional("createdBefore", given["createdBefore"], (v) => momentAt(at("createdBefore"), v)),
    ...optional("keepLast", given["keepLast"], (v) => countAt(at("keepLast"), v)), ...optional("danglingOnly", given["danglingOnly"], (v) => flagAt(at("danglingOnly"), v)),
    ...optional("maxBytes", given["maxBytes"], (v) => bytesAt(at("maxBytes"), v)),
    anonymousOnly: given["anonymousOnly"] === undefined ? true : flagAt(at("anonymousOnly"), given["anonymousOnly"]),
    minAge: given["minAge"] === undefined ? (given["when"] === undefined ? 0 : DEFAULT_MIN_AGE) : durationAt(at("minAge"), given["minAge"]),
    ...marksAt(place, given),
  };
}

function marksAt(place: string, given: Given): { when?: DiskMark; until?: DiskMark } {
  if (given["when"] === undefined) {
    if (given["until"] !== undefined) throw bad(`${place}.until`, "it goes with when");
    return {};
  }
  const when = markAt(`${place}.when`, given["when"], { diskAbove: "used", freeBelow: "free", inodesAbove: "inodes" });
  if (given["until"] === undefined) return { when, until: when };
  const until = markAt(`${place}.until`, given["until"], { diskBelow: "used", freeAbove: "free", inodesBelow: "inodes" });
  for (const key of ["used", "free", "inodes"] as const) {
    const [from, to] = [when[key], until[key]];
    if ((from === undefined) !== (to === undefined)) throw bad(`${place}.until`, "it speaks of other things than when");
    const [a, b] = [number(from), number(to)];
    if (from !== undefined && to !== undefined && "bytes" in from === "bytes" in to && (key === "free" ? b < a : b > a)) throw bad(`${place}.until`, "it is on the other side of when: a run would end before it begins");
  }
  return { when, until };
}
const number = (m: Measure | undefined): number => (m === undefined ? 0 : "bytes" in m ? m.bytes : m.fraction);

function markAt(place: string, value: unknown, keys: Readonly<Record<string, keyof DiskMark>>): DiskMark {
  const given = objectAt(place, value);
  onlyKnown(place, given, Object.keys(keys));
  if (Object.keys(given).length === 0) throw bad(place, `one of ${Object.keys(keys).join(", ")} is expected`);
  return Object.fromEntries(Object.entries(given).map(([key, v]) => [keys[key]!, measureAt(`${place}.${key}`, v)]));
}

function measureAt(place: string, value: unknown): Measure {
  const percent = typeof value === "string" ? /^(\d+(?:\.\d+)?)%$/.exec(value) : null;
  if (percent === null) return { bytes: bytesAt(place, value) };
  const fraction = Number(percent[1]) / 100;
  if (fraction > 1) throw bad(place, `${JSON.stringify(value)} is more than 100%`);
  return { fraction };
}

function exceptionsAt(place: string, value: unknown, kind: PolicyKind): Exception[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw bad(place, "a list is expected");
  return value.map((text: unknown, i): Exception => {
    const match = typeof text === "string" ? /^(label|reference)=(.+)$/s.exec(text) : null;
    if (match === null) throw bad(`${place}[${i}]`, `${JSON.stringify(text)} is not of the form label=KEY, label=KEY=VALUE or reference=PATTERN`);
    if (kind === "logs" || kind === "build-cache") throw bad(`${place}[${i}]`, `${kind} have no labels and no names`);
    if (match[1] === "reference" && kind !== "images") throw bad(`${place}[${i}]`, "only images have references");
    return { kind: match[1] as Exception["kind"], text: match[1] === "reference" ? patternAt(`${place}[${i}]`, match[2]) : match[2]! };
  });
}

const UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 6e4, h: 3.6e6, d: 8.64e7, w: 6.048e8 };
/** `72h`, `30m`, `7d`, `1h30m`, `0`: milliseconds. */
function durationAt(place: string, value: unknown): number {
  const parts = typeof value === "string" ? [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)] : [];
  if (value === "0" || value === 0) return 0;
  if (parts.length === 0 || parts.map((p) => p[0]).join("") !== value) throw bad(place, `${JSON.stringify(value)} is not a duration such as 72h, 30m or 7d`);
  return parts.reduce((sum, [, n, unit]) => sum + Number(n) * UNIT[unit!]!, 0);
}
function momentAt(place: string, value: unknown): { age: number } | { at: number } {
  if (typeof value === "string" && /^\d{4}-\d\d-\d\d/.test(value)) {
    const at = Date.parse(value);
    if (Number.isNaN(at)) throw bad(place, `${JSON.stringify(value)} is not a time`);
    return { at };
  }
  return { age: durationAt(place, value) };
}
function bytesAt(place: string, value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  if (typeof value !== "string") throw bad(place, `${JSON.stringify(value)} is not a size such as 10GB`);
  return parseSize(place, value);
}
function countAt(place: string, value: unknown): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1) throw bad(place, `${JSON.stringify(value)} is not a whole number above zero`);
  return value;
}
function flagAt(place: string, value: unknown): boolean {
  if (typeof value !== "boolean") throw bad(place, `${JSON.stringify(value)} is neither true nor false`);
  return value;
}
/** As path.Match has them. */
function patternAt(place: string, value: unknown): string {
  const text = textAt(place)(value);
  if (/\\$/.test(text) || text.replace(/\\./gs, "").replace(/\[\^?[^\]]+\]/g, "").includes("[")) throw bad(place, `${JSON.stringify(text)} is not a pattern`);
  return text;
}
const textAt = (place: string) => (value: unknown): string => {
  if (typeof value !== "string" || value === "") throw bad(place, value === undefined ? "it is missing" : `${JSON.stringify(value)} is not a text`);
  return value;
};
function objectAt(place: string, value: unknown): Given {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(place, "an object is expected");
  return value as Given;
}
function onlyKnown(place: string, given: Given, known: readonly string[]): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown !== undefined) throw bad(place === "" ? unknown : `${place}.${unknown}`, `there is no such key here; known are ${known.join(", ")}`);
}
function optional<K extends string, T>(key: K, value: unknown, read: (value: unknown) => T): Partial<Record<K, T>> {
  return (value === undefined ? {} : { [key]: read(value) }) as Partial<Record<K, T>>;
}
const bad = (place: string, why: string): InvalidArgument => new InvalidArgument(place === "" ? why : `${place}: ${why}`);
