import type { Container } from "../core/index.js";
import { DNS_TYPE } from "./dns-message.js";
import { Networks } from "./networks.js";
import { dnsQuery, dnsReply, readDnsAnswer, type DnsAnswer } from "./testing/dns-client.js";
import { containerNamed, memoryParts } from "./testing/memory-networks.js";

interface Bed {
  readonly parts: ReturnType<typeof memoryParts>;
  readonly networks: Networks;
  readonly start: (name: string, network: string, spec?: Container["networks"][string], change?: Parameters<typeof containerNamed>[1]) => Promise<Container>;
  readonly ask: (asker: Container, name: string, type?: number, edns?: number) => Promise<DnsAnswer | undefined>;
}
async function bed(config: Parameters<typeof memoryParts>[0] = {}): Promise<Bed> {
  const parts = memoryParts(config), networks = new Networks(parts);
  await networks.ensureDefaults();
  await networks.create({ name: "blue", ipv6: true, ipam: [{ subnet: "10.1.0.0/24" }, { subnet: "fd00:1::/64" }] });
  await networks.create({ name: "red", ipam: [{ subnet: "10.2.0.0/24" }] });
  return {
    parts, networks,
    async start(name, network, spec = {}, change = {}) {
      const container = containerNamed(name, { ...change, hostConfig: { NetworkMode: network, ...change.hostConfig }, networks: { [network]: spec } });
      parts.containers.update(container);
      await networks.attach(container);
      return container;
    },
    async ask(asker, name, type = DNS_TYPE.A, edns) {
      const answer = await parts.names.listening.get(asker.id)!(dnsQuery(name, type, edns === undefined ? {} : { edns }), "udp");
      return answer && readDnsAnswer(answer);
    },
  };
}
const reverse = (address: string): string => `${address.split(".").reverse().join(".")}.in-addr.arpa`;

test("containers of one network find each other by name, alias, short ID and hostname", async () => {
  const { start, ask } = await bed();
  const one = await start("one", "blue"), web = await start("Web", "blue", { Aliases: ["www"] }, { config: { Hostname: "box" } });
  for (const name of ["Web", "web", "www", "WWW", "box", web.id.slice(0, 12), "web.blue", "www.BLUE"]) expect([name, await ask(one, name)]).toEqual([name, { id: 0x1234, code: 0, cut: false, values: ["10.1.0.3"] }]);
  expect((await ask(one, "web", DNS_TYPE.AAAA))?.values).toEqual(["fd00:1::3"]);
  expect((await ask(one, "web", DNS_TYPE.ANY))?.values).toEqual(["10.1.0.3", "fd00:1::3"]);
  expect((await ask(one, "one"))?.values).toEqual(["10.1.0.2"]);
  const MX = 15;
  expect(await ask(one, "web", MX)).toMatchObject({ code: 0, values: [] });
});

test("addresses have names again", async () => {
  const { start, ask } = await bed();
  const one = await start("one", "blue");
  await start("web", "blue", { Aliases: ["www"] });
  expect((await ask(one, reverse("10.1.0.3"), DNS_TYPE.PTR))?.values).toEqual(["web.blue"]);
  expect((await ask(one, `3.${"0.".repeat(23)}1.0.0.0.0.0.d.f.ip6.arpa`, DNS_TYPE.PTR))?.values).toEqual(["web.blue"]);
});

test("a name of several is answered with all, another first each time", async () => {
  const { start, ask } = await bed();
  const one = await start("one", "blue");
  for (const name of ["a", "b", "c"]) await start(name, "blue", { Aliases: ["svc"] });
  const firsts = new Set<string>();
  for (let i = 0; i < 3; i++) {
    const { values } = (await ask(one, "svc"))!;
    expect([...values].sort()).toEqual(["10.1.0.3", "10.1.0.4", "10.1.0.5"]);
    firsts.add(values[0]!);
  }
  expect(firsts.size).toBe(3);
});

