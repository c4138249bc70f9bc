import type { Container } from "../core/index.js";
import { Networks } from "./networks.js";
import { containerNamed, memoryParts } from "./testing/memory-networks.js";
import type { NetworksConfig } from "./networks-parts.js";

async function bed(config: Partial<NetworksConfig> = {}, occupied: string[] = []): Promise<{ parts: ReturnType<typeof memoryParts>; networks: Networks; known: (c: Container) => Container }> {
  const parts = memoryParts(config);
  parts.driver.ranges = occupied;
  const networks = new Networks(parts);
  await networks.ensureDefaults();
  parts.driver.calls.length = 0;
  parts.emitted.length = 0;
  return { parts, networks, known: (c) => { parts.containers.update(c); return c; } };
}
const none = new Map<string, string[]>();

describe("the default networks", () => {
  test("are made once", async () => {
    const { networks } = await bed();
    const before = networks.list(none).map((v) => [v.network.name, v.network.driver, v.network.id]);
    expect(before.map(([name, driver]) => `${name} ${driver}`).sort()).toEqual(["bridge bridge", "host host", "none null"]);
    await networks.ensureDefaults();
    expect(networks.list(none).map((v) => [v.network.name, v.network.driver, v.network.id])).toEqual(before);
    expect(networks.inspect("bridge").network).toMatchObject({
      ipam: [{ subnet: "172.17.0.0/16", gateway: "172.17.0.1" }],
      options: {
        "com.docker.network.bridge.default_bridge": "true", "com.docker.network.bridge.enable_icc": "true", "com.docker.network.bridge.enable_ip_masquerade": "true",
        "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0", "com.docker.network.bridge.name": "strata0", "com.docker.network.driver.mtu": "1500",
      },
    });
  });
  test("keep clear of the machine's ranges, also of ones that came later", async () => {
    const { networks, parts } = await bed({}, ["172.17.0.0/16", "172.16.0.0/15"]);
    expect(networks.inspect("bridge").network.ipam[0]?.subnet).toBe("172.18.0.0/16");
    parts.driver.ranges = ["172.18.9.0/24"];
    await networks.ensureDefaults();
    expect(networks.inspect("bridge").network.ipam[0]?.subnet).toBe("172.17.0.0/16");
  });
  test("are as configured", async () => {
    const { networks } = await bed({ bip: "10.7.0.5/24", mtu: 1400, bridge: "mine0", fixedCidr: "10.7.0.64/26" });
    expect(networks.inspect("bridge").network).toMatchObject({ ipam: [{ subnet: "10.7.0.0/24", gateway: "10.7.0.5", range: "10.7.0.64/26" }], options: { "com.docker.network.bridge.name": "mine0", "com.docker.network.driver.mtu": "1400" } });
    await expect(bed({ bridge: 'a" }' })).rejects.toMatchObject({ code: "InvalidArgument" });
    expect((await bed({ bridge: "none" })).networks.list(none).map((v) => v.network.name).sort()).toEqual(["host", "none"]);
  });
});

