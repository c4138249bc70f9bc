import { parseDigest } from "./digest.js";
import type { Digest } from "./brand.js";

/**
 * A named image: registry host, repository path and a tag or digest.
 * Grammar: distribution-spec "Pulling manifests" and Docker's short names
 * (`busybox` is `docker.io/library/busybox:latest`).
 */
export interface Reference {
  /** `docker.io`, `localhost:5000`, … */
  readonly domain: string;
  /** Repository within the registry: `library/busybox`. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const DOMAIN = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

export class InvalidReference extends Error {
  override readonly name = "InvalidReference";
}

/** True when `tag` is a legal tag. */
export function isTag(tag: string): boolean {
  return TAG.test(tag);
}

/** Parses a reference as users type it. No default tag is added. Throws InvalidReference. */
export function parseReference(text: string): Reference {
  const bad = (why: string): never => { throw new InvalidReference(`invalid reference format: ${why}`); };
  if (text === "") return bad("empty name");
  let rest = text;
  let digest: Digest | undefined;
  let tag: string | undefined;
  const at = rest.indexOf("@");
  if (at >= 0) {
    digest = parseDigest(rest.slice(at + 1)) ?? bad(`"${text}" has a malformed digest`);
    rest = rest.slice(0, at);
  }
  const colon = rest.lastIndexOf(":");
  if (colon > rest.lastIndexOf("/")) {
    tag = rest.slice(colon + 1);
    if (!TAG.test(tag)) return bad(`"${text}" has a malformed tag`);
    rest = rest.slice(0, colon);
  }
  if (/^[0-9a-f]{64}$/.test(rest)) return bad("a 64-byte hexadecimal string cannot be a repository name");
  const slash = rest.indexOf("/");
  const head = slash < 0 ? "" : rest.slice(0, slash);
  let domain: string, path: string;
  if (slash >= 0 && (/[.:]/.test(head) || head === "localhost" || head.toLowerCase() !== head)) {
    domain = head;
    path = rest.slice(slash + 1);
  } else {
    domain = "docker.io";
    path = rest;
  }
  if (domain === "index.docker.io") domain = "docker.io";
  if (!DOMAIN.test(domain)) return bad(`"${text}" has a malformed registry name`);
  if (domain === "docker.io" && !path.includes("/")) path = `library/${path}`;
  if (path !== path.toLowerCase()) return bad(`repository name (${path.replace(/^library\//, "")}) must be lowercase`);
  if (!path.split("/").every((c) => COMPONENT.test(c))) return bad(`"${text}" has a malformed repository name`);
  if (path.length > 255) return bad("repository name must not be more than 255 characters");
  return { domain, path, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/** `docker.io/library/busybox`. */
export function repositoryOf(ref: Reference): string {
  return `${ref.domain}/${ref.path}`;
}

/** Adds `latest` where neither tag nor digest is given. */
export function withDefaultTag(ref: Reference): Reference {
  return ref.tag === undefined && ref.digest === undefined ? { ...ref, tag: "latest" } : ref;
}

/** Full form: `docker.io/library/busybox:latest`, `host/path@sha256:…`. */
export function formatReference(ref: Reference): string {
  return `${repositoryOf(ref)}${ref.tag === undefined ? "" : `:${ref.tag}`}${ref.digest === undefined ? "" : `@${ref.digest}`}`;
}

/** Repository as users know it: `busybox`, `user/app`, `localhost:5000/app`. */
export function familiarRepository(ref: Reference): string {
  return ref.domain !== "docker.io" ? repositoryOf(ref) : ref.path.startsWith("library/") && ref.path.indexOf("/", 8) < 0 ? ref.path.slice(8) : ref.path;
}

/** The same of a full name that is known to be one (`docker.io/library/busybox:latest`), without reading it. */
export function familiarOf(full: string): string {
  if (!full.startsWith("docker.io/")) return full;
  const rest = full.slice("docker.io/".length);
  return rest.startsWith("library/") && rest.indexOf("/", "library/".length) < 0 ? rest.slice("library/".length) : rest;
}

/** Reference as users know it: `busybox:latest`. */
export function familiarName(ref: Reference): string {
  return `${familiarRepository(ref)}${ref.tag === undefined ? "" : `:${ref.tag}`}${ref.digest === undefined ? "" : `@${ref.digest}`}`;
}
