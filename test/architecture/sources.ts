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
}

/** Every TypeScript source below a folder, tests included, generated code and output left out. */
export function sourcesOf(folder: string): Source[] {
  return [...walk(join(root, folder))].sort().map((file) => {
    const text = readFileSync(file, "utf8");
    const imports = ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) =>
      fileName.startsWith(".") ? relative(root, join(dirname(file), fileName)).replace(/\.js$/, ".ts") : fileName);
    return { path: relative(root, file), text, lines: text.split("\n").length - 1, imports };
  });
}

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (["dist", "node_modules", "generated"].includes(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (/\.tsx?$/.test(entry.name) && !entry.name.endsWith(".d.ts")) yield path;
  }
}

/** The first import cycle through each file that has one, as `a → b → a`. */
export function cycles(sources: readonly Source[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>(), found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) { found.push([...trail.slice(at), path].join(" → ")); return; }
    if (done.has(path)) return;
    for (const next of byPath.get(path)?.imports ?? []) if (byPath.has(next)) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const { path } of sources) visit(path, []);
  return found;
}