describe("networks of a user", () => {
  test("take free ranges and refuse others'", async () => {
    const { networks } = await bed();
    expect((await networks.create({ name: "a" })).ipam[0]?.subnet).toBe("172.18.0.0/16");
    expect((await networks.create({ name: "b", ipv6: true })).ipam.map((p) => p.subnet)).toEqual(["172.19.0.0/16", expect.stringMatching(/^fd[0-9a-f]{2}:.*\/64$/)]);
    await expect(networks.create({ name: "c", ipam: [{ subnet: "172.18.5.0/24" }] })).rejects.toThrow("Pool overlaps with other one on this address space");
    await expect(networks.create({ name: "a" })).rejects.toMatchObject({ code: "Conflict", message: "network with name a already exists" });
  });
  test("asked for at once get ranges of their own", async () => {
    const { networks } = await bed();
    const made = await Promise.all(["a", "b", "c"].map((name) => networks.create({ name })));
    expect(made.map((n) => n.ipam[0]?.subnet).sort()).toEqual(["172.18.0.0/16", "172.19.0.0/16", "172.20.0.0/16"]);
    const twice = await Promise.allSettled([networks.create({ name: "x" }), networks.create({ name: "x" })]);
    expect(twice.map((t) => t.status).sort()).toEqual(["fulfilled", "rejected"]);
  });
  test.each([
    [{ name: "bridge" }, "PermissionDenied"], [{ name: "" }, "InvalidArgument"], [{ name: " " }, "InvalidArgument"], [{ name: "x", driver: "overlay" }, "Unavailable"], [{ name: "x", driver: "nope" }, "NotFound"], [{ name: "x", driver: "host" }, "PermissionDenied"],
    [{ name: "x", ingress: true }, "PermissionDenied"], [{ name: "x", scope: "swarm" }, "PermissionDenied"], [{ name: "x", scope: "moon" }, "InvalidArgument"],
    [{ name: "x", ipam: [{ subnet: "10.1.0.0/24" }, { subnet: "10.2.0.0/24" }] }, "PermissionDenied"], [{ name: "x", configFrom: "nobody" }, "NotFound"], [{ name: "x", configFrom: "bridge" }, "PermissionDenied"],
    [{ name: "x", configOnly: true, internal: true }, "PermissionDenied"], [{ name: "x", configOnly: true, configFrom: "y" }, "PermissionDenied"],
    [{ name: "x", options: { "com.docker.network.bridge.enable_icc": "maybe" } }, "InvalidArgument"], [{ name: "x", options: { "com.docker.network.bridge.host_binding_ipv4": "::1" } }, "InvalidArgument"],
    [{ name: "x", options: { "com.docker.network.bridge.gateway_mode_ipv4": "open" } }, "InvalidArgument"], [{ name: "x", options: { "com.docker.network.bridge.gateway_mode_ipv4": "isolated" } }, "InvalidArgument"],
    [{ name: "x", options: { "com.docker.network.container_iface_prefix": "much/too" } }, "InvalidArgument"],
    [{ name: "x", options: { "com.docker.network.bridge.name": 'a" }' } }, "InvalidArgument"], [{ name: "x", options: { "com.docker.network.driver.mtu": "big" } }, "InvalidArgument"],
  ])("%j is refused", async (spec, code) => {
    const { networks } = await bed();
    await expect(networks.create(spec)).rejects.toMatchObject({ code });
  });
  test("take the settings that a configuration network has, which stays while one has them", async () => {
    const { networks, parts: { driver } } = await bed();
    const settings = { ipam: [{ subnet: "10.7.0.0/24" }], options: { "com.docker.network.driver.mtu": "1400" }, labels: { a: "b" }, ipamOptions: { k: "v" } };
    expect(await networks.create({ name: "settings", configOnly: true, ...settings })).toMatchObject({ driver: "null", configOnly: true, ipam: [{ subnet: "10.7.0.0/24" }] });
    expect(driver.calls.filter((c) => c.includes("settings"))).toEqual([]);
    const made = await networks.create({ name: "made", configFrom: "settings" });
    expect(made).toMatchObject({ driver: "bridge", configFrom: "settings", ipam: [{ subnet: "10.7.0.0/24", gateway: "10.7.0.1" }], options: settings.options, labels: settings.labels, ipamOptions: { k: "v" } });
    await expect(networks.create({ name: "more", configFrom: "settings", labels: { c: "d" } })).rejects.toThrow("user specified configurations are not supported");
    await expect(networks.remove("settings")).rejects.toThrow('configuration network "settings" is in use');
    await networks.remove("made");
    await networks.remove("settings");
  });
  test("get parts of the pools that the configuration names, until there are none", async () => {
    const { networks } = await bed({ addressPools: [{ base: "10.80.0.0/23", size: 24 }] });
    const subnets = [(await networks.create({ name: "a" })).ipam[0]?.subnet];
    await expect(networks.create({ name: "b" })).rejects.toThrow("all predefined address pools have been fully subnetted");
    await networks.remove("a");
    subnets.push((await networks.create({ name: "b" })).ipam[0]?.subnet);
    expect(subnets).toEqual(["10.80.1.0/24", "10.80.1.0/24"]);
  });
  test("that cannot be made leave nothing", async () => {
    const { networks, parts } = await bed();
    parts.driver.refuse = "ensure";
    await expect(networks.create({ name: "a" })).rejects.toThrow("ensure refused");
    expect(networks.list(none)).toHaveLength(3);
    expect(parts.driver.calls).toEqual(["remove a"]);
    expect(parts.emitted).toEqual([]);
  });
  test("are removed when nobody is on them", async () => {
    const { networks, parts, known } = await bed();
    const { id } = await networks.create({ name: "a" });
    const one = known(containerNamed("one", { hostConfig: { NetworkMode: "a" } }));
    await networks.attach(one);
    await expect(networks.remove("a")).rejects.toMatchObject({ code: "PermissionDenied", message: expect.stringContaining(`error while removing network: network a id ${id} has active endpoints`) });
    await networks.release(one);
    await networks.remove("a");
    expect(() => networks.inspect("a")).toThrow("network a not found");
    await expect(networks.remove("bridge")).rejects.toThrow("bridge is a pre-defined network and cannot be removed");
    expect(parts.emitted).toEqual(["network create a", "network connect a", "network disconnect a", "network destroy a"]);
  });
  test("without IPv4 have IPv6 only", async () => {
    const { networks, known } = await bed();
    expect((await networks.create({ name: "a", ipv4: false, ipv6: true, ipam: [{ subnet: "fd00:5::/64" }] })).ipam.map((p) => p.subnet)).toEqual(["fd00:5::/64"]);
    const { endpoints } = await networks.attach(known(containerNamed("one", { hostConfig: { NetworkMode: "a" } })));
    expect([endpoints[0]?.ipv4, endpoints[0]?.ipv6]).toEqual([null, "fd00:5::2"]);
    await expect(networks.create({ name: "b", ipv4: false })).rejects.toThrow("IPv4 or IPv6 must be enabled");
    await expect(networks.create({ name: "b", ipv4: false, ipv6: true, ipam: [{ subnet: "10.0.0.0/24" }] })).rejects.toMatchObject({ code: "InvalidArgument" });
  });
  test("are found by filter and pruned", async () => {
    const { networks, parts, known } = await bed();
    await networks.create({ name: "red", labels: { color: "red" } });
    parts.clock.time = 1000;
    await networks.create({ name: "blue", labels: { color: "blue" } });
    await networks.create({ name: "wanted" });
    known({ ...containerNamed("one"), networks: { wanted: {} } });
    const names = (filters: Record<string, string[]>): string[] => networks.list(new Map(Object.entries(filters))).map((v) => v.network.name).sort();
    expect(names({ label: ["color=red"] })).toEqual(["red"]);
    expect(names({ type: ["builtin"] })).toEqual(["bridge", "host", "none"]);
    expect(names({ name: ["e"], driver: ["bridge"] })).toEqual(["blue", "bridge", "red", "wanted"]);
    expect(names({ dangling: ["true"] })).toEqual(["blue", "red", "wanted"]);
    expect(() => names({ colour: [] })).toThrow("invalid filter 'colour'");
    expect(await networks.prune(new Map([["label!", ["color=blue"]]]))).toEqual(["red"]);
    expect(await networks.prune(none)).toEqual(["blue"]);
    expect(parts.emitted.at(-1)).toMatch(/^network prune/);
  });
});

