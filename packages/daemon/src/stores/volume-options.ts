import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { InvalidArgument, type Mount, parseSize, Unavailable } from "../core/index.js";

type Options = Readonly<Record<string, string>>;

/** Words of mount(8) for what is so without them. */
const PLAIN: ReadonlySet<string> = new Set(["defaults", "rw", "suid", "dev", "exec", "async", "atime", "diratime"]);

/** Refuses options of the `local` driver that mean nothing: it takes `size`, or `type`, `device` and `o`, as mount(8) does. */
export function checkVolumeOptions(name: string, options: Options): void {
  for (const key of Object.keys(options)) {
    if (!["type", "device", "o", "size"].includes(key)) throw new InvalidArgument(`create ${name}: invalid option: ${JSON.stringify(key)}`);
  }
  if (Object.keys(options).length === 0) return;
  if (options.size !== undefined) {
    if (Object.keys(options).length > 1) throw new InvalidArgument("size: it is for volumes without type, device and o; the size of a tmpfs is o=size=…");
    sizeOf(options);
    return;
  }
  for (const key of ["type", "device"]) if (!options[key]) throw new InvalidArgument(`create ${name}: missing required option: ${JSON.stringify(key)}`);
  if (isBind(options) && !options.device!.startsWith("/")) throw new InvalidArgument(`create ${name}: invalid device ${JSON.stringify(options.device)}: a bind needs an absolute path`);
}

/** Most bytes of a volume that is held to a size. InvalidArgument when that is no size. */
export function sizeOf({ size }: Options): number | undefined {
  return size === undefined ? undefined : parseSize("size", size);
}

/** What is to be mounted on the volume's `_data`, if anything. Unavailable when an NFS server's name has no address. */
export async function volumeMount(options: Options): Promise<Mount | undefined> {
  const { type, device } = options;
  if (type === undefined || device === undefined) return undefined;
  const words = (options.o ?? "").split(",").filter((w) => w !== "" && !PLAIN.has(w)).map((word): string | readonly [string, string] => {
    const at = word.indexOf("=");
    return at < 0 ? word : [word.slice(0, at), word.slice(at + 1)];
  });
  if (isBind(options)) return { type: "bind", source: device, options: words.filter((w) => w !== "bind") };
  if (!type.startsWith("nfs")) return { type, source: device, options: words };
  // The kernel wants an address where mount.nfs takes a name.
  return { type, source: device, options: await Promise.all(words.map(async (w) => (typeof w !== "string" && w[0] === "addr" ? (["addr", await addressOf(w[1])] as const) : w))) };
}

function isBind(options: Options): boolean {
  return options.type === "bind" || (options.o ?? "").split(",").some((w) => w === "bind" || w === "rbind");
}

async function addressOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (e) {
    throw new Unavailable(`error resolving passed in network volume address: ${host}`, { cause: e });
  }
}
