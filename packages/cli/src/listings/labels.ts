/** Labels as lists show them: `a=1,b=2`, by key. */
export function displayLabels(labels: Readonly<Record<string, string>> | null | undefined): string {
  return Object.keys(labels ?? {}).sort().map((key) => `${key}=${labels![key]}`).join(",");
}