describe("attach", () => {
  test("gives namespace, address and ports; release takes all back", async () => {
    const { networks, parts, known } = await bed();
    const one = known(containerNamed("one", { hostConfig: { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } } }));
    const { netns, endpoints, ports } = await networks.attach(one);
    expect([netns, endpoints[0]?.ipv4, endpoints[0]?.mac, endpoints[0]?.gateway]).toEqual([`/ns/${one.id}`, "172.17.0.2", "02:42:ac:11:00:02", "172.17.0.1"]);
    expect(ports).toEqual([{ protocol: "tcp", containerPort: 80, hostIp: "0.0.0.0", hostPort: 8080 }]);
    expect(networks.inspect("bridge").endpoints.map((e) => e.containerName)).toEqual(["one"]);
    await networks.release(one);
    await networks.release(one);
    expect([parts.store.endpoints({}), parts.store.ports(), [...parts.spaces]]).toEqual([[], [], []]);
    expect(parts.driver.calls).toEqual(["connect bridge eth0 172.17.0.2", "publish bridge 0.0.0.0:8080->80/tcp", "unpublish bridge 0.0.0.0:8080->80/tcp"]);
    expect(parts.emitted).toEqual(["network connect bridge", "network disconnect bridge"]);
  });
  test.each(["connect", "publish"])("leaves nothing when %s fails", async (verb) => {
    const { networks, parts, known } = await bed();
    parts.driver.refuse = verb;
    await expect(networks.attach(known(containerNamed("one", { hostConfig: { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } } })))).rejects.toThrow(`${verb} refused`);
    expect([parts.store.endpoints({}), parts.store.ports(), [...parts.spaces]]).toEqual([[], [], []]);
    expect(parts.driver.calls.at(-1)).toBe("disconnect bridge eth0");
  });
  test("mends what a crash left of the same container", async () => {
    const { networks, parts, known } = await bed();
    const one = known(containerNamed("one"));
    await networks.attach(one);
    const { endpoints } = await networks.attach(one);
    expect(endpoints[0]?.ipv4).toBe("172.17.0.2");
    expect(parts.store.endpoints({})).toHaveLength(1);
  });
  test("joins several networks, its mode's first", async () => {
    const { networks, known } = await bed();
    await networks.create({ name: "z", ipam: [{ subnet: "10.1.0.0/24" }] });
    await networks.create({ name: "a", internal: true });
    const one = known({ ...containerNamed("one", { hostConfig: { NetworkMode: "z" } }), networks: { a: {}, z: { IPAMConfig: { IPv4Address: "10.1.0.9" }, MacAddress: "02:00:00:00:00:0A", Aliases: ["web"] } } });
    const { endpoints } = await networks.attach(one);
    expect(endpoints.map((e) => [e.interfaceName, e.ipv4, e.gateway])).toEqual([["eth0", "10.1.0.9", "10.1.0.1"], ["eth1", "172.18.0.2", null]]);
    expect([endpoints[0]?.mac, endpoints[0]?.aliases]).toEqual(["02:00:00:00:00:0a", ["web"]]);
    const two = known({ ...containerNamed("two", { hostConfig: { NetworkMode: "z" } }), networks: { z: { IPAMConfig: { IPv4Address: "10.1.0.9" } } } });
    await expect(networks.attach(two)).rejects.toMatchObject({ code: "PermissionDenied", message: "Address already in use" });
  });
  test("knows the other modes", async () => {
    const { networks, known, parts } = await bed();
    const host = known(containerNamed("host", { hostConfig: { NetworkMode: "host" } })), alone = known(containerNamed("alone", { hostConfig: { NetworkMode: "none" } }));
    expect(await networks.attach(host)).toMatchObject({ endpoints: [{ ipv4: null, interfaceName: "" }], ports: [] });
    expect((await networks.attach(host)).netns).toBeUndefined();
    expect(await networks.attach(alone)).toMatchObject({ netns: `/ns/${alone.id}`, endpoints: [{ ipv4: null }] });
    const joiner = known(containerNamed("joiner", { hostConfig: { NetworkMode: "container:alone" } }));
    expect(await networks.attach(joiner)).toEqual({ netns: `/ns/${alone.id}`, endpoints: [], ports: [] });
    expect((await networks.attach(containerNamed("x", { hostConfig: { NetworkMode: "container:host" } }))).netns).toBeUndefined();
    known(containerNamed("alone", { state: { status: "exited" } }));
    await expect(networks.attach(joiner)).rejects.toMatchObject({ code: "Conflict", message: `cannot join network of a non running container: ${alone.id}` });
    await networks.release(joiner);
    expect([...parts.spaces]).toContain(alone.id);
  });
});

