import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from "node:fs";
import type { Server } from "node:http";
import { createConnection, type ListenOptions } from "node:net";
import { dirname } from "node:path";
import { AlreadyExists, InvalidArgument, NotFound, Unavailable, errnoOf, messageOf, type Logger } from "../core/index.js";

/** Longest path that fits an address of a Unix socket. */
const LONGEST_PATH = 107;

/** Who may use the socket. */
export interface SocketAccess {
  /** Numeric group ID; the mode is 0660. */
  readonly gid: number;
}

/**
 * Serves on a Unix socket. A socket that nobody answers on any more is replaced; AlreadyExists when somebody does, or
 * when the path is something else than a socket. It is never open to more users than `access` says, not for a moment.
 */
export async function listenUnix(server: Server, path: string, access: SocketAccess): Promise<void> {
  if (Buffer.byteLength(path) > LONGEST_PATH) throw new InvalidArgument(`the socket's path is longer than ${LONGEST_PATH} bytes: ${path}`);
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  await removeStale(path);
  const umask = process.umask(0o777);
  try {
    await listening(server, { path }, path);
  } finally {
    process.umask(umask);
  }
  chownSync(path, 0, access.gid);
  chmodSync(path, 0o660);
}

/** Serves on TCP without any protection; says so. */
export async function listenTcp(server: Server, host: string, port: number, log: Logger): Promise<void> {
  await listening(server, { host, port }, `${host}:${port}`);
  log.warn({ host, port }, "the API is served over TCP without TLS: whoever reaches this port is root on this machine");
}

/** Serves on the sockets that systemd handed over (sd_listen_fds(3)); `server` makes one server for each. */
export async function listenActivated(server: () => Server, environment: NodeJS.ProcessEnv): Promise<Server[]> {
  const count = environment["LISTEN_PID"] === String(process.pid) ? Number(environment["LISTEN_FDS"] ?? 0) : 0;
  if (!(count > 0)) throw new NotFound("fd://: no sockets were handed over (LISTEN_FDS)");
  const servers = Array.from({ length: count }, server);
  await Promise.all(servers.map((s, i) => listening(s, { fd: 3 + i } as ListenOptions, `file descriptor ${3 + i}`)));
  return servers;
}

/** Resolves once it serves; Unavailable, with `name`, when it cannot. */
export function listening(server: Server, options: ListenOptions, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => reject(new Unavailable(`cannot listen on ${name}: ${cause.message}`, { cause }));
    server.once("error", failed);
    server.listen(options, () => {
      server.off("error", failed);
      resolve();
    });
  });
}

async function removeStale(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket()) throw new AlreadyExists(`cannot listen on ${path}: it is not a socket`);
  } catch (e) {
    if (errnoOf(e) === "ENOENT") return;
    throw e;
  }
  const answered = await new Promise<boolean>((resolve) => {
    const probe = createConnection(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
  if (answered) throw new AlreadyExists(`cannot listen on ${path}: another daemon answers there`);
  unlinkSync(path);
}

/**
 * The group that owns the socket: a name or a number as given, which must exist when it is a name; else the first of
 * `defaults` that exists; else root's.
 */
export function groupId(given: string, defaults: readonly string[], groups = "/etc/group"): number {
  if (/^\d+$/.test(given)) return Number(given);
  let text = "";
  try {
    text = readFileSync(groups, "utf8");
  } catch (cause) {
    if (given !== "") throw new NotFound(`group ${given}: ${messageOf(cause)}`, { cause });
  }
  const ids = new Map(text.split("\n").map((line) => line.split(":")).filter((f) => f.length >= 3).map((f) => [f[0]!, Number(f[2])]));
  if (given !== "") {
    const id = ids.get(given);
    if (id === undefined) throw new NotFound(`there is no group ${given}`);
    return id;
  }
  return defaults.map((name) => ids.get(name)).find((id) => id !== undefined) ?? 0;
}
