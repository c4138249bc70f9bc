import type { SpecDevice, SpecDeviceRule } from "./model.js";
import { InvalidArgument, type HostConfig } from "../../core/index.js";

/** A device node of the host; found by the caller. */
export interface DeviceNode { readonly type: "c" | "b"; readonly major: number; readonly minor: number; readonly mode: number; readonly uid: number; readonly gid: number }

const allow = (type: string, major: number | undefined, minor: number | undefined, access = "rwm"): SpecDeviceRule =>
  ({ allow: true, type, ...(major === undefined ? {} : { major }), ...(minor === undefined ? {} : { minor }), access });

/** Device cgroup of an ordinary container: mknod of anything, use of the pseudo devices every program expects. */
export const DEFAULT_DEVICE_RULES: readonly SpecDeviceRule[] = [
  { allow: false, access: "rwm" },
  allow("c", undefined, undefined, "m"), allow("b", undefined, undefined, "m"),
  allow("c", 1, 3), allow("c", 1, 5), allow("c", 1, 7), allow("c", 1, 8), allow("c", 1, 9), // null zero full random urandom
  allow("c", 5, 0), allow("c", 5, 1), allow("c", 5, 2), allow("c", 136, undefined), // tty console ptmx pts
];
export const ALL_DEVICES_RULES: readonly SpecDeviceRule[] = [{ allow: true, access: "rwm" }];

/** Refuses devices that cannot be; whether they are there is told at the start. */
export function checkDevices(h: HostConfig): void {
  for (const { PathOnHost = "", PathInContainer, CgroupPermissions } of h.Devices ?? []) {
    for (const path of [PathOnHost, PathInContainer || PathOnHost]) if (!path.startsWith("/")) throw new InvalidArgument(`invalid device: "${path}" is not an absolute path`);
    if (CgroupPermissions && !/^(?!.*(.).*\1)[rwm]{1,3}$/.test(CgroupPermissions)) throw new InvalidArgument(`invalid device mode: ${CgroupPermissions}`);
  }
}

/** A device as the spec wants it, with its cgroup rule. */
export function deviceEntry(pathInContainer: string, node: DeviceNode, permissions: string): { device: SpecDevice; rule: SpecDeviceRule } {
  return {
    device: { path: pathInContainer, type: node.type, major: node.major, minor: node.minor, fileMode: node.mode & 0o7777, uid: node.uid, gid: node.gid },
    rule: allow(node.type, node.major, node.minor, permissions),
  };
}

/** A rule as `--device-cgroup-rule` has it: `c 42:* rmw`. */
export function parseDeviceRule(text: string): SpecDeviceRule {
  const m = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/.exec(text);
  if (!m) throw new InvalidArgument(`invalid device cgroup rule format: '${text}'`);
  const number = (s: string): number | undefined => (s === "*" ? undefined : Number(s));
  return allow(m[1]!, number(m[2]!), number(m[3]!), m[4]);
}
