import { InvalidArgument } from "../../core/index.js";

/** capabilities(7), in the kernel's order. */
export const ALL_CAPABILITIES: readonly string[] = [
  "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE",
  "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN",
  "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE",
  "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
].map((name) => `CAP_${name}`);

/** What a container has when nothing else is asked for: Docker's set. */
const DEFAULT: readonly string[] = [
  "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
].map((name) => `CAP_${name}`);

/** `net_admin`, `NET_ADMIN`, `CAP_NET_ADMIN` → `CAP_NET_ADMIN`; `ALL` stays. InvalidArgument names the field. */
export function normalizeCapability(text: string, field: string): string {
  const name = text.trim().toUpperCase();
  if (name === "ALL") return name;
  const full = name.startsWith("CAP_") ? name : `CAP_${name}`;
  if (!ALL_CAPABILITIES.includes(full)) throw new InvalidArgument(`invalid ${field}: unknown capability: "${full}"`);
  return full;
}

/** Capabilities of a container: default set, `privileged`, add and drop (ALL included), cut to what the daemon has. */
export function capabilitiesOf(options: { privileged: boolean; add: readonly string[]; drop: readonly string[]; available: readonly string[] }): string[] {
  const held = (list: readonly string[]): string[] => list.filter((c) => options.available.includes(c));
  if (options.privileged) return held(ALL_CAPABILITIES);
  const add = options.add.map((c) => normalizeCapability(c, "CapAdd"));
  const drop = options.drop.map((c) => normalizeCapability(c, "CapDrop"));
  const base = add.includes("ALL") ? ALL_CAPABILITIES : drop.includes("ALL") ? [] : DEFAULT;
  const set = new Set(base.filter((c) => !drop.includes(c)));
  for (const c of add) if (c !== "ALL") set.add(c);
  return held(ALL_CAPABILITIES.filter((c) => set.has(c)));
}
