import { InvalidArgument } from "../core/index.js";

/** The part of OpenAPI 3.0's schema object that the contract uses. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  readonly nullable?: boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly format?: string;
  readonly default?: unknown;
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/**
 * Reads JSON bodies against the contract in one walk, as leniently as Docker's clients expect: names of members match
 * whatever their case, unknown members are dropped, `null` stands for "not given". What is left has the generated type.
 * A value that does not fit is InvalidArgument naming its place.
 */
export class BodyReader {
  readonly #schemas: Readonly<Record<string, Schema>>;
  readonly #flat = new Map<Schema, Schema>();
  readonly #names = new Map<Schema, Map<string, string>>();

  constructor(schemas: Readonly<Record<string, Schema>>) {
    this.#schemas = schemas;
  }

  read(schema: Schema, value: unknown, place = ""): unknown {
    const s = this.#resolve(schema);
    if (s.oneOf !== undefined) {
      const branch = s.oneOf.find((b) => this.#resolve(b).type === typeOf(value));
      if (branch === undefined) throw wrong(place, s.oneOf.map((b) => article(this.#resolve(b).type)).join(" or "), value);
      return this.read(branch, value, place);
    }
    const given = typeOf(value);
    if (s.type !== undefined && s.type !== given && !(s.type === "number" && given === "integer")) throw wrong(place, article(s.type), value);
    if (s.enum !== undefined && !s.enum.includes(value)) throw wrong(place, `one of ${s.enum.filter((e) => e !== "").join(", ")}`, value);
    if (s.minimum !== undefined && (value as number) < s.minimum) throw wrong(place, `at least ${s.minimum}`, value);
    if (s.maximum !== undefined && (value as number) > s.maximum) throw wrong(place, `at most ${s.maximum}`, value);
    if (s.type === "array" && s.items !== undefined) {
      const items = s.items;
      return (value as unknown[]).map((item, i) => this.read(items, item, `${place}[${i}]`));
    }
    return s.type === "object" ? this.#object(s, value as Record<string, unknown>, place) : value;
  }

  #object(s: Schema, value: Record<string, unknown>, place: string): unknown {
    if (s.properties === undefined && s.additionalProperties === undefined) return value;
    const result: Record<string, unknown> = {};
    const names = this.#namesOf(s);
    for (const [key, member] of Object.entries(value)) {
      if (key === "__proto__") continue;
      const name = s.properties === undefined ? undefined : key in s.properties ? key : names.get(key.toLowerCase());
      const at = place === "" ? name ?? key : `${place}.${name ?? key}`;
      if (name !== undefined) {
        if (member !== null) result[name] = this.read(s.properties![name]!, member, at);
      } else if (s.additionalProperties !== undefined) {
        result[key] = member === null ? this.#empty(s.additionalProperties) : this.read(s.additionalProperties, member, at);
      }
    }
    for (const name of s.required ?? []) {
      if (!(name in result)) throw new InvalidArgument(`${place === "" ? name : `${place}.${name}`} is missing`);
    }
    return result;
  }

  /** What `null` means as a value of a map. */
  #empty(schema: Schema): unknown {
    const s = this.#resolve(schema);
    if (s.nullable) return null;
    return s.type === "object" ? {} : s.type === "array" ? [] : s.type === "string" ? "" : s.type === "boolean" ? false : 0;
  }

  #namesOf(s: Schema): Map<string, string> {
    let names = this.#names.get(s);
    if (names === undefined) this.#names.set(s, (names = new Map(Object.keys(s.properties ?? {}).map((n) => [n.toLowerCase(), n]))));
    return names;
  }

  /** Follows references and folds `allOf` into one object schema. */
  #resolve(schema: Schema): Schema {
    if (schema.$ref === undefined && schema.allOf === undefined) return schema;
    let flat = this.#flat.get(schema);
    if (flat === undefined) {
      if (schema.$ref !== undefined) {
        const target = this.#schemas[schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1)];
        if (target === undefined) throw new Error(`openapi.yaml has no ${schema.$ref}`);
        flat = this.#resolve(target);
      } else {
        const parts = schema.allOf!.map((p) => this.#resolve(p));
        flat = {
          type: "object", nullable: schema.nullable, properties: Object.assign({}, ...parts.map((p) => p.properties ?? {})) as Record<string, Schema>,
          required: parts.flatMap((p) => p.required ?? []),
        };
      }
      this.#flat.set(schema, flat);
    }
    return flat;
  }
}

function typeOf(value: unknown): Schema["type"] | "null" {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value as "object" | "string" | "boolean";
}
function article(type: Schema["type"]): string {
  return type === undefined ? "a value" : `${/^[aio]/.test(type) ? "an" : "a"} ${type}`;
}
function wrong(place: string, expected: string, value: unknown): InvalidArgument {
  const given = typeof value === "object" ? article(typeOf(value) === "null" ? undefined : (typeOf(value) as Schema["type"])) : JSON.stringify(value);
  return new InvalidArgument(`${place === "" ? "the body" : place} must be ${expected}, not ${value === null ? "null" : given}`);
}
