import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { connect, type Socket } from "node:net";
import { errnoOf, InvalidArgument } from "../../core/index.js";
import { UnixDatagrams } from "../../kernel/datagrams.js";

/** Port of syslog over UDP and TCP. */
const PORT = 514;
/** How long a connection may take, in milliseconds. */
const PATIENCE = 10_000;

export type SyslogAddress = { readonly kind: "udp" | "tcp"; readonly host: string; readonly port: number } | { readonly kind: "unix" | "unixgram"; readonly path: string };

/** `udp://host[:port]`, `tcp://host[:port]`, `unix://path`, `unixgram://path`; without one the machine's own. */
export function parseSyslogAddress(text: string | undefined): SyslogAddress {
  if (text === undefined || text === "") return { kind: "unixgram", path: "/dev/log" };
  const [, scheme, rest = ""] = /^([a-z+]+):\/\/(.*)$/.exec(text) ?? [];
  if ((scheme === "unix" || scheme === "unixgram") && rest.startsWith("/")) return { kind: scheme, path: rest };
  if (scheme === "udp" || scheme === "tcp") {
    const match = /^(\[[0-9a-fA-F:]+\]|[^:/[\]]+)(?::(\d+))?$/.exec(rest);
    const port = Number(match?.[2] ?? PORT);
    if (match !== null && port > 0 && port < 65536) return { kind: scheme, host: match[1]!.replace(/^\[|\]$/g, ""), port };
  }
  throw new InvalidArgument(`syslog-address should be in form proto://address, with udp, tcp, unix or unixgram; got ${text}`);
}

/** Carries whole messages. */
export interface Transport {
  send(message: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** Opens a way to an address; throws when nobody is there (UDP cannot tell). */
export async function openTransport(address: SyslogAddress): Promise<Transport> {
  switch (address.kind) {
    case "udp": return openUdp(address.host, address.port);
    case "tcp": return Stream.open(() => connect({ host: address.host, port: address.port }));
    case "unixgram": return openDatagrams(address.path);
    case "unix":
      try {
        return await Stream.open(() => connect(address.path));
      } catch (e) {
        // The socket there takes datagrams.
        if (errnoOf(e) === "EPROTOTYPE") return openDatagrams(address.path);
        throw e;
      }
  }
}

function openDatagrams(path: string): Transport {
  const socket = new UnixDatagrams(path);
  return { send: (message) => socket.send(message), close: async () => socket.close() };
}

async function openUdp(host: string, port: number): Promise<Transport> {
  const { address, family } = await lookup(host);
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
  socket.on("error", () => undefined);
  return {
    send: (message) => new Promise((resolve, reject) => socket.send(message, port, address, (e) => (e ? reject(e) : resolve()))),
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/** A connection, made anew when it broke. */
class Stream implements Transport {
  private constructor(private readonly dial: () => Socket, private socket: Socket) {}

  static async open(dial: () => Socket): Promise<Stream> {
    return new Stream(dial, await connected(dial()));
  }

  async send(message: Buffer): Promise<void> {
    if (this.socket.destroyed || !this.socket.writable) this.socket = await connected(this.dial());
    await new Promise<void>((resolve, reject) => this.socket.write(message, (e) => (e ? reject(e) : resolve())));
  }

  close(): Promise<void> {
    if (this.socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.socket.once("close", () => resolve());
      this.socket.setTimeout(PATIENCE, () => this.socket.destroy());
      this.socket.end();
      // The other end sends nothing; reading lets its end be seen.
      this.socket.resume();
    });
  }
}

function connected(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.setTimeout(PATIENCE, () => socket.destroy(new Error("the connection took too long")));
    socket.on("error", reject);
    socket.once("connect", () => {
      socket.setTimeout(0);
      socket.on("end", () => socket.destroy());
      socket.resume();
      resolve(socket);
    });
  });
}
