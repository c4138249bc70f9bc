/** Names as users know them, of the full names the ledger keeps: `busybox:latest` of `docker.io/library/busybox:latest`. */
export function familiar(full: string): string {
  if (!full.startsWith("docker.io/")) return full;
  const rest = full.slice("docker.io/".length);
  return rest.startsWith("library/") && rest.indexOf("/", "library/".length) < 0 ? rest.slice("library/".length) : rest;
}
