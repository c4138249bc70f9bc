import { posix } from "node:path";
import { type ContainerConfig, type HostConfig, InvalidArgument, type MountPoint, type MountSpec } from "../core/index.js";

/** A mount as it is asked for, before volumes have been made. */
export interface PlannedMount {
  readonly type: "bind" | "volume" | "tmpfs";
  /** Absolute host path of a bind; name of a volume, undefined for an anonymous one. */
  readonly source?: string;
  readonly target: string;
  /** Words after the second colon, as inspect shows them. */
  readonly mode: string;
  readonly writable: boolean;
  readonly propagation: string;
  /** The bind's source must be there already (`--mount`), or is made (`-v`). */
  readonly mustExist: boolean;
  /** Of a volume: only what this path in it names. */
  readonly subpath?: string;
  readonly volume?: { readonly driver?: string; readonly labels?: Record<string, string>; readonly options?: Record<string, string> };
}

const PROPAGATION = /^r?(private|shared|slave)$/;
const WORDS = /^(ro|rw|z|Z|nocopy|cached|delegated|consistent|r?(private|shared|slave))$/;

function checkTarget(target: string, what: string): string {
  if (!posix.isAbsolute(target)) throw new InvalidArgument(`${what}: invalid mount path: '${target}' mount path must be absolute`);
  const clean = posix.normalize(target).replace(/(.)\/$/, "$1");
  if (clean === "/") throw new InvalidArgument(`${what}: destination can't be '/'`);
  return clean;
}

/** `src:dst[:words]` or `dst`, as `-v` takes it. */
export function parseBind(text: string, volumeDriver?: string): PlannedMount {
  const what = `invalid volume specification: '${text}'`;
  const parts = text.split(":");
  if (parts.length > 3 || parts.some((p) => p === "")) throw new InvalidArgument(what);
  const [source, target, mode = ""] = parts.length === 1 ? [undefined, parts[0]!] : parts as [string, string, string?];
  const words = mode.split(",").filter(Boolean);
  const propagations = words.filter((w) => PROPAGATION.test(w));
  if (words.some((w) => !WORDS.test(w)) || new Set(words).size !== words.length || (words.includes("ro") && words.includes("rw")) || propagations.length > 1) {
    throw new InvalidArgument(`${what}: invalid mode: ${mode}`);
  }
  const bind = source !== undefined && posix.isAbsolute(source);
  if (bind && words.includes("nocopy")) throw new InvalidArgument(`${what}: invalid mode: ${mode}`);
  if (!bind && propagations.length > 0) throw new InvalidArgument(`${what}: invalid mode: ${mode}`);
  return {
    type: bind ? "bind" : "volume", ...(source === undefined ? {} : { source: bind ? posix.normalize(source).replace(/(.)\/$/, "$1") : source }), target: checkTarget(target, what), mode,
    writable: !words.includes("ro"), propagation: bind ? propagations[0] ?? "rprivate" : "", mustExist: false,
    ...(bind || !volumeDriver ? {} : { volume: { driver: volumeDriver } }),
  };
}

