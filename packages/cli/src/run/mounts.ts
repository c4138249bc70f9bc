import { resolve } from "node:path";
import type { HostConfig } from "@strata/client";
import { parseBytes } from "../format/units.js";

export type MountSpec = NonNullable<NonNullable<HostConfig["Mounts"]>[number]>;

/** What `-v` asks for: an anonymous volume (`/data`), or a bind (`source:/data[:options]`), relative paths made absolute. */
export function parseVolumes(flags: readonly string[]): { volumes: Record<string, Record<string, never>>; binds: string[] } {
  const volumes: Record<string, Record<string, never>> = {};
  const binds: string[] = [];
  for (const flag of flags) {
    const [source = "", ...rest] = flag.split(":");
    if (rest.length === 0) {
      if (source === "") throw new Error(`invalid empty volume spec`);
      volumes[source] = {};
    } else {
      binds.push([source === "." || source === ".." || source.startsWith("./") || source.startsWith("../") ? resolve(source) : source, ...rest].join(":"));
    }
  }
  return { volumes, binds };
}

/** `--tmpfs /run:size=64m`: paths to options. */
export function parseTmpfs(flags: readonly string[]): Record<string, string> {
  return Object.fromEntries(flags.map((flag) => {
    const at = flag.indexOf(":");
    return at === -1 ? [flag, ""] : [flag.slice(0, at), flag.slice(at + 1)];
  }));
}

type Setter = (mount: MountSpec, value: string) => void;
const volume = (mount: MountSpec) => (mount.VolumeOptions ??= {});
const bind = (mount: MountSpec) => (mount.BindOptions ??= {});
const tmpfs = (mount: MountSpec) => (mount.TmpfsOptions ??= {});
const pair = (value: string): [string, string] => {
  const at = value.indexOf("=");
  return at === -1 ? [value, ""] : [value.slice(0, at), value.slice(at + 1)];
};
const bool = (key: string, value: string): boolean => {
  if (value === "" || /^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw new Error(`invalid value for ${key}: ${value}`);
};

const KEYS: Readonly<Record<string, Setter>> = {
  type: (mount, value) => { mount.Type = value.toLowerCase() as MountSpec["Type"]; },
  source: (mount, value) => { mount.Source = value === "." || value.startsWith("./") || value.startsWith("../") ? resolve(value) : value; },
  target: (mount, value) => { mount.Target = value; },
  readonly: (mount, value) => { mount.ReadOnly = bool("readonly", value); },
  consistency: (mount, value) => { mount.Consistency = value.toLowerCase(); },
  "bind-propagation": (mount, value) => { bind(mount).Propagation = value.toLowerCase() as "rprivate"; },
  "bind-nonrecursive": (mount, value) => { bind(mount).NonRecursive = bool("bind-nonrecursive", value); },
  "bind-create-src": (mount, value) => { bind(mount).CreateMountpoint = bool("bind-create-src", value); },
  "bind-recursive": (mount, value) => {
    if (value === "disabled") bind(mount).NonRecursive = true;
    else if (value === "writable") bind(mount).ReadOnlyNonRecursive = true;
    else if (value === "readonly") bind(mount).ReadOnlyForceRecursive = true;
    else if (value !== "enabled") throw new Error(`invalid value for bind-recursive: ${value} (must be "enabled", "disabled", "writable", or "readonly")`);
  },
  "volume-nocopy": (mount, value) => { volume(mount).NoCopy = bool("volume-nocopy", value); },
  "volume-subpath": (mount, value) => { volume(mount).Subpath = value; },
  "volume-label": (mount, value) => { const [key, label] = pair(value); (volume(mount).Labels ??= {})[key] = label; },
  "volume-driver": (mount, value) => { (volume(mount).DriverConfig ??= {}).Name = value; },
  "volume-opt": (mount, value) => { const [key, option] = pair(value); ((volume(mount).DriverConfig ??= {}).Options ??= {})[key] = option; },
  "image-subpath": (mount, value) => { (mount.ImageOptions ??= {}).Subpath = value; },
  "tmpfs-size": (mount, value) => { tmpfs(mount).SizeBytes = parseBytes(value); },
  "tmpfs-mode": (mount, value) => {
    if (!/^[0-7]+$/.test(value)) throw new Error(`invalid value for tmpfs-mode: ${value}`);
    tmpfs(mount).Mode = parseInt(value, 8);
  },
};
const ALIASES: Readonly<Record<string, string>> = { src: "source", dst: "target", destination: "target", ro: "readonly" };
/** Keys that may stand without a value. */
const BARE = new Set(["readonly", "bind-nonrecursive", "bind-create-src", "volume-nocopy"]);

/** Reads `type=bind,source=/a,target=/b,readonly`. Throws with docker's words. */
export function parseMount(text: string): MountSpec {
  const mount: MountSpec = { Type: "volume" };
  for (const field of csvFields(text)) {
    const at = field.indexOf("=");
    const given = (at === -1 ? field : field.slice(0, at)).toLowerCase();
    const key = ALIASES[given] ?? given;
    if (at === -1 && !BARE.has(key)) throw new Error(`invalid field '${field}' must be a key=value pair`);
    const set = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (!set) throw new Error(`unexpected key '${given}' in '${field}'`);
    set(mount, at === -1 ? "" : field.slice(at + 1));
  }
  if (!mount.Target) throw new Error("target is required");
  if (mount.VolumeOptions && mount.Type !== "volume") throw new Error(`cannot mix 'volume-*' options with mount type '${mount.Type!}'`);
  if (mount.BindOptions && mount.Type !== "bind") throw new Error(`cannot mix 'bind-*' options with mount type '${mount.Type!}'`);
  if (mount.TmpfsOptions && mount.Type !== "tmpfs") throw new Error(`cannot mix 'tmpfs-*' options with mount type '${mount.Type!}'`);
  return mount;
}

/** Comma-separated fields, of which any may be quoted: `type=bind,"source=/a,b"`. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  const pattern = /(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/gy;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (!match) throw new Error(`parse error in ${JSON.stringify(text)}: extraneous or missing " in quoted-field`);
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
  }
  return fields;
}
