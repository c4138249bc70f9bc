import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import ts from "typescript";

export const root = resolve(__dirname, "../../..");

/** One source file: where it lies (from the repository's root) and what it imports. */
export interface Source {
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  /** Repository paths (`packages/daemon/src/core/ids.ts`) of relative imports; the bare specifier of others. */
  readonly imports: readonly string[];
  /** Those of them that are still there when it runs: not for types alone. */
  readonly runtimeImports: readonly string[];
}

/** Every TypeScript source below a folder, tests included, generated code and output left out. */
export function sourcesOf(folder: string): Source[] {
  return [...walk(join(root, folder))].sort().map((file) => {
    const text = readFileSync(file, "utf8");
    const from = (specifier: string): string => (specifier.startsWith(".") ? relative(root, join(dirname(file), specifier)).replace(/\.js$/, ".ts") : specifier);
    const typesOnly = typeImports(file, text);
    const specifiers = ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);
    const imports = specifiers.map(from), runtimeImports = specifiers.filter((specifier) => !typesOnly.has(specifier)).map(from);
    return { path: relative(root, file), text, lines: text.split("\n").length - 1, imports, runtimeImports };
  });
}

/** Specifiers that are imported or exported for their types alone. */
function typeImports(file: string, text: string): Set<string> {
  const types = new Set<string>(), values = new Set<string>();
  for (const statement of ts.createSourceFile(file, text, ts.ScriptTarget.Latest).statements) {
    if (ts.isImportDeclaration(statement)) {
      const clause = statement.importClause, named = clause?.namedBindings;
      const onlyTypes = clause !== undefined && (clause.phaseModifier === ts.SyntaxKind.TypeKeyword ||
        (!clause.name && named !== undefined && ts.isNamedImports(named) && named.elements.length > 0 && named.elements.every((element) => element.isTypeOnly)));
      (onlyTypes ? types : values).add((statement.moduleSpecifier as ts.StringLiteral).text);
    } else if (ts.isExportDeclaration(statement) && statement.moduleSpecifier) {
      (statement.isTypeOnly ? types : values).add((statement.moduleSpecifier as ts.StringLiteral).text);
    }
  }
  return new Set([...types].filter((specifier) => !values.has(specifier)));
}

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (["dist", "node_modules", "generated"].includes(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (/\.tsx?$/.test(entry.name) && !entry.name.endsWith(".d.ts")) yield path;
  }
}

/** The first cycle through each file that has one, as `a → b → a`. */
export function cycles(sources: readonly Source[], importsOf: (source: Source) => readonly string[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>(), found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) { found.push([...trail.slice(at), path].join(" → ")); return; }
    if (done.has(path)) return;
    const source = byPath.get(path);
    for (const next of source ? importsOf(source) : []) if (byPath.has(next)) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const { path } of sources) visit(path, []);
  return found;
}
