import { formatRange, type IpamPool, parseCidr } from "../core/index.js";
import { editHosts, parseExtraHost, parseResolver, renderHosts, renderResolver } from "./networks-files.js";
import { AddressChooser, completePool, defaultPools, firstFree, macFor } from "./networks-ipam.js";
import { clash, parsePort, portRequests } from "./networks-ports.js";

describe("pools", () => {
  const taken = (...ranges: string[]) => ranges.map((r) => parseCidr(r)!.range);
  test("the first default one that is clear", () => {
    expect(formatRange(firstFree(defaultPools([]), [])!)).toBe("172.17.0.0/16");
    expect(formatRange(firstFree(defaultPools([]), taken("172.17.5.0/24", "172.16.0.0/14"))!)).toBe("172.20.0.0/16");
    expect(formatRange(firstFree(defaultPools([]), taken("172.16.0.0/12"))!)).toBe("192.168.0.0/20");
    expect(formatRange(firstFree(defaultPools([]), taken("172.16.0.0/12", "192.168.1.0/24"))!)).toBe("192.168.16.0/20");
    expect(firstFree(defaultPools([]), taken("0.0.0.0/0"))).toBeUndefined();
  });
  test("get a gateway", () => {
    expect(completePool({ subnet: "10.1.0.0/16" })).toEqual({ subnet: "10.1.0.0/16", gateway: "10.1.0.1" });
    expect(completePool({ subnet: "10.1.0.0/16", range: "10.1.5.0/24" }).gateway).toBe("10.1.5.0");
    expect(completePool({ subnet: "fd00::/64" }).gateway).toBe("fd00::1");
  });
  test.each([
    [{ subnet: "10.1.0.0" }, "not in CIDR notation"], [{ subnet: "10.1.0.1/16" }, "it should be 10.1.0.0/16"], [{ subnet: "10.0.0.0/31" }, "too small"],
    [{ subnet: "10.1.0.0/16", gateway: "10.2.0.1" }, "invalid gateway 10.2.0.1"], [{ subnet: "10.1.0.0/16", range: "10.2.0.0/24" }, "invalid ip-range 10.2.0.0/24"],
  ])("%j is refused", (pool: IpamPool, words) => expect(() => completePool(pool)).toThrow(words));
});

