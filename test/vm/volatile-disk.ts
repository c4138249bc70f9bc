import { createServer, type Server, type Socket } from "node:net";

const BLOCK = 4096;

/** Whole numbers below `sides`, the same on every run. */
export type Dice = (sides: number) => number;
export function diceOf(seed: number): Dice {
  let state = seed >>> 0;
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

/** What feeds the disks of one machine: they all go dark at the same moment. */
export class Power {
  private left = Infinity;
  private onCut: (() => void) | undefined;
  on = true;

  /** It goes at this many requests from now that change something on a disk; `then` is told at once. */
  cutAfter(requests: number, then: () => void): void {
    this.left = requests;
    this.onCut = then;
  }
  /** One such request; false when the power went with it. */
  use(): boolean {
    if (--this.left > 0) return true;
    this.on = false;
    this.onCut?.();
    return false;
  }
  back(): void {
    this.left = Infinity;
    this.on = true;
  }
}

interface Write { readonly at: number; readonly bytes: Buffer; readonly before: Buffer }

/**
 * A disk with a cache that forgets: it answers writes at once and keeps for certain only what was flushed. When the power
 * goes, each piece of every write since the last flush is there or is not, on its own, whatever came before or after.
 * That is what a real disk may do and more than most do; killing QEMU alone would lose nothing that the guest wrote.
 * It is served over NBD on a Unix socket, and lives in memory.
 */
export class VolatileDisk {
  private readonly blocks = new Map<number, Buffer>();
  private unflushed: Write[] = [];
  private readonly sockets = new Set<Socket>();
  private server: Server | undefined;

  constructor(readonly size: number, private readonly power: Power) {}

  listen(path: string): Promise<void> {
    this.server = createServer((socket) => {
      this.sockets.add(socket.on("error", () => undefined).on("close", () => this.sockets.delete(socket)));
      new Session(socket, this);
    });
    return new Promise((resolve, reject) => this.server!.on("error", reject).listen(path, resolve));
  }
  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => { if (this.server === undefined) resolve(undefined); else this.server.close(resolve); });
  }

  /** What the disk holds when the power is back. */
  settle(dice: Dice): { unflushed: number; kept: number } {
    const lost = this.unflushed;
    for (const { at, before } of [...lost].reverse()) this.put(at, before);
    this.unflushed = [];
    // Most cuts toss for every piece; some lose all, some nothing.
    const mood = dice(5), keep = (): boolean => (mood === 0 ? false : mood === 1 ? true : dice(2) === 0);
    let pieces = 0, kept = 0;
    for (const { at, bytes } of lost) {
      for (let from = 0; from < bytes.length;) {
        const length = Math.min(bytes.length - from, BLOCK - ((at + from) % BLOCK));
        pieces++;
        if (keep()) { this.put(at + from, bytes.subarray(from, from + length)); kept++; }
        from += length;
      }
    }
    return { unflushed: pieces, kept };
  }

  read(at: number, length: number): Buffer {
    const result = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const offset = (at + done) % BLOCK, part = Math.min(BLOCK - offset, length - done);
      this.blocks.get((at + done - offset) / BLOCK)?.copy(result, done, offset, offset + part);
      done += part;
    }
    return result;
  }
  /** False: the power is gone, there will be no answer. */
  write(at: number, bytes: Buffer): boolean {
    if (!this.power.on) return false;
    this.unflushed.push({ at, bytes, before: this.read(at, bytes.length) });
    this.put(at, bytes);
    return this.power.use();
  }
  flush(): boolean {
    if (!this.power.on) return false;
    this.unflushed = [];
    return this.power.use();
  }

  private put(at: number, bytes: Buffer): void {
    for (let done = 0; done < bytes.length;) {
      const offset = (at + done) % BLOCK, part = Math.min(BLOCK - offset, bytes.length - done), index = (at + done - offset) / BLOCK;
      let block = this.blocks.get(index);
      if (block === undefined) this.blocks.set(index, block = Buffer.alloc(BLOCK));
      bytes.copy(block, offset, done, done + part);
      done += part;
    }
  }
}

