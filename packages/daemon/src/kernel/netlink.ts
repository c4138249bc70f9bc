/**
 * Netlink messages as bytes, both ways; no sockets here. netlink(7), rtnetlink(7).
 * Integers are the machine's own order in netlink: little-endian on every machine we run on.
 */
import { bitsOf, formatIp, parseIp } from "../core/ip.js";

export const NLM_F = { REQUEST: 1, MULTI: 2, ACK: 4, ROOT: 0x100, MATCH: 0x200, DUMP: 0x300, REPLACE: 0x100, EXCL: 0x200, CREATE: 0x400, APPEND: 0x800 } as const;
export const NLMSG = { NOOP: 1, ERROR: 2, DONE: 3 } as const;
const HEADER = 16;
const align = (n: number): number => (n + 3) & ~3;

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Buffer;
}

/** One message: header, fixed part of its family, attributes. */
export function encode(type: number, flags: number, sequence: number, fixed: Uint8Array, attributes: readonly Uint8Array[] = []): Buffer {
  const parts = [Buffer.alloc(HEADER), padded(fixed), ...attributes];
  const message = Buffer.concat(parts);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeUInt16LE(flags, 6);
  message.writeUInt32LE(sequence, 8);
  return message;
}

/** Splits what one recv(2) gave. Bodies are copies and outlive the receive buffer. */
export function decode(data: Buffer): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at + HEADER <= data.length;) {
    const length = data.readUInt32LE(at);
    if (length < HEADER || at + length > data.length) throw new Error("netlink: message is cut short");
    messages.push({
      type: data.readUInt16LE(at + 4), flags: data.readUInt16LE(at + 6), sequence: data.readUInt32LE(at + 8),
      body: Buffer.from(data.subarray(at + HEADER, at + length)),
    });
    at += align(length);
  }
  return messages;
}

function padded(data: Uint8Array): Buffer {
  if (data.length % 4 === 0) return Buffer.from(data.buffer, data.byteOffset, data.length);
  const out = Buffer.alloc(align(data.length));
  out.set(data);
  return out;
}

/** One attribute, padded to four bytes. */
export function attribute(type: number, payload: Uint8Array): Buffer {
  const out = Buffer.alloc(align(4 + payload.length));
  out.writeUInt16LE(4 + payload.length, 0);
  out.writeUInt16LE(type, 2);
  out.set(payload, 4);
  return out;
}
const NESTED = 0x8000;
/** An attribute that holds attributes. */
export const nested = (type: number, ...inner: readonly Uint8Array[]): Buffer => attribute(type | NESTED, Buffer.concat(inner));
export const u8 = (type: number, value: number): Buffer => attribute(type, Uint8Array.of(value));
export const u16 = (type: number, value: number): Buffer => attribute(type, Uint8Array.of(value & 0xff, value >> 8));
export function u16be(type: number, value: number): Buffer {
  const b = Buffer.alloc(2);
  b.writeUInt16BE(value);
  return attribute(type, b);
}
export function u32(type: number, value: number): Buffer {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(value >>> 0);
  return attribute(type, b);
}
export function u32be(type: number, value: number): Buffer {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(value >>> 0);
  return attribute(type, b);
}
/** A string with its terminating zero byte. */
export const text = (type: number, value: string): Buffer => attribute(type, Buffer.from(`${value}\0`));

/** Attributes by type; a later one of the same type wins. Flag bits of the type are dropped. */
export function attributes(data: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= data.length;) {
    const length = data.readUInt16LE(at);
    if (length < 4 || at + length > data.length) break;
    found.set(data.readUInt16LE(at + 2) & 0x3fff, data.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}
/** A string attribute without its terminating zero. */
export function textOf(data: Buffer | undefined): string | undefined {
  if (data === undefined) return undefined;
  const end = data.indexOf(0);
  return data.toString("utf8", 0, end < 0 ? data.length : end);
}

/** Negative errno of an error message (0: acknowledged) and the kernel's explanation, if it gave one (NETLINK_EXT_ACK). */
export function errorOf(message: Message): { errno: number; text?: string } {
  const errno = message.body.readInt32LE(0);
  const CAPPED = 0x100, TLVS = 0x200, NLMSGERR_ATTR_MSG = 1;
  if (errno === 0 || (message.flags & TLVS) === 0) return { errno };
  const echoed = (message.flags & CAPPED) !== 0 ? HEADER : align(message.body.readUInt32LE(4));
  const words = textOf(attributes(message.body.subarray(4 + echoed)).get(NLMSGERR_ATTR_MSG));
  return words === undefined ? { errno } : { errno, text: words };
}

/** Bytes of an IPv4 or IPv6 address in text form. */
export function addressBytes(address: string): Buffer {
  const ip = parseIp(address);
  if (!ip) throw new TypeError(`not an IP address: ${address}`);
  return Buffer.from(ip.value.toString(16).padStart(bitsOf(ip.family) / 4, "0"), "hex");
}
/** The text form of 4 or 16 bytes. */
export function addressText(bytes: Buffer): string {
  return formatIp({ family: bytes.length === 4 ? 4 : 6, value: BigInt(`0x${bytes.toString("hex")}`) });
}
export const macBytes = (mac: string): Buffer => Buffer.from(mac.split(":").map((h) => parseInt(h, 16)));
export const macText = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join(":");