describe("host ports", () => {
  const publishing = (name: string, ...ports: string[]): Container => containerNamed(name, { hostConfig: { PortBindings: { "80/tcp": ports.map((HostPort) => ({ HostPort })) } } });
  test("that are ours or somebody else's are refused in Docker's words", async () => {
    const { networks, parts, known } = await bed();
    await networks.attach(known(publishing("one", "8080")));
    await expect(networks.attach(known(publishing("two", "8080")))).rejects.toThrow(/^driver failed programming external connectivity on endpoint two \([0-9a-f]{64}\): Bind for 0.0.0.0:8080 failed: port is already allocated$/);
    parts.driver.listening.add(9000);
    await expect(networks.attach(known(publishing("three", "9000")))).rejects.toThrow("Bind for 0.0.0.0:9000 failed: port is already allocated");
    expect(parts.store.endpoints({})).toHaveLength(1);
  });
  test("are found free: ephemeral, from a range, and for many at once", async () => {
    const { networks, parts, known } = await bed();
    const free = await networks.attach(known(publishing("one", "")));
    expect(free.ports[0]?.hostPort).toBeGreaterThanOrEqual(32_768);
    parts.driver.listening.add(8000);
    const many = await Promise.all(["a", "b", "c"].map((n) => networks.attach(known(publishing(n, "8000-8003")))));
    expect(many.map((m) => m.ports[0]?.hostPort).sort()).toEqual([8001, 8002, 8003]);
    await expect(networks.attach(known(publishing("d", "8000-8003")))).rejects.toThrow("port is already allocated");
  });
  test("twice in one container are refused", async () => {
    const { networks, known } = await bed();
    await expect(networks.attach(known(publishing("one", "8080", "8080")))).rejects.toThrow("port is already allocated");
  });
  test("follow all exposed ports when asked", async () => {
    const { networks, known } = await bed();
    const { ports } = await networks.attach(known(containerNamed("one", { config: { ExposedPorts: { "80/tcp": {}, "53/udp": {} } }, hostConfig: { PublishAllPorts: true } })));
    expect(ports.map((p) => `${p.containerPort}/${p.protocol}`)).toEqual(["80/tcp", "53/udp"]);
  });
});

