import { InvalidArgument, type HostConfig } from "../../core/index.js";

/** Settings that an IPC namespace has of its own, `fs.mqueue.*` aside. */
const IPC = new Set(["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"].map((name) => `kernel.${name}`));

/** Refuses what would set the host: settings without a namespace, and those of a namespace that is the host's. */
export function checkSysctls(h: HostConfig, hostNetwork: boolean): void {
  for (const key of Object.keys(h.Sysctls ?? {})) {
    // `net/ipv4/conf/eth0.1/x` and `net.ipv4.x` are both in use.
    const name = key.includes("/") && key.indexOf("/") < `${key}.`.indexOf(".") ? key.replaceAll("/", ".") : key;
    if (name.startsWith("net.")) refuse(key, hostNetwork, "in host network namespace");
    else if (IPC.has(name) || name.startsWith("fs.mqueue.")) refuse(key, h.IpcMode === "host", "in the host's IPC namespace");
    else if (name === "kernel.domainname") refuse(key, h.UTSMode === "host", "in the host's UTS namespace");
    else refuse(key, true, "in a container: it has no namespace");
  }
}

function refuse(key: string, bad: boolean, where: string): void {
  if (bad) throw new InvalidArgument(`sysctl '${key}' not allowed ${where}`);
}
