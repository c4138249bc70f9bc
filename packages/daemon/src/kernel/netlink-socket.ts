import { constants } from "node:os";
import { close, openNetlink, receive, sendPacket } from "./libc.js";
import { decode, encode, errorOf, NLM_F, NLMSG, type Message } from "./netlink.js";

const names = new Map<number, string>(Object.entries(constants.errno).map(([name, n]) => [n, name]));
const RECEIVE_BYTES = 1 << 16;
/** The kernel answers within the call that sends; a silence this long means a broken socket. */
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * A netlink socket of the calling thread's network namespace, for ever of that namespace. Synchronous: the kernel
 * has done the work when `request` returns. Failures carry Node's fields (`code`, `errno`, `syscall`).
 */
export class NetlinkSocket {
  private readonly fd: number;
  private readonly buffer = Buffer.alloc(RECEIVE_BYTES);
  private sequence = 0;

  /** `protocol`: NETLINK_ROUTE 0, NETLINK_NETFILTER 12. */
  constructor(protocol: number) {
    this.fd = openNetlink(protocol, ANSWER_TIMEOUT_MS);
  }

  /** Sends one request and waits for its acknowledgement; `what` names it in errors. */
  request(what: string, type: number, flags: number, fixed: Uint8Array, attributes: readonly Uint8Array[] = []): Message[] {
    const sequence = ++this.sequence;
    this.send(encode(type, flags | NLM_F.REQUEST | NLM_F.ACK, sequence, fixed, attributes));
    return this.collect(what, sequence);
  }

  /** All messages of a dump. */
  dump(what: string, type: number, fixed: Uint8Array, attributes: readonly Uint8Array[] = []): Message[] {
    const sequence = ++this.sequence;
    this.send(encode(type, NLM_F.REQUEST | NLM_F.DUMP, sequence, fixed, attributes));
    return this.collect(what, sequence);
  }

  /**
   * Sends several messages at once, made by `build` from the first sequence number; `acknowledged` of them, counted from
   * `first`, are answered one by one. The first refusal is thrown.
   */
  batch(what: string, build: (sequence: number) => Buffer, first: number, acknowledged: number): void {
    const start = this.sequence + 1;
    this.sequence += first + acknowledged + 1;
    this.send(build(start));
    for (let left = acknowledged; left > 0;) {
      const n = receive(this.fd, this.buffer);
      for (const message of decode(this.buffer.subarray(0, n))) {
        if (message.type !== NLMSG.ERROR || message.sequence < start || message.sequence > this.sequence) continue;
        const { errno, text } = errorOf(message);
        if (errno !== 0) throw failure(what, errno, text);
        left--;
      }
    }
  }

  close(): void {
    close(this.fd);
  }

  private send(message: Buffer): void {
    if (!sendPacket(this.fd, message)) throw new Error("netlink: the socket takes no message");
  }

  /** Reads until the message that ends the answer to `sequence`. */
  private collect(what: string, sequence: number): Message[] {
    const answer: Message[] = [];
    for (;;) {
      const n = receive(this.fd, this.buffer);
      for (const message of decode(this.buffer.subarray(0, n))) {
        if (message.sequence !== sequence) continue;
        if (message.type === NLMSG.DONE) return answer;
        if (message.type !== NLMSG.ERROR) { answer.push(message); continue; }
        const { errno, text } = errorOf(message);
        if (errno === 0) return answer;
        throw failure(what, errno, text);
      }
    }
  }
}

function failure(what: string, errno: number, text: string | undefined): NodeJS.ErrnoException {
  const code = names.get(-errno) ?? `E${-errno}`;
  return Object.assign(new Error(`${code}: ${what}${text === undefined ? "" : ` (${text})`}`), { code, errno, syscall: what });
}
