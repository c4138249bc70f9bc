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
