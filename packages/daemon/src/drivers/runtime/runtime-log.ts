import { readFileSync } from "node:fs";

/** The last error in a runtime's JSON log, if it wrote any. */
export function loggedError(path: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  for (const line of text.trimEnd().split("\n").reverse()) {
    try {
      const entry = JSON.parse(line) as { level?: unknown; msg?: unknown };
      if (entry.level === "error" && typeof entry.msg === "string") return entry.msg;
    } catch {
      // A line that was cut, or one not in JSON: nothing to learn from it.
    }
  }
  return undefined;
}

/** What strerror(3) says, as Go programs say it, which is what clients look for. */
const SYSTEM_WORDS = /\b(No such file or directory|Permission denied|Not a directory|Is a directory|Operation not permitted|Invalid argument)\b/g;

/**
 * A runtime's message as Docker's clients know it: without the trappings of a log line, and with runc's words where
 * crun has others of its own for a command that cannot be run.
 */
export function plainWords(message: string): string {
  const quoted = /level=error msg="((?:[^"\\]|\\.)*)"/.exec(message)?.[1];
  const text = (quoted === undefined ? message : quoted.replace(/\\(.)/g, "$1")).trim();
  return text
    .replace(/executable file `([^`]*)` not found(?: in \$PATH)?(?:: No such file or directory)?/, 'exec: "$1": executable file not found in $PATH')
    // What is there but is no program.
    .replace("open executable: Operation not permitted", "open executable: permission denied")
    .replace(SYSTEM_WORDS, (words) => words[0]!.toLowerCase() + words.slice(1));
}
