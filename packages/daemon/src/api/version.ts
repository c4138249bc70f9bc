import { InvalidArgument } from "../core/index.js";

/** Minor number of an API version: 51 is 1.51. */
export type ApiVersion = number;
export const MIN_VERSION: ApiVersion = 24;
export const MAX_VERSION: ApiVersion = 51;
/** Not promised, but taken as the oldest: skopeo up to 1.13 asks for 1.22 and nothing else. */
const OLDEST_TAKEN: ApiVersion = 22;

/** `1.51`. */
export function formatVersion(version: ApiVersion): string {
  return `1.${version}`;
}

/** Splits `/v1.44/images/json` into its version and the rest; no prefix means the newest. InvalidArgument outside what is served. */
export function splitVersion(path: string): { version: ApiVersion; path: string } {
  const match = /^\/v(\d+)\.(\d+)(?=\/|$)/.exec(path);
  if (match === null) return { version: MAX_VERSION, path };
  const major = Number(match[1]), minor = Number(match[2]);
  const asked = `${major}.${minor}`;
  if (major > 1 || (major === 1 && minor > MAX_VERSION)) {
    throw new InvalidArgument(`client version ${asked} is too new. Maximum supported API version is ${formatVersion(MAX_VERSION)}`);
  }
  if (major < 1 || minor < OLDEST_TAKEN) {
    throw new InvalidArgument(`client version ${asked} is too old. Minimum supported API version is ${formatVersion(MIN_VERSION)}, please upgrade your client to a newer version`);
  }
  return { version: Math.max(minor, MIN_VERSION), path: path.slice(match[0].length) || "/" };
}

const WHY = "/graph/why/";
const AFTER_NAME = new Set(["json", "history", "get", "push", "tag", "pin", "unpin"]);

/**
 * Makes an image's name one segment of the path, so that routes and contract see `/images/{name}/json` whatever slashes
 * the name has; the same for what `/graph/why/` asks about, and for links, whose names are removed as `/containers/web/db`. Doubled slashes elsewhere (`/containers//name/json`) are one.
 */
export function normalizePath(method: string, path: string): string {
  const clean = path.includes("//") ? path.replace(/\/{2,}/g, "/") : path;
  // A link: `/containers/web/db`.
  if (method === "DELETE" && clean.startsWith("/containers/")) return `/containers/${clean.slice("/containers/".length).replaceAll("/", "%2F")}`;
  const distribution = /^\/distribution\/(.+)\/json$/.exec(clean);
  if (distribution !== null) return `/distribution/${distribution[1]!.replaceAll("/", "%2F")}/json`;
  if (clean.startsWith(WHY)) return `${WHY}${clean.slice(WHY.length).replaceAll("/", "%2F")}`;
  if (!clean.startsWith("/images/")) return clean;
  const rest = clean.slice("/images/".length);
  if (method === "DELETE") return `/images/${rest.replaceAll("/", "%2F")}`;
  const last = rest.lastIndexOf("/");
  if (last <= 0 || !AFTER_NAME.has(rest.slice(last + 1))) return clean;
  return `/images/${rest.slice(0, last).replaceAll("/", "%2F")}${rest.slice(last)}`;
}
