/** `--opt a=1 --opt b`: a map; a key without `=` has an empty value. */
export function keyValues(flags: readonly string[]): Record<string, string> {
  return Object.fromEntries(flags.map((flag) => {
    const at = flag.indexOf("=");
    return at === -1 ? [flag, ""] : [flag.slice(0, at), flag.slice(at + 1)];
  }));
}