describe("validate", () => {
  test.each([
    [{ PortBindings: { "80/tcp": [{ HostPort: "x" }] } }, "invalid port specification"], [{ ExtraHosts: ["db"] }, 'bad format for add-host: "db"'],
    [{ NetworkMode: "container:one", PublishAllPorts: true }, "conflicting options: port publishing and the container type network mode"],
    [{ NetworkMode: "container:one", Dns: ["1.1.1.1"] }, "conflicting options: dns and the network mode"],
  ])("%j", async (hostConfig, words) => {
    const { networks, known } = await bed();
    known(containerNamed("one"));
    expect(() => networks.validate(containerNamed("two", { hostConfig }))).toThrow(words);
  });
  test.each([["no-such", "network no-such not found"], ["container:no-such", "No such container: no-such"]])("%s is missed at the start, not before", async (mode, words) => {
    const { networks, known } = await bed();
    const container = known(containerNamed("two", { hostConfig: { NetworkMode: mode } }));
    networks.validate(container);
    await expect(networks.attach(container)).rejects.toThrow(words);
  });
  test("addresses belong to the networks they are asked of", async () => {
    const { networks } = await bed();
    await networks.create({ name: "a" });
    const asking = (network: string, spec: object): Container => ({ ...containerNamed("x", { hostConfig: { NetworkMode: network } }), networks: { [network]: spec } });
    expect(() => networks.validate(asking("bridge", { IPAMConfig: { IPv4Address: "172.17.0.9" } }))).toThrow("user specified IP address is supported on user defined networks only");
    expect(() => networks.validate(asking("a", { IPAMConfig: { IPv4Address: "10.0.0.9" } }))).toThrow("no configured subnet or ip-range contain the IP address 10.0.0.9");
    expect(() => networks.validate(asking("a", { MacAddress: "x" }))).toThrow("invalid MAC address: x");
    networks.validate(asking("a", { IPAMConfig: { IPv4Address: "172.18.0.9" } }));
  });
});

