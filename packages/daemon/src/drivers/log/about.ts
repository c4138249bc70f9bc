import { type Container, InvalidArgument } from "../../core/index.js";
import type { LogOptions } from "./options.js";

/** Names of options that say what of a container its records tell. */
export const ABOUT = ["tag", "labels", "labels-regex", "env", "env-regex"] as const;

/** InvalidArgument for a pattern or a template that cannot be read. */
export function checkAbout(options: LogOptions): void {
  for (const key of ["labels-regex", "env-regex"]) pattern(options, key);
  pieces(options["tag"] ?? "");
}

/** Labels and environment variables that the options pick, by name. */
export function attributesOf(options: LogOptions, container: Container): Record<string, string> {
  const labels = container.config.Labels ?? {};
  const env = Object.fromEntries((container.config.Env ?? []).map((entry): [string, string] => {
    const at = entry.indexOf("=");
    return at < 0 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
  }));
  return { ...picked(labels, options, "labels"), ...picked(env, options, "env") };
}

function picked(from: Readonly<Record<string, string>>, options: LogOptions, key: "labels" | "env"): Record<string, string> {
  const names = (options[key] ?? "").split(",").map((name) => name.trim());
  const matching = pattern(options, `${key}-regex`);
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name) || matching?.test(name) === true));
}

function pattern(options: LogOptions, key: string): RegExp | undefined {
  const text = options[key];
  if (text === undefined || text === "") return undefined;
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new InvalidArgument(`invalid value for ${key}: "${text}" is no regular expression`, { cause });
  }
}

/** What a tag's template may ask for, as Docker documents it. */
const FIELDS: Readonly<Record<string, (container: Container) => string>> = {
  ID: (c) => c.id.slice(0, 12),
  FullID: (c) => c.id,
  Name: (c) => c.name,
  ImageID: (c) => c.imageId.slice(0, 12),
  ImageFullID: (c) => c.imageId,
  ImageName: (c) => c.imageName,
  DaemonName: () => "docker",
};

/** A template's text for a container. Without one: `otherwise`. */
export function tagOf(options: LogOptions, container: Container, otherwise: string): string {
  return pieces(options["tag"] || otherwise).map((piece) => (typeof piece === "string" ? piece : piece(container))).join("");
}

function pieces(template: string): (string | ((container: Container) => string))[] {
  return template.split(/(\{\{.*?\}\})/).map((part) => {
    const name = /^\{\{-?\s*\.(\w+)\s*-?\}\}$/.exec(part)?.[1];
    const field = name === undefined ? undefined : FIELDS[name];
    if (field !== undefined) return field;
    if (part.includes("{{")) throw new InvalidArgument(`invalid value for tag: ${part} is not one of ${Object.keys(FIELDS).map((f) => `{{.${f}}}`).join(", ")}`);
    return part;
  });
}