test("other networks' names are not known, a network without IPv6 has no AAAA, the default network no names at all", async () => {
  const { parts, start, ask, networks } = await bed({ dns: ["192.0.2.53"] });
  const one = await start("one", "blue"), two = await start("two", "red");
  await start("three", "bridge");
  expect(parts.names.listening.size).toBe(2);
  for (const name of ["two", "three", "two.red"]) expect(await ask(one, name)).toMatchObject({ code: 2, values: [] });
  expect(parts.names.asked).toHaveLength(3);
  expect(await ask(two, "two", DNS_TYPE.AAAA)).toMatchObject({ code: 0, values: [] });
  await networks.connect("red", "one", {});
  expect((await ask(one, "two"))?.values).toEqual(["10.2.0.2"]);
  await networks.disconnect("red", "one", false);
  expect((await ask(one, "two"))?.code).toBe(2);
});

test("what comes, goes and is renamed is known at once", async () => {
  const { parts, start, ask, networks } = await bed();
  const one = await start("one", "blue");
  expect((await ask(one, "web"))?.code).toBe(2);
  const web = await start("web", "blue");
  expect((await ask(one, "web"))?.values).toEqual(["10.1.0.3"]);
  parts.containers.update({ ...web, name: "shop" });
  parts.events.emit({ type: "container", action: "rename", id: web.id, attributes: {} });
  expect((await ask(one, "shop"))?.values).toEqual(["10.1.0.3"]);
  expect((await ask(one, "web"))?.code).toBe(2);
  await networks.release(web);
  expect((await ask(one, "shop"))?.code).toBe(2);
  expect(parts.names.listening.has(web.id)).toBe(false);
});

test("a link is an alias of one's own", async () => {
  const { start, ask } = await bed();
  await start("web", "blue");
  const one = await start("one", "blue", { Links: ["web:db"] }), two = await start("two", "blue");
  expect((await ask(one, "db"))?.values).toEqual(["10.1.0.2"]);
  expect((await ask(two, "db"))?.code).toBe(2);
});

describe("other names", () => {
  const outside = (query: Buffer): Buffer => dnsReply(query, "192.0.2.80");
  test("are asked of the servers that were named, from the container's network, the next when one fails", async () => {
    const { parts, start, ask } = await bed();
    const one = await start("one", "blue", {}, { hostConfig: { Dns: ["192.0.2.1", "192.0.2.2", "192.0.2.3"] } });
    parts.names.servers.set("192.0.2.2", (query) => { const no = outside(query); no[3] = 0x85; return no; }).set("192.0.2.3", outside);
    expect((await ask(one, "example.org", DNS_TYPE.A, 1232))?.values).toEqual(["192.0.2.80"]);
    expect(parts.names.asked).toEqual(["192.0.2.1", "192.0.2.2", "192.0.2.3"].map((s) => `${s} udp ${`/ns/${one.id}`.slice(0, 10)}`));
  });
  test("are failures when nobody answers, and refusals when that is all there is", async () => {
    const { parts, start, ask } = await bed();
    const one = await start("one", "blue", {}, { hostConfig: { Dns: ["192.0.2.1"] } });
    expect(await ask(one, "example.org")).toMatchObject({ code: 2, values: [] });
    parts.names.servers.set("192.0.2.1", (query) => { const no = outside(query); no[3] = 0x85; return no; });
    expect((await ask(one, "example.org"))?.code).toBe(5);
  });
  test("are not asked of this machine's servers for who has no way out", async () => {
    const { parts, start, ask, networks } = await bed();
    await networks.create({ name: "closed", internal: true });
    const one = await start("one", "closed");
    expect((await ask(one, "example.org"))?.code).toBe(2);
    expect(parts.names.asked).toEqual([]);
    expect((await ask(one, "one"))?.values).toHaveLength(1);
  });
  test("may come in messages that are not ours to read", async () => {
    const { parts, start } = await bed();
    const one = await start("one", "blue", {}, { hostConfig: { Dns: ["192.0.2.1"] } });
    const answer = parts.names.listening.get(one.id)!;
    parts.names.servers.set("192.0.2.1", (query) => { const yes = Buffer.from(query); yes[2]! |= 0x80; return yes; });
    const notify = dnsQuery("example.org", 6, { flags: 0x2000 });
    expect((await answer(notify, "tcp"))?.readUInt16BE(2)).toBe(0xa000);
    expect(await answer(Buffer.alloc(5), "udp")).toBeUndefined();
    expect(await answer(dnsQuery("one", 1, { flags: 0x8000 }), "udp")).toBeUndefined();
  });
});