describe("connect and disconnect", () => {
  test("a running container at once, a stopped one at its next start", async () => {
    const { networks, parts, known } = await bed();
    await networks.create({ name: "a" });
    const one = known(containerNamed("one"));
    await networks.attach(one);
    await networks.connect("a", "one", {});
    expect(parts.driver.calls.slice(-2)).toEqual(["connect a eth1 172.18.0.2", "lead eth1"]);
    expect(Object.keys(parts.containers.get(one.id).networks)).toEqual(["a"]);
    await expect(networks.connect("a", "one", {})).rejects.toMatchObject({ code: "PermissionDenied" });
    await networks.disconnect("a", "one", false);
    expect(parts.containers.get(one.id).networks).toEqual({});
    await expect(networks.disconnect("a", "one", false)).rejects.toMatchObject({ code: "Conflict" });
    await networks.connect("a", "one", {});
    parts.driver.refuse = "disconnect";
    await expect(networks.disconnect("a", "one", false)).rejects.toThrow("disconnect refused");
    expect(Object.keys(parts.containers.get(one.id).networks)).toEqual(["a"]);
    await networks.disconnect("a", "one", true);

    const two = known(containerNamed("two", { state: { status: "exited" } }));
    await networks.connect("a", "two", { Aliases: ["x"] });
    expect(parts.store.endpoints({ container: two.id })).toEqual([]);
    expect(parts.containers.get(two.id).networks).toEqual({ a: { Aliases: ["x"] } });
  });
  test("ports and the default route move to the network that is left", async () => {
    const { networks, parts, known } = await bed();
    await networks.create({ name: "a" });
    const one = known(containerNamed("one", { hostConfig: { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } } }));
    await networks.attach(one);
    await networks.connect("a", "one", {});
    parts.driver.calls.length = 0;
    await networks.disconnect("bridge", "one", false);
    expect(parts.driver.calls).toEqual(["disconnect bridge eth0"]);
    expect(parts.store.ports(one.id).map((p) => p.hostPort)).toEqual([8080]);
    parts.driver.calls.length = 0;
    await networks.connect("bridge", "one", { GwPriority: 1 });
    expect(parts.driver.calls).toEqual(["connect bridge eth0 172.17.0.2", "lead eth0", "unpublish a 0.0.0.0:8080->80/tcp", "publish bridge 0.0.0.0:8080->80/tcp"]);
    parts.driver.calls.length = 0;
    await networks.disconnect("bridge", "one", false);
    expect(parts.driver.calls).toEqual(["unpublish bridge 0.0.0.0:8080->80/tcp", "publish a 0.0.0.0:8080->80/tcp", "disconnect bridge eth0", "lead eth1"]);
    await networks.disconnect("a", "one", false);
    expect(parts.driver.calls.slice(-2)).toEqual(["unpublish a 0.0.0.0:8080->80/tcp", "disconnect a eth1"]);
    expect(parts.store.ports(one.id)).toEqual([]);
    await networks.connect("a", "one", {});
    expect(parts.driver.calls.slice(-3)).toEqual(["connect a eth0 172.18.0.2", "lead eth0", "publish a 0.0.0.0:8080->80/tcp"]);
  });
  test("of the mode's own network lasts, while there is another", async () => {
    const { networks, parts, known } = await bed();
    for (const name of ["a", "b"]) await networks.create({ name });
    const one = known({ ...containerNamed("one", { hostConfig: { NetworkMode: "a" } }), networks: { a: {}, b: {} } });
    await networks.attach(one);
    await networks.disconnect("a", "one", false);
    await networks.release(one);
    expect((await networks.attach(parts.containers.get(one.id))).endpoints.map((e) => parts.store.get(e.network).name)).toEqual(["b"]);
    await networks.disconnect("b", "one", false);
    await networks.release(one);
    expect((await networks.attach(parts.containers.get(one.id))).endpoints.map((e) => parts.store.get(e.network).name)).toEqual(["a"]);
  });
  test("not where there is nothing to plug in", async () => {
    const { networks, known } = await bed();
    known(containerNamed("h", { hostConfig: { NetworkMode: "host" } }));
    await expect(networks.connect("bridge", "h", {})).rejects.toMatchObject({ code: "PermissionDenied" });
    await expect(networks.connect("host", "h", {})).rejects.toMatchObject({ code: "PermissionDenied" });
    await expect(networks.connect("bridge", "nobody", {})).rejects.toThrow("No such container: nobody");
  });
});

