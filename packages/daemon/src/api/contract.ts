import { InvalidArgument } from "../core/index.js";
import { document } from "./generated/document.js";
import type { operations } from "./generated/openapi.js";
import { BodyReader, type Schema } from "./reader.js";

export type OperationId = keyof operations;
type Given<T> = [Exclude<T, undefined>] extends [never] ? Record<string, never> : Exclude<T, undefined>;
/** Query, path and body of an operation once they are read; members of the query may be absent. */
export type QueryOf<Op extends OperationId> = Given<operations[Op]["parameters"]["query"]>;
export type PathOf<Op extends OperationId> = Given<operations[Op]["parameters"]["path"]>;
export type BodyOf<Op extends OperationId> = operations[Op] extends { requestBody?: { content: { "application/json": infer B } } } ? B : undefined;

interface Parameter { readonly $ref?: string; readonly name: string; readonly in: "query" | "path" | "header"; readonly schema: Schema }
interface RawOperation { operationId: OperationId; parameters?: Parameter[]; requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> } }

/** One operation of openapi.yaml, ready to read requests with. */
export interface Operation {
  readonly id: OperationId;
  readonly method: "get" | "head" | "post" | "put" | "delete";
  /** As the contract has it: `/images/{name}/json`. */
  readonly path: string;
  /** `json`: the body is read and checked. `stream`: it is left alone for the handler. */
  readonly body: "none" | "json" | "stream";
  readQuery(query: URLSearchParams): Record<string, unknown>;
  readBody(text: string): unknown;
}

/** Express takes a GET route for HEAD as well, unless one for HEAD comes first. */
const METHODS = ["head", "get", "post", "put", "delete"] as const;

/** Every operation of the contract. */
export function loadContract(): Operation[] {
  const doc = JSON.parse(document) as { paths: Record<string, Record<string, unknown>>; components: { parameters: Record<string, Parameter>; schemas: Record<string, Schema> } };
  const reader = new BodyReader(doc.components.schemas);
  const found: Operation[] = [];
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const method of METHODS) {
      const raw = item[method] as RawOperation | undefined;
      if (raw === undefined) continue;
      const parameters = [...((item["parameters"] as Parameter[] | undefined) ?? []), ...(raw.parameters ?? [])]
        .map((p) => (p.$ref === undefined ? p : doc.components.parameters[p.$ref.slice(p.$ref.lastIndexOf("/") + 1)]!))
        .filter((p) => p.in === "query");
      const schema = raw.requestBody?.content["application/json"]?.schema;
      found.push({
        id: raw.operationId, method, path,
        body: raw.requestBody === undefined ? "none" : schema === undefined ? "stream" : "json",
        readQuery: (query) => readQuery(parameters, query),
        readBody: (text) => readBody(reader, schema, raw.requestBody?.required === true, text),
      });
    }
  }
  return found;
}

function readQuery(parameters: readonly Parameter[], query: URLSearchParams): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const { name, schema } of parameters) {
    if (!query.has(name)) {
      if (schema.default !== undefined) values[name] = schema.default;
      continue;
    }
    if (schema.type === "array") {
      values[name] = query.getAll(name).map((v) => scalar(name, schema.items ?? {}, v));
      continue;
    }
    const value = scalar(name, schema, query.get(name)!);
    if (value !== undefined) values[name] = value;
    else if (schema.default !== undefined) values[name] = schema.default;
  }
  return values;
}

/** What Docker takes for "no". */
const FALSE = new Set(["", "0", "no", "false", "none"]);

function scalar(name: string, schema: Schema, text: string): unknown {
  if (schema.type === "boolean") return !FALSE.has(text.trim().toLowerCase());
  if (text === "") return schema.type === "string" && schema.enum === undefined ? "" : undefined;
  if (schema.type === "integer") {
    if (!/^[+-]?\d+$/.test(text)) throw new InvalidArgument(`query parameter ${name} must be a whole number, not "${text}"`);
    const value = Number(text);
    if (schema.minimum !== undefined && value < schema.minimum) throw new InvalidArgument(`query parameter ${name} must be at least ${schema.minimum}, not ${text}`);
    return value;
  }
  if (schema.enum !== undefined && !schema.enum.includes(text)) throw new InvalidArgument(`query parameter ${name} must be one of ${schema.enum.join(", ")}, not "${text}" (invalid ${name})`);
  return text;
}

function readBody(reader: BodyReader, schema: Schema | undefined, required: boolean, text: string): unknown {
  if (schema === undefined) return undefined;
  let value: unknown;
  if (text.trim() === "" || text.trim() === "null") {
    if (required) throw new InvalidArgument("invalid JSON: the request has no body");
    value = {};
  } else {
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new InvalidArgument(`invalid JSON: ${(cause as Error).message}`, { cause });
    }
  }
  return reader.read(schema, value);
}