/** An entry of HostConfig.Mounts. */
export function parseMount(m: MountSpec): PlannedMount {
  const what = `invalid mount config for type "${m.Type ?? ""}"`;
  const bad = (why: string): never => { throw new InvalidArgument(`${what}: ${why}`); };
  if (!m.Target) return bad("field Target must not be empty");
  const target = checkTarget(m.Target, what);
  const common = { target, mode: "", writable: m.ReadOnly !== true };
  switch (m.Type) {
    case "bind":
      if (!m.Source) return bad("field Source must not be empty");
      if (!posix.isAbsolute(m.Source)) return bad(`invalid mount path: '${m.Source}' mount path must be absolute`);
      if (m.VolumeOptions) return bad("field VolumeOptions must not be specified");
      if (m.BindOptions?.Propagation && !PROPAGATION.test(m.BindOptions.Propagation)) return bad(`invalid propagation mode: ${m.BindOptions.Propagation}`);
      return { ...common, type: "bind", source: posix.normalize(m.Source).replace(/(.)\/$/, "$1"), propagation: m.BindOptions?.Propagation || "rprivate", mustExist: m.BindOptions?.CreateMountpoint !== true };
    case "volume": {
      if (m.BindOptions) return bad("field BindOptions must not be specified");
      const subpath = m.VolumeOptions?.Subpath;
      if (subpath && (posix.isAbsolute(subpath) || posix.normalize(subpath).split("/")[0] === "..")) return bad("subpath must be a relative path within the volume");
      const { DriverConfig: driver, Labels } = m.VolumeOptions ?? {};
      return {
        ...common, type: "volume", ...(m.Source ? { source: m.Source } : {}), ...(subpath ? { subpath } : {}), propagation: "", mustExist: false,
        volume: { ...(driver?.Name ? { driver: driver.Name } : {}), ...(driver?.Options ? { options: driver.Options } : {}), ...(Labels ? { labels: Labels } : {}) },
      };
    }
    case "tmpfs":
      if (m.Source) return bad("field Source must not be specified");
      return { ...common, type: "tmpfs", propagation: "", mustExist: false };
    case "image":
      return bad("mounting images is not supported");
    default:
      return bad("mount type unknown");
  }
}

/** The mounts another container lends (`--volumes-from id[:ro|rw]`). */
export function borrowedMounts(points: readonly MountPoint[], mode: string): PlannedMount[] {
  if (!/^(|ro|rw)$/.test(mode)) throw new InvalidArgument(`invalid mode for volumes-from: ${mode}`);
  return points.filter((p) => p.Type !== "tmpfs").map((p) => ({
    type: p.Type, source: p.Type === "volume" ? p.Name! : p.Source, target: p.Destination, mode: p.Mode, writable: p.RW && mode !== "ro", propagation: p.Propagation, mustExist: false,
    ...(p.subpath === undefined ? {} : { subpath: p.subpath }),
  }));
}

/** All mounts of a container. Later kinds give way to earlier: binds and mounts, then borrowed ones, then the image's volumes. */
export function planMounts(config: ContainerConfig, host: HostConfig, borrowed: readonly PlannedMount[]): PlannedMount[] {
  const planned = new Map<string, PlannedMount>();
  for (const mount of [...(host.Binds ?? []).map((b) => parseBind(b, host.VolumeDriver)), ...(host.Mounts ?? []).map(parseMount)]) {
    if (planned.has(mount.target)) throw new InvalidArgument(`Duplicate mount point: ${mount.target}`);
    planned.set(mount.target, mount);
  }
  const tmpfs = new Set(Object.keys(host.Tmpfs ?? {}).map((t) => checkTarget(t, "invalid tmpfs mount")));
  for (const target of tmpfs) if (planned.has(target)) throw new InvalidArgument(`Duplicate mount point: ${target}`);
  for (const mount of borrowed) if (!planned.has(mount.target) && !tmpfs.has(mount.target)) planned.set(mount.target, mount);
  for (const target of Object.keys(config.Volumes ?? {}).map((t) => checkTarget(posix.join("/", t), "invalid volume"))) {
    if (planned.has(target) || tmpfs.has(target)) continue;
    planned.set(target, { type: "volume", target, mode: "", writable: true, propagation: "", mustExist: false, ...(host.VolumeDriver ? { volume: { driver: host.VolumeDriver } } : {}) });
  }
  return [...planned.values()];
}

/** Whether a volume takes over what the image has at its mount point. */
export function copiesUp(point: MountPoint, host: HostConfig): boolean {
  if (point.Type !== "volume" || point.subpath !== undefined || point.Mode.split(",").includes("nocopy")) return false;
  return !(host.Mounts ?? []).some((m) => m.Type === "volume" && posix.normalize(m.Target).replace(/(.)\/$/, "$1") === point.Destination && m.VolumeOptions?.NoCopy === true);
}
