import { addressOfReverse, codeOf, DNS_TYPE, encodeAnswer, encodeFailure, parseQuery, RCODE, type DnsQuery } from "./dns-message.js";
import { dnsQuery as query } from "./testing/dns-client.js";

const parsed = (...args: Parameters<typeof query>): DnsQuery => parseQuery(query(...args))!;

describe("queries", () => {
  test("are read, names in lower case", () => {
    expect(parsed("Web.Example", DNS_TYPE.A)).toMatchObject({ id: 0x1234, flags: 0x0100, name: "web.example", type: 1, ednsBytes: undefined });
    expect(parsed("web", DNS_TYPE.AAAA, { edns: 4096 })).toMatchObject({ type: 28, ednsBytes: 4096 });
    expect(parsed("web", DNS_TYPE.A, { edns: 100 }).ednsBytes).toBe(512);
    expect(parsed("", DNS_TYPE.A).name).toBe("");
  });
  test("with labels that no host has are not taken for names", () => {
    const odd = query("a-b", DNS_TYPE.A);
    odd[14] = ".".charCodeAt(0);
    expect(parseQuery(odd)?.name).toBeUndefined();
  });
  test("of another kind, or broken, are left to others", () => {
    expect(parseQuery(query("web", 1, { flags: 0x8100 }))).toBeUndefined();
    expect(parseQuery(query("web", 1, { flags: 0x2800 }))).toBeUndefined();
    expect(parseQuery(query("web", 1, { questions: 2 }))).toBeUndefined();
    expect(parseQuery(query("web", 1, { class: 3 }))).toBeUndefined();
    const whole = query("web", 1);
    for (let n = 0; n < whole.length; n++) expect(parseQuery(whole.subarray(0, n))).toBeUndefined();
    // A question made of a pointer to itself.
    expect(parseQuery(Buffer.concat([whole.subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]))).toBeUndefined();
  });
});

describe("answers", () => {
  test("name the question by a pointer", () => {
    const answer = encodeAnswer(parsed("web", DNS_TYPE.A), [{ type: "A", address: "10.0.0.2" }], "udp");
    expect(answer.toString("hex")).toBe("12348180000100010000000003776562000001" + "0001" + "c00c00010001" + "0000000a" + "0004" + "0a000002");
  });
  test("speak EDNS to whom does", () => {
    const answer = encodeAnswer(parsed("web", DNS_TYPE.AAAA, { edns: 4096 }), [{ type: "AAAA", address: "fd00::2" }], "udp");
    expect(answer.subarray(-11).toString("hex")).toBe("00002904d0000000000000");
    expect(answer.subarray(-27, -11).toString("hex")).toBe("fd000000000000000000000000000002");
  });
  test("tell names", () => {
    const answer = encodeAnswer(parsed("2.0.0.10.in-addr.arpa", DNS_TYPE.PTR), [{ type: "PTR", name: "web.net" }], "udp");
    expect(answer.subarray(-9).toString("latin1")).toBe("\x03web\x03net\x00");
  });
  test("too large for a datagram are cut, not over TCP", () => {
    const many = Array.from({ length: 40 }, (_, i) => ({ type: "A" as const, address: `10.0.0.${i}` }));
    const cut = encodeAnswer(parsed("web", DNS_TYPE.A), many, "udp");
    expect([cut.readUInt16BE(2) & 0x0200, cut.readUInt16BE(6)]).toEqual([0x0200, 0]);
    const whole = encodeAnswer(parsed("web", DNS_TYPE.A), many, "tcp");
    expect([whole.readUInt16BE(2) & 0x0200, whole.readUInt16BE(6)]).toEqual([0, 40]);
    expect(encodeAnswer(parsed("web", DNS_TYPE.A, { edns: 1232 }), many, "udp").readUInt16BE(6)).toBe(40);
  });
  test("of failure carry the code, and go to questions only", () => {
    expect(codeOf(encodeAnswer(parsed("web", 1), [], "udp", RCODE.SERVFAIL))).toBe(2);
    expect(encodeFailure(query("web", 1, { flags: 0x2900 }), RCODE.FORMERR)?.readUInt16BE(2)).toBe(0xa981);
    expect(encodeFailure(query("web", 1, { flags: 0x8000 }), RCODE.FORMERR)).toBeUndefined();
    expect(encodeFailure(Buffer.alloc(5), RCODE.FORMERR)).toBeUndefined();
  });
});

test("reverse names stand for addresses", () => {
  expect(addressOfReverse("2.0.17.172.in-addr.arpa")).toBe("172.17.0.2");
  expect(addressOfReverse(`2.${"0.".repeat(29)}d.f.ip6.arpa`)).toBe("fd00:0000:0000:0000:0000:0000:0000:0002");
  expect(addressOfReverse("17.172.in-addr.arpa")).toBeUndefined();
  expect(addressOfReverse("web")).toBeUndefined();
});
