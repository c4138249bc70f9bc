import { attribute, attributes, nested, u16be, u32, u8 } from "./netlink.js";
import type { NetlinkSocket } from "./netlink-socket.js";

const NFNL_SUBSYS_CTNETLINK = 1, IPCTNL_MSG_CT_NEW = 0, IPCTNL_MSG_CT_GET = 1, IPCTNL_MSG_CT_DELETE = 2;
const CTA = { TUPLE_ORIG: 1, FILTER: 25 } as const;
const CTA_TUPLE_PROTO = 2, PROTO = { NUM: 1, DST_PORT: 3 } as const;
const CTA_FILTER_ORIG_FLAGS = 1, FILTER_PROTO_NUM = 8, FILTER_PROTO_DST_PORT = 32;
const IPPROTO_UDP = 17;
const NESTED = 0x8000;

/**
 * Makes the kernel forget the UDP flows that were sent to a port: it decided where they go when their first datagram
 * came, and would go on so although the port has been published, or taken back, since. `family`: AF_INET 2, AF_INET6 10.
 */
export function forgetDatagrams(socket: NetlinkSocket, family: number, port: number): void {
  const generic = Buffer.from([family, 0, 0, 0]);
  // Kernels before 5.8 do not filter: what comes is looked at again.
  const flows = socket.dump("list flows", (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET, generic, [
    nested(CTA.TUPLE_ORIG, nested(CTA_TUPLE_PROTO, u8(PROTO.NUM, IPPROTO_UDP), u16be(PROTO.DST_PORT, port))),
    nested(CTA.FILTER, u32(CTA_FILTER_ORIG_FLAGS, FILTER_PROTO_NUM | FILTER_PROTO_DST_PORT)),
  ]);
  for (const flow of flows) {
    const tuple = flow.type === ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW) ? attributes(flow.body.subarray(4)).get(CTA.TUPLE_ORIG) : undefined;
    const protocol = tuple && attributes(tuple).get(CTA_TUPLE_PROTO);
    if (!tuple || !protocol) continue;
    const found = attributes(protocol);
    if (found.get(PROTO.NUM)?.readUInt8(0) !== IPPROTO_UDP || found.get(PROTO.DST_PORT)?.readUInt16BE(0) !== port) continue;
    try {
      socket.request("forget a flow", (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE, 0, generic, [attribute(CTA.TUPLE_ORIG | NESTED, tuple)]);
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== "ENOENT") throw e; // it ended by itself
    }
  }
}
