/** DNS messages (RFC 1035, EDNS of RFC 6891), as far as a server needs them that knows addresses and names. */
import { bitsOf, parseIp } from "../core/index.js";

export const DNS_TYPE = { A: 1, PTR: 12, AAAA: 28, OPT: 41, ANY: 255 } as const;
export const RCODE = { OK: 0, FORMERR: 1, SERVFAIL: 2 } as const;
const HEADER = 12, CLASS_IN = 1, LABEL_MAX = 63, NAME_MAX = 255;
const QR = 0x8000, OPCODE = 0x7800, TC = 0x0200, RD = 0x0100, RA = 0x0080;
/** What a client can take over UDP that says nothing else. */
const UDP_BYTES = 512;
/** What we can take; said to clients that speak EDNS. */
const OWN_BYTES = 1232;
/** Short: an address may be another's soon. Seconds. */
const TTL = 10;

export interface DnsQuery {
  readonly id: number;
  readonly flags: number;
  /** In lower case, without the final dot. Undefined when a label is none that a host could have. */
  readonly name: string | undefined;
  readonly type: number;
  /** The question as it was put. */
  readonly question: Buffer;
  /** Bytes of an answer that the client takes over UDP; undefined when it does not speak EDNS. */
  readonly ednsBytes: number | undefined;
}

/** The query of a message; undefined for what is none of ours to read: other operations, several questions, other classes, broken bytes. */
export function parseQuery(message: Buffer): DnsQuery | undefined {
  if (message.length < HEADER) return undefined;
  const flags = message.readUInt16BE(2), [questions, answers, authorities, additional] = [4, 6, 8, 10].map((at) => message.readUInt16BE(at));
  if ((flags & (QR | OPCODE)) !== 0 || questions !== 1 || answers !== 0 || authorities !== 0) return undefined;
  const labels: string[] = [];
  let at = HEADER;
  for (let length = message[at]; length !== 0; length = message[at]) {
    if (length === undefined || length > LABEL_MAX || at + 1 + length >= message.length) return undefined;
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const end = at + 5;
  if (end > message.length || end - HEADER > NAME_MAX + 4 || message.readUInt16BE(at + 3) !== CLASS_IN) return undefined;
  const plain = labels.every((label) => /^[\x21-\x2d\x2f-\x7e]+$/.test(label));
  return {
    id: message.readUInt16BE(0), flags, name: plain ? labels.join(".").toLowerCase() : undefined, type: message.readUInt16BE(at + 1),
    question: message.subarray(HEADER, end), ednsBytes: additional === 0 ? undefined : ednsBytes(message, end),
  };
}

/** Of an OPT record right behind the question, where clients put it. */
function ednsBytes(message: Buffer, at: number): number | undefined {
  if (at + 11 > message.length || message[at] !== 0 || message.readUInt16BE(at + 1) !== DNS_TYPE.OPT) return undefined;
  return Math.max(UDP_BYTES, message.readUInt16BE(at + 3));
}

export type DnsRecord = { readonly type: "A" | "AAAA"; readonly address: string } | { readonly type: "PTR"; readonly name: string };

/** An answer. What is too large for a datagram is left out and said to be cut: the client asks again over TCP. */
export function encodeAnswer(query: DnsQuery, records: readonly DnsRecord[], over: "udp" | "tcp", code: number = RCODE.OK): Buffer {
  const limit = over === "tcp" ? 0xffff : query.ednsBytes ?? UDP_BYTES;
  const opt = query.ednsBytes === undefined ? [] : [Buffer.from([0, 0, DNS_TYPE.OPT, OWN_BYTES >> 8, OWN_BYTES & 0xff, 0, 0, 0, 0, 0, 0])];
  const build = (some: readonly DnsRecord[], cut: number): Buffer => {
    const header = Buffer.alloc(HEADER);
    header.writeUInt16BE(query.id, 0);
    header.writeUInt16BE(QR | RA | cut | (query.flags & RD) | code, 2);
    for (const [i, n] of [1, some.length, 0, opt.length].entries()) header.writeUInt16BE(n, 4 + 2 * i);
    return Buffer.concat([header, query.question, ...some.map(encodeRecord), ...opt]);
  };
  const whole = build(records, 0);
  return whole.length <= limit ? whole : build([], TC);
}

/** The answer to a message that could not be read, or for which nobody has one; undefined when it has not even a header. */
export function encodeFailure(message: Buffer, code: number): Buffer | undefined {
  if (message.length < HEADER || (message[2]! & 0x80) !== 0) return undefined;
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(message.readUInt16BE(0), 0);
  header.writeUInt16BE(QR | RA | (message.readUInt16BE(2) & (OPCODE | RD)) | code, 2);
  return header;
}

export const codeOf = (message: Buffer): number => message[3]! & 0x0f;

function encodeRecord(record: DnsRecord): Buffer {
  const data = record.type === "PTR" ? encodeName(record.name) : addressBytes(record.address);
  // The name is the question's: a pointer to it.
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc000 | HEADER, 0);
  head.writeUInt16BE(DNS_TYPE[record.type], 2);
  head.writeUInt16BE(CLASS_IN, 4);
  head.writeUInt32BE(TTL, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}
function encodeName(name: string): Buffer {
  const labels = name.split(".").map((label) => Buffer.from(label, "latin1").subarray(0, LABEL_MAX));
  return Buffer.concat([...labels.flatMap((label) => [Buffer.from([label.length]), label]), Buffer.from([0])]);
}
function addressBytes(text: string): Buffer {
  const ip = parseIp(text);
  if (!ip) throw new TypeError(`not an IP address: ${text}`);
  return Buffer.from(ip.value.toString(16).padStart(bitsOf(ip.family) / 4, "0"), "hex");
}

/** The address that a name below in-addr.arpa or ip6.arpa stands for. */
export function addressOfReverse(name: string): string | undefined {
  const v4 = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name)?.[1];
  if (v4 !== undefined) return v4.slice(0, -1).split(".").reverse().join(".");
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1];
  if (v6 === undefined) return undefined;
  const digits = v6.replaceAll(".", "").split("").reverse().join("");
  return digits.replace(/(.{4})(?=.)/g, "$1:");
}
