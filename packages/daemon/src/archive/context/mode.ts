/** Permissions as chmod takes them: the bits themselves, or changes to those that are there. */
export type ModeChange = number | readonly ModeClause[];
/** `u=rwX`: what one clause does to the bits of `who`. */
export interface ModeClause {
  /** Of `u`, `g`, `o`. */
  readonly who: string;
  readonly operator: "+" | "-" | "=";
  /** Of `r`, `w`, `x`, `X`, `s`, `t`; or one of `u`, `g`, `o`, whose bits are taken. */
  readonly bits: string;
}

const SHIFT: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };
const SPECIAL: Readonly<Record<string, number>> = { u: 0o4000, g: 0o2000, o: 0 };

/** `755`, `+x`, `u=rwX,go=rX`; undefined for what is neither. */
export function parseMode(text: string): ModeChange | undefined {
  if (/^[0-7]{1,5}$/.test(text)) return Number.parseInt(text, 8) > 0o7777 ? undefined : Number.parseInt(text, 8);
  const clauses: ModeClause[] = [];
  for (const part of text.split(",")) {
    const [, who, changes] = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/.exec(part) ?? [];
    if (who === undefined || changes === undefined) return undefined;
    for (const [, operator, bits] of changes.matchAll(/([-+=])([a-zA-Z]*)/g)) clauses.push({ who: who === "" || who.includes("a") ? "ugo" : who, operator: operator as ModeClause["operator"], bits: bits! });
  }
  return clauses;
}

/** The bits that a file or directory has after a change. */
export function changedMode(change: ModeChange, mode: number, directory: boolean): number {
  return typeof change === "number" ? change : change.reduce((bits, clause) => changedBy(clause, bits, directory), mode);
}

function changedBy({ who, operator, bits }: ModeClause, mode: number, directory: boolean): number {
  let given = bits.includes("t") ? 0o1000 : 0, all = 0;
  for (const one of who) {
    const shift = SHIFT[one]!;
    all |= (7 << shift) | SPECIAL[one]!;
    given |= (triad(bits, mode, directory) << shift) | (bits.includes("s") ? SPECIAL[one]! : 0);
  }
  return operator === "+" ? mode | given : operator === "-" ? mode & ~given : (mode & ~all) | given;
}

function triad(bits: string, mode: number, directory: boolean): number {
  const from = /^[ugo]$/.test(bits) ? SHIFT[bits] : undefined;
  if (from !== undefined) return (mode >> from) & 7;
  const execute = bits.includes("x") || (bits.includes("X") && (directory || (mode & 0o111) !== 0));
  return (bits.includes("r") ? 4 : 0) | (bits.includes("w") ? 2 : 0) | (execute ? 1 : 0);
}
