import { randomInt } from "node:crypto";
import { createSocket, type Socket as Datagrams } from "node:dgram";
import { closeSync } from "node:fs";
import { connect, createServer, Socket } from "node:net";
import { messageOf, Unavailable, type DnsTransport, type Logger, type NameAnswerer, type NameServerDriver } from "../../core/index.js";
import type { NetworkThread } from "../../kernel/network-thread.js";

const ADDRESS = "127.0.0.11", PORT = 53;
/** Of one container at once; more is a container gone wild. */
const STREAMS_AT_ONCE = 100;
const IDLE_MS = 10_000;
/** Answers that a client of a stream leaves unread. */
const UNREAD_BYTES = 1 << 20;

interface Listening { closed: boolean; readonly closers: (() => void)[] }

/**
 * Name servers in containers' network namespaces, served by this process: the network thread opens the sockets there,
 * and a socket stays of the namespace it was opened in.
 */
export class NameServers implements NameServerDriver {
  private readonly listening = new Map<string, Listening>();

  constructor(private readonly thread: NetworkThread, private readonly logger: Logger) {}

  async listen(container: string, netns: string, answer: NameAnswerer): Promise<void> {
    if (this.listening.has(container)) return;
    const own: Listening = { closed: false, closers: [] };
    this.listening.set(container, own);
    try {
      const { datagrams, streams } = await this.thread.call("openNameServer", netns, ADDRESS);
      if (own.closed) {
        closeSync(datagrams);
        closeSync(streams);
        return;
      }
      const complain = (e: Error): void => this.logger.warn({ reason: e.message, container }, "a container's name server");
      own.closers.push(serveDatagrams(datagrams, answer, complain), serveStreams(streams, answer, complain));
    } catch (e) {
      this.close(container);
      throw e;
    }
  }
  close(container: string): void {
    const own = this.listening.get(container);
    if (!own) return;
    this.listening.delete(container);
    own.closed = true;
    for (const close of own.closers) close();
  }
  closeAll(): void {
    for (const container of [...this.listening.keys()]) this.close(container);
  }

  async ask(query: Buffer, over: DnsTransport, server: string, timeoutMs: number, netns?: string): Promise<Buffer> {
    // A number of our own: what the container chose says nothing to whoever would forge an answer.
    const id = randomInt(0x10000), own = withId(query, id);
    const answer = over === "udp" ? await this.askDatagram(own, id, server, timeoutMs, netns) : await this.askStream(own, server, timeoutMs, netns);
    return withId(answer, query.readUInt16BE(0));
  }
  private async askDatagram(query: Buffer, id: number, server: string, timeoutMs: number, netns: string | undefined): Promise<Buffer> {
    const ipv6 = server.includes(":");
    const fd = netns === undefined ? undefined : await this.thread.call("openDatagrams", netns, ipv6);
    const socket = createSocket(ipv6 ? "udp6" : "udp4");
    return within(server, timeoutMs, () => socket.close(), (resolve, reject) => {
      socket.on("error", reject);
      socket.on("message", (message) => { if (message.length >= 12 && message.readUInt16BE(0) === id && (message[2]! & 0x80) !== 0) resolve(message); });
      socket.once("connect", () => socket.send(query));
      if (fd !== undefined) socket.bind({ fd, exclusive: true });
      socket.connect(PORT, server);
    });
  }
  private async askStream(query: Buffer, server: string, timeoutMs: number, netns: string | undefined): Promise<Buffer> {
    const fd = netns === undefined ? undefined : await this.thread.call("openStream", netns, server, PORT);
    const socket = fd === undefined ? connect(PORT, server) : new Socket({ fd });
    return within(server, timeoutMs, () => socket.destroy(), (resolve, reject) => {
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("the connection ended")));
      onFrames(socket, resolve);
      socket.write(frame(query));
    });
  }
}

function serveDatagrams(fd: number, answer: NameAnswerer, complain: (e: Error) => void): () => void {
  const socket: Datagrams = createSocket("udp4");
  let open = true;
  socket.on("error", complain);
  socket.on("message", (query, from) => {
    answer(query, "udp").then((message) => {
      // Whoever asked may be gone.
      if (message && open) socket.send(message, from.port, from.address, () => undefined);
    }, complain);
  });
  socket.bind({ fd, exclusive: true });
  return () => {
    open = false;
    socket.close();
  };
}

function serveStreams(fd: number, answer: NameAnswerer, complain: (e: Error) => void): () => void {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => undefined);
    onFrames(socket, (query) => {
      if (socket.writableLength > UNREAD_BYTES) socket.destroy();
      else answer(query, "tcp").then((message) => { if (message && socket.writable) socket.write(frame(message)); }, complain);
    });
  });
  server.maxConnections = STREAMS_AT_ONCE;
  server.on("error", complain);
  server.listen({ fd });
  return () => {
    server.close();
    for (const socket of open) socket.destroy();
  };
}

/** A result of `start`, or Unavailable: after its failure, or when there is none in time. */
function within<T>(server: string, timeoutMs: number, end: () => void, start: (resolve: (value: T) => void, reject: (e: Error) => void) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let done = false;
    const finish = (then: () => void): void => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      end();
      then();
    };
    const fail = (e: Error): void => finish(() => reject(new Unavailable(`name server ${server}: ${messageOf(e)}`, { cause: e })));
    const timer = setTimeout(() => fail(new Error("no answer")), timeoutMs);
    try { start((value) => finish(() => resolve(value)), fail); } catch (e) { fail(e as Error); }
  });
}

function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}
/** Over TCP each message follows its length. */
function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
function onFrames(socket: Socket, take: (message: Buffer) => void): void {
  let had: Buffer = Buffer.alloc(0);
  socket.on("data", (data: Buffer) => {
    had = had.length === 0 ? data : Buffer.concat([had, data]);
    while (had.length >= 2 && had.length >= 2 + had.readUInt16BE(0)) {
      const end = 2 + had.readUInt16BE(0);
      take(had.subarray(2, end));
      had = had.subarray(end);
    }
  });
}
