import { contains, formatIp, formatRange, overlap, parseCidr, parseIp } from "./ip.js";

const again = (text: string): string | undefined => { const ip = parseIp(text); return ip && formatIp(ip); };

describe("addresses", () => {
  test.each([["0.0.0.0", "0.0.0.0"], ["172.17.0.2", "172.17.0.2"], ["255.255.255.255", "255.255.255.255"]])("IPv4 %s", (text, canonical) => expect(again(text)).toBe(canonical));
  test.each([
    ["::", "::"], ["::1", "::1"], ["FE80::A", "fe80::a"], ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"], ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"], ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"], ["::ffff:10.0.0.1", "::ffff:a00:1"], ["fd00::", "fd00::"],
  ])("IPv6 %s prints as RFC 5952 says", (text, canonical) => expect(again(text)).toBe(canonical));
  test.each(["", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4.5", "1::2::3", "12345::", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "g::", "host"])("%j is none", (text) => expect(parseIp(text)).toBeUndefined());
});

describe("ranges", () => {
  const range = (text: string) => parseCidr(text)!.range;
  test("start at their base", () => expect(formatRange(range("10.1.2.3/20"))).toBe("10.1.0.0/20"));
  test.each(["10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "::/129", "x/8"])("%j is none", (text) => expect(parseCidr(text)).toBeUndefined());
  test("contain their addresses only", () => {
    expect(contains(range("10.0.0.0/8"), parseIp("10.255.255.255")!)).toBe(true);
    expect(contains(range("10.0.0.0/8"), parseIp("11.0.0.0")!)).toBe(false);
    expect(contains(range("::/0"), parseIp("10.0.0.1")!)).toBe(false);
  });
  test.each([["10.0.0.0/8", "10.1.0.0/16", true], ["10.1.0.0/16", "10.0.0.0/8", true], ["10.0.0.0/16", "10.1.0.0/16", false], ["0.0.0.0/0", "::/0", false], ["fd00::/8", "fd12::/64", true]])("%s and %s overlap: %s", (a, b, expected) => {
    expect(overlap(range(a), range(b))).toBe(expected);
  });
});
