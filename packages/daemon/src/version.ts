import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** What this build is. */
export interface Build {
  /** `0.1.0`. */
  readonly version: string;
  /** What clients compare with Docker's: the release whose API this is, and ours behind it. */
  readonly engineVersion: string;
  readonly commit: string;
  readonly time: string;
}

/** The Docker release whose API (1.51) is served. */
const ENGINE = "28.5.0";

export function readBuild(): Build {
  const manifest = join(__dirname, "../package.json");
  const { version, gitHead, buildTime } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string; gitHead?: string; buildTime?: string };
  return { version, engineVersion: `${ENGINE}+strata.${version}`, commit: gitHead ?? "", time: buildTime ?? statSync(__filename).mtime.toISOString() };
}
