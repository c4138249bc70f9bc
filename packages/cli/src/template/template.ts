import { FUNCTIONS, type TemplateFunction } from "./functions.js";
import { position, TemplateError } from "./lexer.js";
import { parse, type Command, type Node, type Operand, type Pipeline } from "./parser.js";
import { show, truth, ZeroValue } from "./show.js";

/**
 * Finds a field of an object; may return a function, which is then called with the arguments given (a method).
 * What it throws becomes the error at that place.
 */
export type FieldResolver = (object: object, name: string) => unknown;

const BREAK = Symbol("break");
const CONTINUE = Symbol("continue");
type Flow = typeof BREAK | typeof CONTINUE | undefined;
/** Innermost last; a variable is set where it was declared. */
type Scope = { readonly name: string; value: unknown }[];

const ownField: FieldResolver = (object, name) => (Object.hasOwn(object, name) ? (object as Record<string, unknown>)[name] : undefined);

export interface TemplateOptions {
  /** By default an object's own property; an absent one prints as `<no value>`. */
  readonly field?: FieldResolver;
  /** Instead of FUNCTIONS. */
  readonly functions?: Readonly<Record<string, TemplateFunction>>;
}

/** A Go text/template (without define, template and block), with Docker's functions. */
export class Template {
  readonly #source: string;
  readonly #nodes: readonly Node[];
  readonly #field: FieldResolver;
  readonly #functions: Readonly<Record<string, TemplateFunction>>;

  /** Throws TemplateError when the source cannot be parsed. */
  constructor(source: string, { field = ownField, functions = FUNCTIONS }: TemplateOptions = {}) {
    this.#source = source;
    this.#functions = functions;
    this.#nodes = parse(source, new Set([...Object.keys(functions), "and", "or"]));
    this.#field = field;
  }

  /** Throws TemplateError, in Go's words, when the data does not fit. */
  execute(data: unknown): string {
    const out: string[] = [];
    this.#walk(this.#nodes, data, [{ name: "$", value: data }], out);
    return out.join("");
  }

