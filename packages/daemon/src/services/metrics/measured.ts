import type { Metrics, Subject } from "../../core/index.js";
import { StrataError } from "../../core/index.js";
import type { BuildService } from "../build-types.js";
import { timed } from "../timed.js";

type Methods<T> = { readonly [K in keyof T]?: T[K] extends (...args: never[]) => Promise<unknown> ? string : never };

/** A service whose methods tell how long they took; `actions` says which, and under what name. Everything else is the service's own. */
export function measured<T extends object>(service: T, subject: Subject, actions: Methods<T>, metrics: Metrics): T {
  const named = new Map<PropertyKey, unknown>(Object.entries(actions));
  return overriding(service, (name, method) => {
    const action = named.get(name);
    return typeof action === "string" ? (...args) => timed(metrics, subject, action, () => method(...args) as Promise<unknown>) : undefined;
  });
}

/** Counts builds, and why they fail. */
export function measuredBuilds<T extends BuildService>(service: T, metrics: Metrics): T {
  return overriding(service, (name, method) => {
    if (name !== "build") return undefined;
    return async (...args) => {
      metrics.buildBegun();
      try {
        return await method(...args);
      } catch (error) {
        const { signal } = args[1] as { signal: AbortSignal };
        metrics.buildFailed(signal.aborted ? "build_canceled" : failureOf(error));
        throw error;
      }
    };
  });
}

/** The reasons that Docker tells apart, as far as errors do. */
function failureOf(error: unknown): string {
  const message = error instanceof StrataError ? error.message : "";
  if (/unknown instruction/i.test(message)) return "unknown_instruction_error";
  if (/^dockerfile parse error/i.test(message)) return "dockerfile_syntax_error";
  return /^target stage /.test(message) ? "build_target_not_reachable_error" : "error_processing_commands_error";
}

type Method = (...args: unknown[]) => unknown;

/** Methods run on the service itself, whose private fields a wrapper does not have. */
function overriding<T extends object>(service: T, override: (name: PropertyKey, method: Method) => Method | undefined): T {
  const methods = new Map<PropertyKey, Method>();
  return new Proxy(service, {
    get(target, name) {
      const known = methods.get(name);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const bound = (value as Method).bind(target);
      const method = override(name, bound) ?? bound;
      methods.set(name, method);
      return method;
    },
  });
}
