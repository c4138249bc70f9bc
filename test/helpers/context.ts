import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A file of a build context: its text, or more. */
export type ContextFile = string | { readonly text: string; readonly mode: number } | { readonly link: string };

/** Writes a build context below `parent`. */
export function makeContext(parent: string, files: Readonly<Record<string, ContextFile>>): string {
  const folder = mkdtempSync(join(parent, "context-"));
  for (const [name, file] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    rmSync(path, { force: true });
    if (typeof file === "string") writeFileSync(path, file);
    else if ("link" in file) symlinkSync(file.link, path);
    else {
      writeFileSync(path, file.text);
      chmodSync(path, file.mode);
    }
  }
  return folder;
}
