import type { ProgressLine } from "@strata/client";
import type { Screen } from "./cli.js";
import { humanSize } from "./format/units.js";

const ESCAPE = "\x1b[";

/**
 * Shows a progress stream. On a terminal each id has a line of its own that is drawn anew; elsewhere every status is a
 * line and transfer bars are left out.
 */
export class ProgressPrinter {
  readonly #out: Screen;
  /** Terminal line of each id, counted from the first. */
  readonly #lines = new Map<string, number>();

  constructor(out: Screen) { this.#out = out; }

  readonly print = (line: ProgressLine): void => {
    if (line.stream !== undefined) return void this.#out.write(line.stream);
    if (line.status === undefined && line.progress === undefined) return;
    if (this.#out.isTTY !== true) {
      if (!isBar(line)) this.#out.write(`${plain(line)}\n`);
      return;
    }
    if (line.id === undefined || line.id === "") {
      this.#lines.clear();
      this.#out.write(`${ESCAPE}2K\r${plain(line)}${bar(line, this.#out.columns ?? 80)}\n`);
      return;
    }
    const at = this.#lines.get(line.id);
    const row = at ?? this.#lines.size;
    if (at === undefined) {
      this.#lines.set(line.id, row);
      this.#out.write("\n");
    }
    const up = this.#lines.size - row;
    this.#out.write(`${ESCAPE}${up}A${ESCAPE}2K\r${fit(plain(line) + bar(line, this.#out.columns ?? 80), this.#out.columns ?? 80)}\r${ESCAPE}${up}B`);
  };
}

const isBar = (line: ProgressLine): boolean => (line.progressDetail?.current ?? 0) > 0 || (line.progress ?? "") !== "";

function plain({ id, status = "" }: ProgressLine): string {
  return id === undefined || id === "" ? status : `${id}: ${status}`;
}

/** ` [=====>     ]  1.2MB/3.4MB`, as wide as the terminal allows; empty without numbers. */
export function bar({ progressDetail, progress }: ProgressLine, columns: number): string {
  const current = progressDetail?.current ?? 0;
  const total = progressDetail?.total ?? 0;
  if (current <= 0 && total <= 0) return progress ? ` ${progress}` : "";
  const done = humanSize(current).padStart(8);
  if (total <= 0 || current > total) return ` ${done}`;
  const filled = Math.min(50, Math.trunc((current / total) * 50));
  const box = columns > 110 ? `[${"=".repeat(filled)}>${" ".repeat(50 - filled)}] ` : "";
  return ` ${box}${done}/${humanSize(total)}`;
}

/** A line that wrapped would break the counting of lines. */
const fit = (text: string, columns: number): string => (text.length < columns ? text : text.slice(0, columns - 1));
