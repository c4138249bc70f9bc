import { addressBytes, attribute, encode, nested, NLM_F, text, u32be } from "./netlink.js";

const NFNL_SUBSYS_NFTABLES = 10, NFNL_MSG_BATCH_BEGIN = 16, NFNL_MSG_BATCH_END = 17;
const NFT_MSG = { NEWTABLE: 0, DELTABLE: 2, NEWCHAIN: 3, NEWRULE: 6 } as const;
const NFTA_LIST_ELEM = 1, NFTA_DATA_VALUE = 1;
const TABLE_NAME = 1;
const CHAIN = { TABLE: 1, NAME: 3, HOOK: 4, TYPE: 7 } as const, HOOK = { NUMBER: 1, PRIORITY: 2 } as const;
const RULE = { TABLE: 1, CHAIN: 2, EXPRESSIONS: 4 } as const, EXPRESSION = { NAME: 1, DATA: 2 } as const;
const PAYLOAD = { DREG: 1, BASE: 2, OFFSET: 3, LENGTH: 4, SREG: 5, CSUM_TYPE: 6, CSUM_OFFSET: 7 } as const;
const META = { DREG: 1, KEY: 2 } as const, CMP = { SREG: 1, OP: 2, DATA: 3 } as const, IMMEDIATE = { DREG: 1, DATA: 2 } as const;
const NF_INET_LOCAL_OUT = 3, NFT_META_L4PROTO = 16, NFT_CMP_EQ = 0, NFT_PAYLOAD_CSUM_INET = 1, REGISTER = 1, NFPROTO_IPV4 = 2;
const NETWORK = 1, TRANSPORT = 2;
/** Where things lie in the headers of IPv4, UDP and TCP. */
const SOURCE = 12, DESTINATION = 16, SOURCE_PORT = 0, DESTINATION_PORT = 2;
const PROTOCOLS = [{ number: 17, checksum: 6 }, { number: 6, checksum: 16 }];
/** Before and after connection tracking (-200), which so sees the same port both ways. */
const EARLY = -300, LATE = 300;

/** What comes to a port of an address of the namespace itself goes to another port there, and what answers bears the first one's number. */
export interface PortRedirect {
  /** Name of the table that holds it; a former one is replaced. */
  readonly table: string;
  /** IPv4. */
  readonly address: string;
  readonly from: number;
  readonly to: number;
}

const generic = (family: number, resource: number): Buffer => Buffer.from([family, 0, resource >> 8, resource & 0xff]);
const port = (n: number): Buffer => Buffer.from([n >> 8, n & 0xff]);
const expression = (name: string, ...data: readonly Uint8Array[]): Buffer => nested(NFTA_LIST_ELEM, text(EXPRESSION.NAME, name), nested(EXPRESSION.DATA, ...data));
const value = (type: number, bytes: Uint8Array): Buffer => nested(type, attribute(NFTA_DATA_VALUE, bytes));
const equals = (bytes: Uint8Array): Buffer => expression("cmp", u32be(CMP.SREG, REGISTER), u32be(CMP.OP, NFT_CMP_EQ), value(CMP.DATA, bytes));
const load = (base: number, offset: number, length: number): Buffer =>
  expression("payload", u32be(PAYLOAD.DREG, REGISTER), u32be(PAYLOAD.BASE, base), u32be(PAYLOAD.OFFSET, offset), u32be(PAYLOAD.LENGTH, length));

/** Rewrites one port of packets whose address and port are these. */
function rewrite(protocol: typeof PROTOCOLS[number], addressAt: number, address: Uint8Array, portAt: number, from: number, to: number): Buffer[] {
  return [
    expression("meta", u32be(META.DREG, REGISTER), u32be(META.KEY, NFT_META_L4PROTO)), equals(Buffer.from([protocol.number])),
    load(NETWORK, addressAt, 4), equals(address), load(TRANSPORT, portAt, 2), equals(port(from)),
    expression("immediate", u32be(IMMEDIATE.DREG, REGISTER), value(IMMEDIATE.DATA, port(to))),
    expression("payload", u32be(PAYLOAD.SREG, REGISTER), u32be(PAYLOAD.BASE, TRANSPORT), u32be(PAYLOAD.OFFSET, portAt), u32be(PAYLOAD.LENGTH, 2),
      u32be(PAYLOAD.CSUM_TYPE, NFT_PAYLOAD_CSUM_INET), u32be(PAYLOAD.CSUM_OFFSET, protocol.checksum)),
  ];
}

/** How many messages of a `redirectBatch` are acknowledged. */
export const REDIRECT_MESSAGES = 5 + 2 * PROTOCOLS.length;

/** One nf_tables transaction that makes the redirect: without connection tracking, packet by packet. Messages number up from `sequence`. */
export function redirectBatch({ table, address, from, to }: PortRedirect, sequence: number): Buffer {
  const bytes = addressBytes(address);
  const chain = (name: string, priority: number): [number, number, Buffer[]] => [NFT_MSG.NEWCHAIN, NLM_F.CREATE, [
    text(CHAIN.TABLE, table), text(CHAIN.NAME, name), nested(CHAIN.HOOK, u32be(HOOK.NUMBER, NF_INET_LOCAL_OUT), u32be(HOOK.PRIORITY, priority)), text(CHAIN.TYPE, "filter"),
  ]];
  const rule = (name: string, expressions: readonly Buffer[]): [number, number, Buffer[]] =>
    [NFT_MSG.NEWRULE, NLM_F.CREATE | NLM_F.APPEND, [text(RULE.TABLE, table), text(RULE.CHAIN, name), nested(RULE.EXPRESSIONS, ...expressions)]];
  const messages = [
    // There to be deleted, whether it was or not.
    [NFT_MSG.NEWTABLE, NLM_F.CREATE, [text(TABLE_NAME, table)]] as const, [NFT_MSG.DELTABLE, 0, [text(TABLE_NAME, table)]] as const, [NFT_MSG.NEWTABLE, NLM_F.CREATE, [text(TABLE_NAME, table)]] as const,
    chain("ask", EARLY), chain("answer", LATE),
    ...PROTOCOLS.flatMap((p) => [rule("ask", rewrite(p, DESTINATION, bytes, DESTINATION_PORT, from, to)), rule("answer", rewrite(p, SOURCE, bytes, SOURCE_PORT, to, from))]),
  ];
  return Buffer.concat([
    encode(NFNL_MSG_BATCH_BEGIN, NLM_F.REQUEST, sequence, generic(0, NFNL_SUBSYS_NFTABLES)),
    ...messages.map(([type, flags, attributes], i) => encode((NFNL_SUBSYS_NFTABLES << 8) | type, flags | NLM_F.REQUEST | NLM_F.ACK, sequence + 1 + i, generic(NFPROTO_IPV4, 0), attributes)),
    encode(NFNL_MSG_BATCH_END, NLM_F.REQUEST, sequence + messages.length + 1, generic(0, NFNL_SUBSYS_NFTABLES)),
  ]);
}
