import { splitReference } from "@strata/client";
import { CliError } from "./cli.js";

export const HUB = "docker.io";
/** What docker's configuration calls Docker Hub. */
const HUB_KEY = "https://index.docker.io/v1/";
const NAME = /^(?:(?=[^/]*[.:]|localhost)[a-zA-Z0-9.-]+(?::\d+)?\/|\[[0-9a-fA-F:]+\](?::\d+)?\/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[a-z0-9]+:[0-9a-fA-F]{32,}$/;

/** A registry, and a name in full: `busybox` is `docker.io/library/busybox`. */
export interface FullName {
  readonly registry: string;
  readonly name: string;
  /** Without tag and digest, as people write it. */
  readonly familiar: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

/** Understands what users call images. Throws CliError. */
export function parseReference(reference: string): FullName {
  const digest = /@(.*)$/s.exec(reference)?.[1];
  const { name, tag } = splitReference(reference.replace(/@.*$/s, ""));
  if (!NAME.test(name) || (tag !== undefined && !TAG.test(tag)) || (digest !== undefined && !DIGEST.test(digest))) {
    throw new CliError(/[A-Z]/.test(name) && NAME.test(name.toLowerCase()) ? `invalid reference format: repository name (${name}) must be lowercase` : "invalid reference format");
  }
  const first = registryOf(name);
  const registry = first === undefined || first === "index.docker.io" ? HUB : first;
  const path = first === undefined ? name : name.slice(first.length + 1);
  const full = registry === HUB && !path.includes("/") ? `library/${path}` : path;
  return { registry, name: `${registry}/${full}`, familiar: registry === HUB ? full.replace(/^library\//, "") : name, tag, digest };
}

/** The registry that a name begins with, if it does with one. */
export function registryOf(name: string): string | undefined {
  const slash = name.indexOf("/"), first = name.slice(0, Math.max(0, slash));
  return first === "localhost" || /[.:]/.test(first) ? first : undefined;
}

/** Under which key docker keeps a registry's credentials. */
export function credentialKey(registry: string): string {
  return registry === HUB || registry === "index.docker.io" || registry === "registry-1.docker.io" ? HUB_KEY : registry;
}
