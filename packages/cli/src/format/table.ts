const MIN_WIDTH = 10;
const PADDING = 3;

/** In characters, as Go counts them. */
const lengthOf = (text: string): number => Array.from(text).length;

/**
 * Aligns lines whose cells are parted by tabs: each column as wide as its widest cell and three, at least ten characters.
 * The last cell of a line is left as it is. A column's width counts over neighbouring lines that have it, as in Go's tabwriter.
 */
export function alignTabs(lines: readonly string[], minWidth = MIN_WIDTH, padding = PADDING): string[] {
  const rows = lines.map((line) => line.split("\t"));
  const widths = rows.map((cells) => cells.map(() => 0));
  const columns = Math.max(0, ...rows.map((cells) => cells.length - 1));
  for (let column = 0; column < columns; column++) {
    for (let from = 0; from < rows.length; from++) {
      if (rows[from]!.length - 1 <= column) continue;
      let to = from;
      let width = minWidth;
      while (to < rows.length && rows[to]!.length - 1 > column) width = Math.max(width, lengthOf(rows[to++]![column]!) + padding);
      for (let row = from; row < to; row++) widths[row]![column] = width;
      from = to;
    }
  }
  return rows.map((cells, row) => cells.map((cell, column) => (column === cells.length - 1 ? cell : cell + " ".repeat(widths[row]![column]! - lengthOf(cell)))).join(""));
}
