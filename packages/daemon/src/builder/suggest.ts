/** ` (did you mean RUN?)`, if one of the words is near to what was typed; else nothing. */
export function didYouMean(typed: string, words: readonly string[]): string {
  let best: string | undefined, least = 3;
  for (const word of words) {
    const far = distance(typed.toLowerCase(), word.toLowerCase(), least);
    if (far < least) [best, least] = [word, far];
  }
  return best === undefined ? "" : ` (did you mean ${best}?)`;
}

/** Levenshtein's, given up at `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
