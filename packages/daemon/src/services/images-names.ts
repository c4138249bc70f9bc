import { InvalidReference, familiarOf, formatPlatform, parseReference, platformScore, repositoryOf } from "@strata/oci";
import type { ImageConfig, ImageId, Platform, Reference } from "@strata/oci";
import { InvalidArgument, NotFound } from "../core/index.js";
import type { EventBus, ImageStore } from "../core/index.js";

/** A reference as a user typed it; InvalidArgument when it is none. */
export function readReference(text: string): Reference {
  try {
    return parseReference(text);
  } catch (e) {
    if (e instanceof InvalidReference) throw new InvalidArgument(e.message, { cause: e });
    throw e;
  }
}

/** Full name (`docker.io/library/busybox:latest`) as users know it. */
export const familiar = familiarOf;

/** `docker.io/library/busybox` of a full name. */
export function repositoryName(name: string): string {
  return repositoryOf(readReference(name));
}

/** Whether a user's word for an image was its ID, or the beginning of it. */
export function isIdPrefix(id: ImageId, text: string): boolean {
  return id.startsWith(text) || id.slice("sha256:".length).startsWith(text);
}

/** Whether a full name fits one of Docker's patterns (`path.Match` on the familiar name, with and without tag): `*` and `?` stop at a slash. */
export function referenceMatcher(patterns: readonly string[]): (name: string) => boolean {
  const expressions = patterns.map(globOf);
  return (full) => {
    const name = familiarOf(full), at = name.indexOf("@");
    const repository = at >= 0 ? name.slice(0, at) : name.slice(0, name.lastIndexOf(":"));
    return expressions.some((e) => e.test(name) || e.test(repository));
  };
}

function globOf(pattern: string): RegExp {
  let source = "";
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    if (c === "*") source += "[^/]*";
    else if (c === "?") source += "[^/]";
    else if (c === "\\" && i + 1 < pattern.length) source += escape(pattern[++i]!);
    else if (c === "[") {
      const [all, negated = "", set = ""] = /^\[(\^?)((?:\\.|[^\]\\])+)\]/.exec(pattern.slice(i)) ?? [];
      if (all === undefined) throw new InvalidArgument(`invalid reference filter "${pattern}": syntax error in pattern`);
      source += `[${negated}${set.replaceAll("[", "\\[")}]`;
      i += all.length - 1;
    } else source += escape(c);
  }
  try {
    return new RegExp(`^${source}$`, "u");
  } catch (e) {
    throw new InvalidArgument(`invalid reference filter "${pattern}": syntax error in pattern`, { cause: e });
  }
}
const escape = (c: string): string => c.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");

/** Refuses an image that is not for the platform that was asked for. */
export function needPlatform(name: string, config: ImageConfig, platform: Platform | undefined): void {
  if (platform === undefined || platformScore(platform, config) >= 0) return;
  throw new NotFound(`image with reference ${name} was found but its platform (${formatPlatform(config)}) does not match the specified platform (${formatPlatform(platform)})`);
}

/** Tells of an image as Docker does: `name` is the reference or the ID, the image's labels go along. */
export function emitImageEvent(events: EventBus, action: string, id: string, name: string, labels: Readonly<Record<string, string>> | null | undefined): void {
  events.emit({ type: "image", action, id, attributes: { ...labels, name } });
}

/** Labels of an image, none when it is gone. */
export function labelsOf(images: ImageStore, id: ImageId): Readonly<Record<string, string>> | null | undefined {
  try {
    return images.get(id).config.config?.Labels;
  } catch (e) {
    if (e instanceof NotFound) return undefined;
    throw e;
  }
}
