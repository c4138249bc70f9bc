import { posix } from "node:path";
import { Glob, MalformedPattern } from "./glob.js";

/**
 * The patterns of a .dockerignore file: comments and empty lines are left out, paths are cleaned, and a leading `/`
 * says nothing. https://docs.docker.com/build/concepts/context/#dockerignore-files
 */
export function parseIgnoreFile(text: string): string[] {
  const patterns: string[] = [];
  for (const line of text.replace(/^\uFEFF/, "").split("\n")) {
    if (line.startsWith("#")) continue;
    const trimmed = line.trim();
    if (trimmed === "") continue;
    const exception = trimmed.startsWith("!");
    const path = exception ? trimmed.slice(1).trim() : trimmed;
    const clean = path === "" ? "" : cleanPath(path);
    patterns.push((exception ? "!" : "") + (clean.length > 1 ? clean.replace(/^\//, "") : clean));
  }
  return patterns;
}

interface Rule {
  readonly exception: boolean;
  readonly glob: Glob;
  /** Up to its first wildcard, if it has one. */
  readonly literal: string;
  readonly wild: boolean;
  /** How many directories deep it can match. */
  readonly depth: number;
}

/** What the rules say about a path, and about everything below it. */
export interface Ignored {
  readonly ignored: boolean;
  /** For `below` of a path in this directory. */
  readonly matched: readonly boolean[];
}

/**
 * Rules in their order: of those that match a path or a directory above it the last one decides, and one that begins
 * with `!` takes back what earlier ones said.
 */
export class IgnoreRules {
  readonly #rules: readonly Rule[];

  /** Throws MalformedPattern. */
  constructor(patterns: readonly string[]) {
    this.#rules = patterns.map((p) => p.trim()).filter((p) => p !== "").map(parseRule);
  }

  /** A path relative to the root, with `/`. The root itself is never ignored. */
  ignores(path: string): boolean {
    const clean = cleanPath(path);
    if (clean === ".") return false;
    const parts = clean.split("/");
    let state: Ignored | undefined;
    for (let i = 1; i <= parts.length; i++) state = this.below(parts.slice(0, i).join("/"), state);
    return state!.ignored;
  }

  /** The same for a walk that comes from the top: `above` is what was said about the directory. */
  below(path: string, above?: Ignored): Ignored {
    let ignored = false;
    const matched = this.#rules.map((rule, i) => {
      const known = above?.matched[i] === true;
      // What a rule could not change needs no look.
      const match = known || (rule.exception === ignored && rule.glob.matches(path));
      if (match) ignored = !rule.exception;
      return match;
    });
    return { ignored, matched };
  }

  /** Whether an exception may apply below a directory that is ignored: it then has to be walked. */
  mayHoldExceptions(directory: string): boolean {
    const inside = `${directory}/`, depth = directory.split("/").length;
    return this.#rules.some((r) => r.exception && r.depth > depth && (r.literal.startsWith(inside) || (r.wild && inside.startsWith(r.literal))));
  }
}

function parseRule(pattern: string): Rule {
  const clean = cleanPath(pattern);
  const exception = clean.startsWith("!");
  const path = exception ? clean.slice(1) : clean;
  if (path === "") throw new MalformedPattern('illegal exclusion pattern: "!"');
  const literal = path.replace(/[*?[\\][\s\S]*$/, "");
  return { exception, glob: new Glob(path, true), literal, wild: literal !== path, depth: path.includes("**") ? Infinity : path.split("/").length };
}

function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 ? clean.replace(/\/$/, "") : clean;
}