const OPTION_MAGIC = 0x49484156454f5054n, REPLY_MAGIC = 0x3e889045565a9n, HANDSHAKE = Buffer.from("NBDMAGIC");
const OPTION = { abort: 2, info: 6, go: 7 } as const, REPLY = { acknowledged: 1, info: 3, unsupported: 0x80000001 } as const;
const REQUEST = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, zeroes: 6 } as const;
/** Flags, flush, force unit access, trim, write zeroes. */
const EXPORT_FLAGS = 1 | 4 | 8 | 32 | 64, FORCE_UNIT_ACCESS = 1;

/** One client of the NBD protocol ("fixed newstyle", simple replies). */
class Session {
  private received: Buffer = Buffer.alloc(0);
  private stage: "flags" | "options" | "requests" = "flags";

  constructor(private readonly socket: Socket, private readonly disk: VolatileDisk) {
    socket.write(Buffer.concat([HANDSHAKE, unsigned(8, OPTION_MAGIC), unsigned(2, 3)]));
    socket.on("data", (chunk: Buffer) => {
      this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]);
      while (this.step());
    });
  }

  /** Takes one message off what was received; false when it is not there whole. */
  private step(): boolean {
    if (this.stage === "flags") return this.take(4, () => { this.stage = "options"; });
    if (this.stage === "options") return this.received.length >= 16 && this.take(16 + this.received.readUInt32BE(12), (message) => this.option(message.readUInt32BE(8)));
    if (this.received.length < 28) return false;
    const payload = this.received.readUInt16BE(6) === REQUEST.write ? this.received.readUInt32BE(24) : 0;
    return this.take(28 + payload, (message) => this.request(message));
  }
  private take(length: number, use: (message: Buffer) => void): boolean {
    if (this.received.length < length) return false;
    const message = this.received.subarray(0, length);
    this.received = this.received.subarray(length);
    use(message);
    return true;
  }

  private option(option: number): void {
    const reply = (type: number, data: Buffer = Buffer.alloc(0)): void => { this.socket.write(Buffer.concat([unsigned(8, REPLY_MAGIC), unsigned(4, option), unsigned(4, type), unsigned(4, data.length), data])); };
    if (option === OPTION.abort) { reply(REPLY.acknowledged); this.socket.end(); return; }
    if (option !== OPTION.go && option !== OPTION.info) { reply(REPLY.unsupported); return; }
    reply(REPLY.info, Buffer.concat([unsigned(2, 0), unsigned(8, BigInt(this.disk.size)), unsigned(2, EXPORT_FLAGS)]));
    reply(REPLY.acknowledged);
    if (option === OPTION.go) this.stage = "requests";
  }

  private request(message: Buffer): void {
    const flags = message.readUInt16BE(4), type = message.readUInt16BE(6), handle = message.subarray(8, 16), at = Number(message.readBigUInt64BE(16)), length = message.readUInt32BE(24);
    const answer = (data: Buffer = Buffer.alloc(0)): void => { this.socket.write(Buffer.concat([unsigned(4, 0x67446698), unsigned(4, 0), handle, data])); };
    const { disk } = this;
    if (type === REQUEST.read) answer(disk.read(at, length));
    else if (type === REQUEST.disconnect) this.socket.end();
    else if (type === REQUEST.flush ? disk.flush() : type === REQUEST.trim || disk.write(at, type === REQUEST.write ? message.subarray(28) : Buffer.alloc(length))) {
      // Force unit access: nothing is forced apart from the rest, so all is.
      if ((flags & FORCE_UNIT_ACCESS) === 0 || disk.flush()) answer();
    }
  }
}

function unsigned(bytes: 2 | 4 | 8, value: number | bigint): Buffer {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 2) buffer.writeUInt16BE(Number(value)); else if (bytes === 4) buffer.writeUInt32BE(Number(value)); else buffer.writeBigUInt64BE(BigInt(value));
  return buffer;
}