  #walk(nodes: readonly Node[], dot: unknown, scope: Scope, out: string[]): Flow {
    for (const node of nodes) {
      const flow = this.#node(node, dot, scope, out);
      if (flow !== undefined) return flow;
    }
    return undefined;
  }

  #node(node: Node, dot: unknown, scope: Scope, out: string[]): Flow {
    switch (node.kind) {
      case "text": out.push(node.text); return undefined;
      case "break": return BREAK;
      case "continue": return CONTINUE;
      case "action": {
        const value = this.#pipeline(node.pipeline, dot, scope);
        if (node.pipeline.variables.length === 0) out.push(show(value));
        return undefined;
      }
      case "range": return this.#range(node, dot, scope, out);
      case "if":
      case "with": {
        const depth = scope.length;
        const value = this.#pipeline(node.pipeline, dot, scope);
        const flow = truth(value) ? this.#walk(node.body, node.kind === "with" ? value : dot, scope, out) : this.#walk(node.otherwise, dot, scope, out);
        scope.length = depth;
        return flow;
      }
    }
  }

  #range(node: Extract<Node, { readonly pipeline: Pipeline; readonly body: readonly Node[] }>, dot: unknown, scope: Scope, out: string[]): Flow {
    const depth = scope.length;
    const { variables, declares } = node.pipeline;
    const value = this.#pipeline({ ...node.pipeline, variables: [] }, dot, scope);
    const entries = this.#entries(value, node.pipeline.at);
    let flow: Flow;
    for (const [key, item] of entries) {
      const values = variables.length === 2 ? [key, item] : [item];
      variables.forEach((name, at) => this.#set(scope, name, values[at], declares));
      flow = this.#walk(node.body, item, scope, out);
      scope.length = depth;
      if (flow === BREAK) break;
    }
    if (entries.length === 0) flow = this.#walk(node.otherwise, dot, scope, out);
    scope.length = depth;
    return entries.length === 0 ? flow : undefined;
  }

  #entries(value: unknown, at: number): (readonly [unknown, unknown])[] {
    if (value === null || value === undefined || value instanceof ZeroValue) return [];
    if (Array.isArray(value)) return value.map((item, key) => [key, item as unknown] as const);
    if (typeof value === "object") return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    if (typeof value === "number") return Array.from({ length: value }, (_unused, key) => [key, key] as const);
    throw this.#error(at, "range", `range can't iterate over ${show(value)}`);
  }

  #pipeline(pipeline: Pipeline, dot: unknown, scope: Scope): unknown {
    let value: unknown;
    pipeline.commands.forEach((command, stage) => {
      value = this.#command(command, dot, scope, stage === 0 ? [] : [value]);
    });
    for (const name of pipeline.variables) this.#set(scope, name, value, pipeline.declares);
    return value;
  }

  #set(scope: Scope, name: string, value: unknown, declares: boolean): void {
    const held = declares ? undefined : scope.findLast((one) => one.name === name);
    if (held) held.value = value;
    else scope.push({ name, value });
  }

  #command(command: Command, dot: unknown, scope: Scope, piped: readonly unknown[]): unknown {
    const [first, ...rest] = command.operands as [Operand, ...Operand[]];
    if (first.kind === "function") {
      if (first.name === "and" || first.name === "or") return this.#lazy(first.name, first.at, rest, dot, scope, piped);
      const args = [...rest.map((operand) => this.#operand(operand, dot, scope)), ...piped].map(plain);
      return this.#call(first.name, this.#functions[first.name]!, args, first.at);
    }
    const args = [...rest.map((operand) => this.#operand(operand, dot, scope)), ...piped];
    if (first.kind === "fields") return this.#fields(first, dot, scope, args);
    if (args.length > 0) throw this.#error(command.at, this.#excerpt(first, command.at), "can't give argument to non-function");
    return this.#operand(first, dot, scope);
  }

  /** `and` and `or` stop at the first argument that decides. */
  #lazy(name: "and" | "or", at: number, operands: readonly Operand[], dot: unknown, scope: Scope, piped: readonly unknown[]): unknown {
    if (operands.length + piped.length === 0) throw this.#error(at, name, `wrong number of args for ${name}: want at least 1 got 0`);
    let value: unknown;
    for (const operand of operands) {
      value = this.#operand(operand, dot, scope);
      if (truth(value) === (name === "or")) return value;
    }
    return piped.length > 0 ? piped[0] : value;
  }

  #operand(operand: Operand, dot: unknown, scope: Scope): unknown {
    switch (operand.kind) {
      case "dot": return dot;
      case "literal": return operand.value;
      case "variable": return scope.findLast((one) => one.name === operand.name)?.value;
      case "group": return this.#pipeline(operand.pipeline, dot, scope);
      case "fields": return this.#fields(operand, dot, scope, []);
      case "function": return this.#command({ operands: [operand], at: operand.at }, dot, scope, []);
    }
  }

  #fields(operand: Extract<Operand, { kind: "fields" }>, dot: unknown, scope: Scope, args: readonly unknown[]): unknown {
    let value = this.#operand(operand.of, dot, scope);
    operand.names.forEach((name, at) => {
      const excerpt = this.#excerpt(operand, operand.at);
      if (value === null || value === undefined || value instanceof ZeroValue) {
        throw this.#error(operand.at, excerpt, value === undefined || value === null ? `nil data; no entry for key "${name}"` : `nil pointer evaluating ${name}`);
      }
      if (typeof value !== "object") throw this.#error(operand.at, excerpt, `can't evaluate field ${name} in type ${typeof value}`);
      const owner: object = value;
      try {
        value = this.#field(owner, name);
      } catch (cause) {
        throw this.#error(operand.at, excerpt, cause instanceof Error ? cause.message : String(cause));
      }
      const isLast = at === operand.names.length - 1;
      if (typeof value === "function") value = this.#call(name, (value as TemplateFunction).bind(owner), isLast ? args.map(plain) : [], operand.at);
      else if (isLast && args.length > 0) throw this.#error(operand.at, excerpt, `${name} has arguments but cannot be invoked as function`);
    });
    return value;
  }

  #call(name: string, target: TemplateFunction, args: readonly unknown[], at: number): unknown {
    try {
      return target(...args);
    } catch (cause) {
      throw this.#error(at, name, `error calling ${name}: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }

  #excerpt(operand: Operand, at: number): string {
    if (operand.kind === "fields") return `${operand.of.kind === "variable" ? operand.of.name : ""}.${operand.names.join(".")}`;
    return /^\S*/.exec(this.#source.slice(at))?.[0] ?? "";
  }

  #error(at: number, excerpt: string, message: string): TemplateError {
    return new TemplateError(`template: :${position(this.#source, at)}: executing "" at <${excerpt}>: ${message}`);
  }
}

/** What a function sees of a typed null. */
const plain = (value: unknown): unknown => (value instanceof ZeroValue ? null : value);
