
export function globMatch(pattern: string, name: string): boolean {
  const re = pattern.replace(/[.+^${}()|]/g, "\\$&").replace(/\*/g, "[^/]*").replace(/\?/g, "[^/]");
  return new RegExp(`^${re}$`).test(name);
}
export function ignoreMatcher(patterns: readonly string[]): (name: string) => boolean {
  return (name) => patterns.some((p) => globMatch(p, name) || name.startsWith(`${p}/`));
}
