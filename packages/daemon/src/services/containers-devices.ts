import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Container, errnoOf, InvalidArgument } from "../core/index.js";
import type { DeviceNode } from "./spec/devices.js";
import { type BlockDevices, limitedDevices } from "./spec/resources.js";
import type { SpecInput } from "./spec/spec.js";

/** Of /dev, what a container has of its own, or what is no device. */
const LEFT_OUT = new Set(["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"]);

/** The device nodes that a container is given: those it was promised, and for a privileged one all of the host's. */
export async function devicesFor(container: Container): Promise<SpecInput["devices"]> {
  const asked = (await Promise.all((container.hostConfig.Devices ?? []).map(async (d) => {
    const inside = d.PathInContainer || d.PathOnHost;
    const permissions = d.CgroupPermissions || "rwm";
    const found = await nodesBelow(d.PathOnHost);
    if (found.length === 0) throw new InvalidArgument(`error gathering device information while adding custom device "${d.PathOnHost}": no such file or directory`);
    return found.map(({ path, node }) => ({ path: inside + path.slice(d.PathOnHost.length), node, permissions }));
  }))).flat();
  if (!container.hostConfig.Privileged) return asked;
  const own = new Set(asked.map((d) => d.path));
  return [...(await nodesBelow("/dev")).filter((d) => !own.has(d.path)).map((d) => ({ ...d, permissions: "rwm" })), ...asked];
}

/** Numbers of the devices whose use is limited. InvalidArgument names the field and the device that is not there. */
export async function limitedDevicesOf({ hostConfig }: Container): Promise<BlockDevices> {
  const found = new Map<string, { major: number; minor: number }>();
  for (const { path, field } of limitedDevices(hostConfig)) {
    const facts = await stat(path).catch((cause: unknown) => {
      if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errnoOf(cause) ?? "")) throw new InvalidArgument(`${field}: stat ${path}: no such file or directory`, { cause });
      throw cause;
    });
    if (!facts.isBlockDevice()) throw new InvalidArgument(`${field}: ${path} is not a block device`);
    found.set(path, numbersOf(facts.rdev));
  }
  return found;
}

/** Device nodes at `path` and, when it is a directory, below it. Absent is none. */
async function nodesBelow(path: string): Promise<{ path: string; node: DeviceNode }[]> {
  let facts;
  try {
    facts = await stat(path);
  } catch (e) {
    const code = errnoOf(e);
    if (code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR") return [];
    throw e;
  }
  if (facts.isDirectory()) {
    const entries = (await readdir(path, { withFileTypes: true })).filter((e) => !LEFT_OUT.has(e.name) && (e.isDirectory() || e.isCharacterDevice() || e.isBlockDevice()));
    return (await Promise.all(entries.map((e) => nodesBelow(join(path, e.name))))).flat();
  }
  const type = facts.isCharacterDevice() ? "c" : facts.isBlockDevice() ? "b" : null;
  if (type === null) return [];
  return [{ path, node: { type, ...numbersOf(facts.rdev), mode: facts.mode, uid: facts.uid, gid: facts.gid } }];
}

/** Linux's dev_t as stat(2) gives it (glibc gnu_dev_major and gnu_dev_minor). */
export function numbersOf(rdev: number): { major: number; minor: number } {
  const dev = BigInt(rdev);
  return { major: Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)), minor: Number((dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)) };
}