describe("addresses", () => {
  const pool: IpamPool = { subnet: "10.0.0.0/29", gateway: "10.0.0.1" };
  const clock = { time: 0, now() { return this.time; } };
  const choose = (chooser: AddressChooser, used: string[], container = "c", of = pool): string | undefined => chooser.choose("n", of, new Set(used), container);
  test("the lowest free one, never the network's, the gateway's or the broadcast's", () => {
    const chooser = new AddressChooser(clock);
    expect(choose(chooser, [])).toBe("10.0.0.2");
    expect(choose(chooser, ["10.0.0.2", "10.0.0.4"])).toBe("10.0.0.3");
    expect(choose(chooser, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"])).toBeUndefined();
  });
  test("one that was given back rests, unless its holder returns or nothing else is left", () => {
    const chooser = new AddressChooser(clock);
    chooser.released("n", "10.0.0.2", "old");
    chooser.released("n", "10.0.0.4", "older");
    expect(choose(chooser, [])).toBe("10.0.0.3");
    expect(choose(chooser, [], "old")).toBe("10.0.0.2");
    expect(choose(chooser, ["10.0.0.3", "10.0.0.5", "10.0.0.6"])).toBe("10.0.0.2");
    expect(chooser.choose("other", pool, new Set(), "c")).toBe("10.0.0.2");
    clock.time += 60_000;
    expect(choose(chooser, [])).toBe("10.0.0.2");
  });
  test("only from the range given", () => {
    const chooser = new AddressChooser(clock);
    const narrow = { subnet: "10.0.0.0/24", gateway: "10.0.0.1", range: "10.0.0.128/30" };
    expect(choose(chooser, [], "c", narrow)).toBe("10.0.0.128");
    expect(choose(chooser, ["10.0.0.128", "10.0.0.129", "10.0.0.130", "10.0.0.131"], "c", narrow)).toBeUndefined();
  });
  test("IPv6 ones too", () => expect(choose(new AddressChooser(clock), ["fd00::2"], "c", { subnet: "fd00::/64", gateway: "fd00::1" })).toBe("fd00::3"));
  test("and a MAC address that follows", () => expect(macFor("172.17.0.15")).toBe("02:42:ac:11:00:0f"));
});

describe("ports", () => {
  const requests = (bindings: Record<string, { HostIp?: string; HostPort?: string }[]>, more: { all?: boolean; exposed?: string[] } = {}) =>
    portRequests({ ExposedPorts: Object.fromEntries((more.exposed ?? []).map((p) => [p, {}])) }, { PortBindings: bindings, PublishAllPorts: more.all ?? false })
      .map((r) => `${r.containerPort}/${r.protocol} ${r.hostIp || "*"}:${r.hostPorts ? `${r.hostPorts.from}-${r.hostPorts.to}` : "any"}`);
  test("one to one, anywhere, anything", () => {
    expect(requests({ "80/tcp": [{ HostPort: "8080" }, { HostIp: "127.0.0.1", HostPort: "" }], "53/udp": [{ HostPort: "0" }], "9": [{ HostPort: "9" }] }))
      .toEqual(["9/tcp *:9-9", "80/tcp *:8080-8080", "80/tcp 127.0.0.1:any", "53/udp *:any"]);
  });
  test("ranges map one to one; a range for one port is a choice", () => {
    expect(requests({ "80-82/tcp": [{ HostPort: "8000-8002" }] })).toEqual(["80/tcp *:8000-8000", "81/tcp *:8001-8001", "82/tcp *:8002-8002"]);
    expect(requests({ "80/tcp": [{ HostPort: "8000-8010" }] })).toEqual(["80/tcp *:8000-8010"]);
    expect(() => requests({ "80-82/tcp": [{ HostPort: "8000-8001" }] })).toThrow("invalid ranges");
  });
  test("all exposed ones, where nothing else was said", () => {
    expect(requests({ "80/tcp": [{ HostPort: "8080" }] }, { all: true, exposed: ["80/tcp", "443/tcp", "53/udp"] })).toEqual(["80/tcp *:8080-8080", "443/tcp *:any", "53/udp *:any"]);
    expect(requests({}, { exposed: ["80/tcp"] })).toEqual([]);
  });
  test.each(["http", "0", "70000", "80/icmp", "90-80", ""])("%j is no port", (text) => expect(() => parsePort(text)).toThrow("invalid port specification"));
  test("bad bindings name themselves", () => {
    expect(() => requests({ "80/tcp": [{ HostPort: "x" }] })).toThrow('invalid port specification: "x"');
    expect(() => requests({ "80/tcp": [{ HostIp: "nowhere" }] })).toThrow("invalid IP address: nowhere");
  });
  test("clash on the same address or on every one", () => {
    const b = (hostIp: string, hostPort = 80, protocol: "tcp" | "udp" = "tcp") => ({ protocol, containerPort: 1, hostIp, hostPort });
    expect(clash(b("0.0.0.0"), b("127.0.0.1"))).toBe(true);
    expect(clash(b("127.0.0.1"), b("127.0.0.1"))).toBe(true);
    expect(clash(b("127.0.0.1"), b("192.0.2.1"))).toBe(false);
    expect(clash(b("0.0.0.0"), b("::"))).toBe(false);
    expect(clash(b("0.0.0.0"), b("0.0.0.0", 80, "udp"))).toBe(false);
  });
});

describe("resolv.conf", () => {
  const host = parseResolver("# made\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver fe80::1\nsearch a.example b.example\noptions edns0 trust-ad\n");
  const none = { dns: [], search: [], options: [], ipv6: false, own: false };
  test("is the host's, but for servers on its loopback", () => {
    expect(renderResolver(host, none)).toBe("nameserver 192.0.2.1\nsearch a.example b.example\noptions edns0 trust-ad\n");
    expect(renderResolver(host, { ...none, ipv6: true })).toContain("nameserver fe80::1");
  });
  test("names public servers when none is left", () => expect(renderResolver(parseResolver("nameserver 127.0.0.1\nnameserver ::1\n"), none)).toBe("nameserver 8.8.8.8\nnameserver 8.8.4.4\n"));
  test("is what was asked for", () => {
    expect(renderResolver(host, { dns: ["127.0.0.1", "1.1.1.1"], search: ["."], options: ["ndots:2"], ipv6: false, own: false })).toBe("nameserver 127.0.0.1\nnameserver 1.1.1.1\noptions ndots:2\n");
  });
});

describe("resolv.conf of a container with a name server of its own", () => {
  const host = parseResolver("nameserver 192.0.2.1\nsearch a.example\noptions edns0\n");
  const wishes = { dns: ["192.0.2.53"], search: [], options: [], ipv6: false, own: true };
  test("names that one, and keeps search and options", () => expect(renderResolver(host, wishes)).toBe("nameserver 127.0.0.11\nsearch a.example\noptions edns0 ndots:0\n"));
  test("keeps what somebody says of dots", () => {
    expect(renderResolver(host, { ...wishes, search: ["."], options: ["ndots:3", "timeout:1"] })).toBe("nameserver 127.0.0.11\noptions ndots:3 timeout:1\n");
  });
});

describe("hosts", () => {
  test("keeps what others wrote when lines come and go", () => {
    const text = "127.0.0.1\tlocalhost\n10.0.0.2\tweb\n10.0.0.22\tweb\n# mine";
    expect(editHosts(text, [{ address: "10.0.0.2", names: ["web"] }], [{ address: "10.1.0.2", names: ["web", "x"] }])).toBe("127.0.0.1\tlocalhost\n10.0.0.22\tweb\n# mine\n10.1.0.2\tweb x\n");
    expect(editHosts(text, [], [])).toBe(`${text}\n`);
  });
  test("starts with localhost", () => {
    const lines = renderHosts([{ address: "172.17.0.2", names: ["web", "x"] }]).split("\n");
    expect(lines[0]).toBe("127.0.0.1\tlocalhost");
    expect(lines.at(-2)).toBe("172.17.0.2\tweb x");
  });
  test.each([
    ["db:10.0.0.1", { address: "10.0.0.1", names: ["db"] }], ["db=10.0.0.1", { address: "10.0.0.1", names: ["db"] }], ["db:fd00::1", { address: "fd00::1", names: ["db"] }],
    ["db:[fd00::1]", { address: "fd00::1", names: ["db"] }], ["host.docker.internal:host-gateway", { address: "172.17.0.1", names: ["host.docker.internal"] }], ["db", undefined], ["db:x", undefined],
  ])("%s", (text, entry) => expect(parseExtraHost(text, "172.17.0.1")).toEqual(entry));
});