describe("files", () => {
  test("name the container", async () => {
    const { networks, known } = await bed();
    const one = known(containerNamed("one", { config: { Hostname: "web", Domainname: "example.org" }, hostConfig: { ExtraHosts: ["db:10.0.0.1", "gate:host-gateway"], Dns: ["192.0.2.53"], DnsSearch: ["example.org"], DnsOptions: ["ndots:1"] } }));
    await networks.attach(one);
    const files = await networks.files(one);
    expect(files.hostname).toBe("web\n");
    expect(files.hosts).toMatch(/^127\.0\.0\.1\tlocalhost\n[^]*10\.0\.0\.1\tdb\n172\.17\.0\.1\tgate\n172\.17\.0\.2\tweb\.example\.org web\n$/);
    expect(files.resolvConf).toBe("nameserver 192.0.2.53\nsearch example.org\noptions ndots:1\n");
    expect(await networks.files(known(containerNamed("two", { hostConfig: { NetworkMode: "container:one" } })))).toEqual(files);
  });
});

describe("recover", () => {
  test("makes true again what runs, and drops what does not", async () => {
    const { networks, parts, known } = await bed();
    const publishing = (name: string, port: string): Container => known(containerNamed(name, { hostConfig: { PortBindings: { "80/tcp": [{ HostPort: port }] } } }));
    const one = publishing("one", "8080"), two = publishing("two", "8081");
    await networks.attach(one);
    await networks.attach(two);
    parts.spaces.add("stray");
    parts.driver.calls.length = 0;
    await networks.recover([one]);
    expect(parts.driver.calls.sort()).toEqual(["connect bridge eth0 172.17.0.2", "ensure bridge", "publish bridge 0.0.0.0:8080->80/tcp", "unpublish bridge 0.0.0.0:8081->80/tcp"]);
    expect([...parts.spaces]).toEqual([one.id]);
    expect(parts.store.endpoints({}).map((e) => e.container)).toEqual([one.id]);
    expect(parts.store.ports().map((p) => p.hostPort)).toEqual([8080]);
  });
  test("undoes half a connect, completes half a disconnect", async () => {
    const { networks, parts, known } = await bed();
    for (const name of ["a", "b"]) await networks.create({ name });
    const one = known({ ...containerNamed("one", { hostConfig: { NetworkMode: "a" } }), networks: { a: {}, b: {} } });
    await networks.attach(one);
    const after = known({ ...one, networks: { a: {} } });
    await networks.recover([after]);
    expect(parts.store.endpoints({}).map((e) => parts.store.get(e.network).name)).toEqual(["a"]);
    expect(parts.driver.calls).toContain("disconnect b eth1");
  });
  test("goes on past a network that cannot be made", async () => {
    const { networks, parts, known } = await bed();
    const one = known(containerNamed("one"));
    await networks.attach(one);
    parts.driver.refuse = "ensure";
    parts.driver.calls.length = 0;
    await networks.recover([one]);
    expect(parts.driver.calls).toEqual(["connect bridge eth0 172.17.0.2"]);
  });
});
