import { addressBytes, addressText, attribute, attributes, decode, encode, errorOf, macBytes, macText, nested, text, textOf, u32 } from "./netlink.js";
import { elementBatch } from "./nft-elements.js";

describe("messages", () => {
  test("carry header, fixed part and padded attributes", () => {
    const message = encode(16, 0x605, 7, Buffer.alloc(16), [text(3, "eth0"), u32(4, 1500)]);
    expect(message.length).toBe(16 + 16 + 12 + 8);
    expect([message.readUInt32LE(0), message.readUInt16LE(4), message.readUInt16LE(6), message.readUInt32LE(8)]).toEqual([52, 16, 0x605, 7]);
    expect(message.subarray(32, 44).toString("latin1")).toBe("\x09\0\x03\0eth0\0\0\0\0");
  });
  test("are split again, several to a datagram", () => {
    const both = Buffer.concat([encode(1, 0, 1, Buffer.from("abcd")), encode(2, 2, 2, Buffer.from("ab"))]);
    expect(decode(both).map((m) => [m.type, m.flags, m.sequence, m.body.toString("latin1")])).toEqual([[1, 0, 1, "abcd"], [2, 2, 2, "ab\0\0"]]);
  });
  test("that are cut short are refused", () => {
    const message = encode(1, 0, 1, Buffer.from("abcd"));
    expect(() => decode(message.subarray(0, 18))).toThrow("cut short");
  });
});

describe("attributes", () => {
  test("nest, and are found without their flag bits", () => {
    const found = attributes(nested(18, text(1, "veth"), nested(2, u32(9, 5))));
    const inner = attributes(found.get(18)!);
    expect(textOf(inner.get(1))).toBe("veth");
    expect(attributes(inner.get(2)!).get(9)!.readUInt32LE(0)).toBe(5);
  });
  test("of a broken length end the list", () => expect(attributes(Buffer.from([2, 0, 1, 0, 9, 9])).size).toBe(0));
});

describe("errors", () => {
  const negative = (errno: number): Buffer => { const b = Buffer.alloc(4); b.writeInt32LE(errno); return b; };
  test("tell their number", () => expect(errorOf({ type: 2, flags: 0, sequence: 1, body: Buffer.concat([negative(-17), Buffer.alloc(16)]) })).toEqual({ errno: -17 }));
  test("tell the kernel's words, after a request that is echoed in part or whole", () => {
    const echo = encode(16, 0, 1, Buffer.from("abc"));
    const words = attribute(1, Buffer.from("no such device\0"));
    expect(errorOf({ type: 2, flags: 0x300, sequence: 1, body: Buffer.concat([negative(-19), echo.subarray(0, 16), words]) })).toEqual({ errno: -19, text: "no such device" });
    expect(errorOf({ type: 2, flags: 0x200, sequence: 1, body: Buffer.concat([negative(-19), echo, words]) })).toEqual({ errno: -19, text: "no such device" });
  });
});

test("addresses are bytes in network order", () => {
  expect(addressBytes("172.17.0.2")).toEqual(Buffer.from([172, 17, 0, 2]));
  expect(addressText(addressBytes("fd00::1:2"))).toBe("fd00::1:2");
  expect(() => addressBytes("nonsense")).toThrow("not an IP address");
  expect(macText(macBytes("02:42:ac:11:00:0f"))).toBe("02:42:ac:11:00:0f");
});

test("a change of a map's element is what nft itself sends", () => {
  const batch = elementBatch([{
    verb: "add", family: "ip", table: "strata", set: "anywhere", key: Buffer.from("060000001f900000", "hex"), data: Buffer.from("ac11000200500000", "hex"),
  }], 5);
  const [begin, change, end] = decode(batch);
  expect([begin?.type, begin?.sequence, begin?.body.toString("hex")]).toEqual([16, 5, "0000000a"]);
  expect([end?.type, end?.sequence]).toEqual([17, 7]);
  expect([change?.type, change?.sequence]).toEqual([0x0a0c, 6]);
  // Without NFTA_SET_ELEM_LIST_SET_ID, which only a set of the same transaction needs.
  expect(change?.body.toString("hex")).toBe([
    "02000000", "0b000100", "7374726174610000", "0d000200", "616e79776865726500000000", "28000380", "24000180", "10000180", "0c000100", "060000001f900000", "10000280", "0c000100", "ac11000200500000",
  ].join(""));
});
