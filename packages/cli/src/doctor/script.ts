import { CliError } from "../cli.js";
import { humanSize } from "../format/units.js";
import type { Report } from "./report.js";
import { DATABASES } from "./use.js";

/** Words that need no thought in any shell; whatever else it may be, Docker did not name it. */
const PLAIN = /^[0-9A-Za-z][0-9A-Za-z._/-]*$/;

/**
 * A shell script that removes what nothing refers to, for a root that no daemon works with. It looks again before it removes anything, and
 * refuses a root that is in use, or that is no longer as it was examined.
 */
export function removalScript(report: Report): string {
  const { root, use, findings, fingerprint } = report;
  if (use.running) throw new CliError(`a daemon works with ${root} (${use.signs[0]!}): stop it first`);
  const wanted = findings.filter(({ certainty, remove }) => certainty === "certain" && remove.length > 0 && remove.every((path) => PLAIN.test(path) && !path.includes("..")) && isPlain(report, remove));
  const lines = wanted.flatMap(({ why, bytes, remove }) => [`# ${why.replace(/[^ -~]/g, "?")}: ${humanSize(bytes)}`, `remove ${remove.map(quoted).join(" ")}`]);
  const bytes = wanted.reduce((sum, finding) => sum + finding.bytes, 0);
  return `#!/bin/sh
# Removes what nothing refers to in a Docker data root: ${wanted.length} things, ${humanSize(bytes)}.
# Run it as root while dockerd is stopped. It refuses a root that is in use or has changed since it was examined.
set -eu
export LC_ALL=C
root=${quoted(root)}
refuse() { echo "nothing was removed: $1" >&2; exit 1; }
[ "$(id -u)" = 0 ] || refuse 'run this as root'
command -v flock >/dev/null && command -v sha256sum >/dev/null || refuse 'this needs flock and sha256sum'
cd -- "$root" || refuse "cannot enter $root"
for database in ${DATABASES.map(quoted).join(" ")}; do
  [ ! -e "$database" ] || flock -n "$database" true || refuse "a daemon works with $root: stop it first"
done
! ls -l /proc/[0-9]*/fd 2>/dev/null | grep -F -e "-> $root/" >/dev/null || refuse "a process has files of $root open: stop dockerd first"
state() {
  for directory in ${fingerprint.directories.map(quoted).join(" ")}; do
    printf '%s\\n' "$directory"
    [ ! -d "$directory" ] || ls -A1 -- "$directory"
  done
  ${fingerprint.files.length > 0 ? fingerprint.files.map((path) => `stat -c '%n %s %Y' -- ${quoted(path)}`).join("\n  ") : ":"}
}
[ "$(state | sha256sum | cut -d' ' -f1)" = ${fingerprint.sha256} ] || refuse "$root has changed since it was examined: examine it again"
remove() {
  for path in "$@"; do
    # Of a mount point no more than an empty folder is the root's.
    ! grep -F -e " ${mountText(root)}/$path/" -e " ${mountText(root)}/$path " /proc/self/mountinfo >/dev/null || { echo "left alone, something is mounted in it: $path" >&2; continue; }
    rm -rf -- "./$path"
  done
}
${lines.join("\n")}
`;
}

/** Removal of a directory is the whole of it for some drivers only. */
function isPlain({ drivers }: Report, remove: readonly string[]): boolean {
  return remove.every((path) => drivers.some(({ name, plain }) => plain && (path.startsWith(`image/${name}/`) || path.startsWith(`${name}/`))));
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
/** A path as mountinfo spells it, within double quotes of a shell. */
const mountText = (path: string): string => path.replace(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`).replace(/["$`\\]/g, "\\$&");