test("resolv.conf names the server on networks of one's own only", async () => {
  const { start, networks } = await bed();
  const change = { hostConfig: { Dns: ["192.0.2.1"], DnsSearch: ["a.example"] } };
  expect((await networks.files(await start("one", "blue", {}, change))).resolvConf).toBe("nameserver 127.0.0.11\nsearch a.example\noptions ndots:0\n");
  expect((await networks.files(await start("two", "bridge", {}, change))).resolvConf).toBe("nameserver 192.0.2.1\nsearch a.example\n");
});

test("a connect that comes while the container goes leaves no server behind", async () => {
  const { parts, networks, start } = await bed();
  const one = await start("one", "bridge");
  const remove = parts.namespaces.remove.bind(parts.namespaces);
  parts.namespaces.remove = async (id) => { await networks.connect("blue", "one", {}); await remove(id); };
  await networks.release(one);
  expect(parts.names.listening.size).toBe(0);
});

test("after a restart of the daemon it listens again", async () => {
  const { parts, start } = await bed();
  const one = await start("one", "blue"), two = await start("two", "bridge");
  parts.names.listening.clear();
  await new Networks(parts).recover([one, two]);
  expect([...parts.names.listening.keys()]).toEqual([one.id]);
});

describe("links on the default network", () => {
  const db = { config: { Hostname: "dbhost", ExposedPorts: { "6379/tcp": {}, "53/udp": {} }, Env: ["PATH=/bin", "A=b=c"] } };
  test("are lines and variables", async () => {
    const { start, networks } = await bed();
    await start("redis", "bridge", {}, db);
    const app = await start("app", "bridge", {}, { hostConfig: { Links: ["redis:my-db", "/redis:/app/other", "redis"] } });
    const { hosts } = await networks.files(app);
    expect(hosts).toContain("172.17.0.2\tmy-db dbhost redis\n172.17.0.2\tother dbhost redis\n172.17.0.2\tredis dbhost\n172.17.0.3\t");
    expect(networks.environment(app).slice(0, 11)).toEqual([
      "MY_DB_PORT=udp://172.17.0.2:53", "MY_DB_PORT_53_UDP=udp://172.17.0.2:53", "MY_DB_PORT_53_UDP_ADDR=172.17.0.2", "MY_DB_PORT_53_UDP_PORT=53", "MY_DB_PORT_53_UDP_PROTO=udp",
      "MY_DB_PORT_6379_TCP=tcp://172.17.0.2:6379", "MY_DB_PORT_6379_TCP_ADDR=172.17.0.2", "MY_DB_PORT_6379_TCP_PORT=6379", "MY_DB_PORT_6379_TCP_PROTO=tcp",
      "MY_DB_NAME=/app/my-db", "MY_DB_ENV_A=b=c",
    ]);
  });
  test("want a container that is there and runs", async () => {
    const { parts, networks } = await bed();
    const linked = (to: string, mode = "bridge"): Container => containerNamed("app", { hostConfig: { NetworkMode: mode, Links: [to] } });
    expect(() => networks.validate(linked("redis"))).toThrow("could not get container for redis: No such container: redis");
    expect(() => networks.validate(linked("redis", "host"))).toThrow("host type networking can't be used with links");
    parts.containers.update(containerNamed("redis", { state: { status: "exited" } }));
    networks.validate(linked("redis:x"));
    await expect(networks.attach(linked("redis:x"))).rejects.toMatchObject({ code: "Conflict", message: "Cannot link to a non running container: /redis AS /app/x" });
    expect(networks.environment(containerNamed("own", { hostConfig: { NetworkMode: "blue", Links: ["redis"] } }))).toEqual([]);
  });
});

test("aliases are for networks of one's own", async () => {
  const { networks } = await bed();
  expect(() => networks.validate({ ...containerNamed("a"), networks: { bridge: { Aliases: ["x"] } } })).toThrow("network-scoped aliases are only supported for user-defined networks");
});
