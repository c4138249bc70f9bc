import { attribute, encode, nested, NLM_F, text } from "./netlink.js";

const NFNL_SUBSYS_NFTABLES = 10, NFNL_MSG_BATCH_BEGIN = 16, NFNL_MSG_BATCH_END = 17;
const NFT_MSG = { NEWSETELEM: 12, DELSETELEM: 14 } as const;
const LIST = { TABLE: 1, SET: 2, ELEMENTS: 3 } as const;
const NFTA_LIST_ELEM = 1, NFTA_DATA_VALUE = 1;
const ELEM = { KEY: 1, DATA: 2 } as const;
const NFPROTO = { ip: 2, ip6: 10 } as const;

/** A change of one element of a map. Key and data are registers: each part of a concatenation padded to four bytes. */
export interface ElementChange {
  readonly verb: "add" | "delete";
  readonly family: keyof typeof NFPROTO;
  readonly table: string;
  readonly set: string;
  readonly key: Uint8Array;
  readonly data: Uint8Array;
}

/** nfgenmsg: family, version, resource (big-endian). */
const generic = (family: number, resource: number): Buffer => Buffer.from([family, 0, resource >> 8, resource & 0xff]);

/**
 * One nf_tables transaction that changes elements: all of them or none. Messages number up from `sequence`; every change
 * (the second message to the last but one) is acknowledged.
 */
export function elementBatch(changes: readonly ElementChange[], sequence: number): Buffer {
  const messages = changes.map((c, i) => {
    const value = (type: number, bytes: Uint8Array): Buffer => nested(type, attribute(NFTA_DATA_VALUE, bytes));
    const element = nested(NFTA_LIST_ELEM, value(ELEM.KEY, c.key), ...(c.verb === "add" ? [value(ELEM.DATA, c.data)] : []));
    const type = (NFNL_SUBSYS_NFTABLES << 8) | (c.verb === "add" ? NFT_MSG.NEWSETELEM : NFT_MSG.DELSETELEM);
    const flags = NLM_F.REQUEST | NLM_F.ACK | (c.verb === "add" ? NLM_F.CREATE : 0);
    return encode(type, flags, sequence + 1 + i, generic(NFPROTO[c.family], 0), [text(LIST.TABLE, c.table), text(LIST.SET, c.set), nested(LIST.ELEMENTS, element)]);
  });
  return Buffer.concat([
    encode(NFNL_MSG_BATCH_BEGIN, NLM_F.REQUEST, sequence, generic(0, NFNL_SUBSYS_NFTABLES)), ...messages,
    encode(NFNL_MSG_BATCH_END, NLM_F.REQUEST, sequence + changes.length + 1, generic(0, NFNL_SUBSYS_NFTABLES)),
  ]);
}
