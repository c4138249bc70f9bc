import { PassThrough } from "node:stream";
import type { ProgressLine } from "@strata/client";
import { bar, ProgressPrinter } from "./progress.js";

const LINES: ProgressLine[] = [
  { status: "Pulling from library/x", id: "latest" },
  { status: "Pulling fs layer", id: "a" }, { status: "Pulling fs layer", id: "b" },
  { status: "Downloading", id: "a", progressDetail: { current: 500_000, total: 1_000_000 } },
  { status: "Pull complete", id: "b" }, { status: "Pull complete", id: "a" },
  { status: "Digest: sha256:0" },
];

/** What a terminal shows after these bytes: newline, carriage return, up, down, erase line. */
function terminal(bytes: string): string[] {
  const rows: (string | undefined)[] = [""];
  let row = 0;
  let column = 0;
  const escape = new RegExp(`${String.fromCharCode(27)}\\[(\\d+)([ABK])|[^]`, "g");
  for (const [token, count, move] of bytes.matchAll(escape)) {
    if (move === "A") row -= Number(count);
    else if (move === "B") row += Number(count);
    else if (move === "K") rows[row] = "";
    else if (token === "\r") column = 0;
    else if (token === "\n") { row++; column = 0; }
    else rows[row] = (rows[row] ?? "").slice(0, column).padEnd(column) + token + (rows[row] ?? "").slice(++column);
    rows[row] ??= "";
  }
  return rows.map((text) => text ?? "");
}

function show(lines: readonly ProgressLine[], screen: { isTTY?: boolean; columns?: number }): string {
  const out = Object.assign(new PassThrough(), screen);
  const printer = new ProgressPrinter(out);
  for (const line of lines) printer.print(line);
  return String(out.read() ?? "");
}

test("on a terminal each id keeps its line", () => {
  expect(terminal(show(LINES, { isTTY: true, columns: 120 }))).toEqual(["latest: Pulling from library/x", "a: Pull complete", "b: Pull complete", "Digest: sha256:0", ""]);
  expect(terminal(show(LINES.slice(0, 4), { isTTY: true, columns: 120 }))[1]).toBe(`a: Downloading [${"=".repeat(25)}>${" ".repeat(25)}]    500kB/1MB`);
});

test("lines are never wider than the terminal", () => {
  const rows = terminal(show([{ status: "x".repeat(200), id: "a" }], { isTTY: true, columns: 40 }));
  expect(rows[0]).toHaveLength(39);
});

test("elsewhere every status is a line, without bars", () => {
  expect(show(LINES, {})).toBe("latest: Pulling from library/x\na: Pulling fs layer\nb: Pulling fs layer\nb: Pull complete\na: Pull complete\nDigest: sha256:0\n");
});

test("streams are passed on as they are, aux says nothing", () => {
  expect(show([{ stream: "Loaded image: x\n" }, { aux: {} }], {})).toBe("Loaded image: x\n");
});

test("bars", () => {
  expect(bar({}, 120)).toBe("");
  expect(bar({ progressDetail: { current: 5_000 } }, 120)).toBe("      5kB");
  expect(bar({ progressDetail: { current: 1, total: 2 } }, 80)).toBe("       1B/2B");
  expect(bar({ progressDetail: { current: 2, total: 2 } }, 120)).toBe(` [${"=".repeat(50)}>]       2B/2B`);
});
