import { type Daemon, type TestBed, daemonNeeds, needs, setUp } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "curl");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});
afterEach(async () => {
  await daemon.removeContainers();
  const left = (await docker("network ls -q --filter type=custom")).split("\n").filter(Boolean);
  // Twice: a network that others take their settings from goes last.
  for (let turn = 0; turn < 2 && left.length > 0; turn++) await daemon.docker(["network", "rm", "-f", ...left]);
}, 60_000);

/** A command line whose words have no spaces; it must succeed. */
const docker = (line: string, ...more: string[]): Promise<string> => daemon.dockerOk(...line.trim().split(" "), ...more);
/** What a command line that must fail says. */
async function refusal(line: string): Promise<string> {
  const { code, stderr } = await daemon.docker(line.split(" "));
  expect([line, code]).toEqual([line, expect.any(Number)]);
  expect([line, code === 0]).toEqual([line, false]);
  return stderr;
}
const names = async (filters: string): Promise<string[]> => (await docker(`network ls --format {{.Name}} ${filters}`)).split("\n").filter(Boolean).sort();
const bridge = (name: string): string => `com.docker.network.bridge.${name}`;
const endpoint = (name: string): string => `driver-opt=com.docker.network.endpoint.${name}`;
const sleeper = (name: string, options = ""): Promise<string> => docker(`run -d --name ${name}${options === "" ? "" : ` ${options}`} busybox sleep 1000`);

describe("docker network create, inspect, ls, rm", () => {
  it("take every flag, and tell it again", async () => {
    const id = await docker(`network create -d bridge --subnet 10.50.0.0/16 --ip-range 10.50.5.0/24 --gateway 10.50.5.254 --aux-address a=10.50.5.0 --aux-address b=10.50.5.2 --ipv6 --subnet fd00:50::/64 --label a=b --label c
      --attachable --internal --scope local --ipam-driver default --ipam-opt k=v -o com.docker.network.driver.mtu=1400 -o ${bridge("name")}=walk0 green`.replace(/\s+/g, " "));
    expect(await daemon.inspect("green", "network")).toMatchObject({
      Name: "green", Id: id, Scope: "local", Driver: "bridge", EnableIPv4: true, EnableIPv6: true, Internal: true, Attachable: true, Ingress: false, ConfigOnly: false, ConfigFrom: { Network: "" },
      IPAM: { Driver: "default", Options: { k: "v" }, Config: [
        { Subnet: "10.50.0.0/16", IPRange: "10.50.5.0/24", Gateway: "10.50.5.254", AuxiliaryAddresses: { a: "10.50.5.0", b: "10.50.5.2" } }, { Subnet: "fd00:50::/64", Gateway: "fd00:50::1" },
      ] },
      Options: { "com.docker.network.driver.mtu": "1400", [bridge("name")]: "walk0" }, Labels: { a: "b", c: "" }, Containers: {},
    });
    await sleeper("one", "--network green");
    const [verbose] = JSON.parse(await docker("network inspect -v green")) as [{ Containers: Record<string, { Name: string; IPv4Address: string }> }];
    expect(Object.values(verbose.Containers)).toEqual([expect.objectContaining({ Name: "one", IPv4Address: "10.50.5.1/16" })]);
    expect(await docker("network inspect -f {{.Driver}}/{{.Internal}} green bridge")).toBe("bridge/true\nbridge/false");
    expect(await docker("exec one cat /sys/class/net/eth0/mtu")).toBe("1400");
    expect(await bed.netns.ok("ip", ["-br", "link", "show", "walk0"])).toMatch(/^walk0/);
    expect(await refusal("network rm green nobody")).toMatch(/network green id [0-9a-f]{64} has active endpoints[^]*network nobody not found/);
    await docker("rm -f one");
    expect(await docker("network rm green")).toBe("green");
    expect((await bed.netns.run("ip", ["link", "show", "walk0"])).code).not.toBe(0);
    expect(await docker("network rm -f green")).toBe("");
    expect(await refusal("network inspect green")).toContain("network green not found");
  });

  it("list by every filter", async () => {
    await docker("network create --label a=b blue");
    await docker("network create red");
    await sleeper("one", "--network red");
    const id = await docker("network ls -q --no-trunc --filter name=^blue$");
    expect(await names("")).toEqual(["blue", "bridge", "host", "none", "red"]);
    expect(await names("--filter dangling=true")).toEqual(["blue"]);
    expect(await names("--filter dangling=false")).toEqual(["bridge", "host", "none", "red"]);
    expect(await names("--filter driver=null --filter driver=host")).toEqual(["host", "none"]);
    expect(await names(`--filter id=${id.slice(0, 12)}`)).toEqual(["blue"]);
    expect(await names("--filter label=a --filter label=a=b")).toEqual(["blue"]);
    expect(await names("--filter name=bl --filter name=re")).toEqual(["blue", "red"]);
    expect(await names("--filter name=^r.d$")).toEqual(["red"]);
    expect(await names("--filter scope=local --filter type=custom")).toEqual(["blue", "red"]);
    expect([await names("--filter scope=swarm"), await names("--filter type=builtin")]).toEqual([[], ["bridge", "host", "none"]]);
    expect(await docker("network ls")).toMatch(/^NETWORK ID\s+NAME\s+DRIVER\s+SCOPE\n/);
    for (const filter of ["type=odd", "dangling=maybe", "colour=red"]) expect([filter, await refusal(`network ls --filter ${filter}`)]).toEqual([filter, expect.stringMatching(/invalid filter/)]);
  });

  it("refuse what cannot be, and leave nothing", async () => {
    await docker("network create --subnet 10.51.0.0/16 taken");
    const cases: readonly (readonly [string, RegExp])[] = [
      ["taken", /network with name taken already exists/], ["bridge", /not permitted on predefined bridge network/], ["default", /not permitted on predefined default network/], ["-d host x", /only one instance of "host" network is allowed/],
      ["-d overlay x", /not a swarm manager/], ["--ingress x", /Ingress network can only be global scope/], ["--scope swarm x", /swarm is not active/], ["-d odd x", /could not find plugin odd/],
      ["--ipam-driver odd x", /could not find plugin odd/], ["--subnet 10.51.7.0/24 x", /Pool overlaps with other one on this address space/], ["--subnet 10.60.0.0 x", /invalid subnet 10\.60\.0\.0/],
      ["--subnet 10.60.0.5/24 x", /it should be 10\.60\.0\.0\/24/], ["--subnet 10.60.0.0/24 --gateway 10.61.0.1 x", /no matching subnet for gateway 10\.61\.0\.1/],
      ["--subnet 10.60.0.0/24 --ip-range 10.61.0.0/24 x", /no matching subnet for range 10\.61\.0\.0/], ["--subnet 10.60.0.0/24 --subnet 10.61.0.0/24 x", /bridge driver doesn't support multiple subnets/],
      ["--subnet 10.60.0.0/24 --gateway odd x", /odd/], ["-o com.docker.network.driver.mtu=many x", /com\.docker\.network\.driver\.mtu.*many/], [`-o ${bridge("enable_icc")}=maybe x`, /enable_icc value: "maybe"/],
      [`-o ${bridge("name")}=much-too-long-for-one x`, /invalid interface name/], [`-o ${bridge("host_binding_ipv4")}=odd x`, /host_binding_ipv4.*"odd"/], [`-o ${bridge("gateway_mode_ipv4")}=odd x`, /gateway mode "odd"/],
      [`-o ${bridge("gateway_mode_ipv4")}=isolated x`, /only be used for an internal network/], ["--ipv4=false x", /IPv4 or IPv6 must be enabled/], ["--config-from nobody x", /configuration network "nobody" does not exist/],
    ];
    for (const [args, words] of cases) expect([args, await refusal(`network create ${args}`)]).toEqual([args, expect.stringMatching(words)]);
    expect(await names("--filter type=custom")).toEqual(["taken"]);
    expect((await bed.netns.ok("ip", ["-br", "link", "show", "type", "bridge"])).split("\n")).toHaveLength(2);
    const status = async (body: object): Promise<number> => (await daemon.api("POST", "/networks/create", { json: body })).status;
    expect(await status({ Name: "taken" })).toBe(409);
    expect([await status({ Name: "x", Scope: "swarm" }), await status({ Name: "x", Driver: "overlay" }), await status({ Name: "x", Driver: "odd" }), await status({ Name: "" }), await status({ Name: "x", IPAM: { Config: [{ Gateway: "10.0.0.1" }] } })]).toEqual([403, 503, 404, 400, 400]);
  });

  it("lend settings to others", async () => {
    await docker("network create --config-only --subnet 10.52.0.0/24 --label a=b -o com.docker.network.driver.mtu=1300 settings");
    expect(await daemon.inspect("settings", "network")).toMatchObject({ Driver: "null", ConfigOnly: true, IPAM: { Config: [{ Subnet: "10.52.0.0/24" }] } });
    await docker("network create --config-from settings made");
    expect(await daemon.inspect("made", "network")).toMatchObject({
      Driver: "bridge", ConfigFrom: { Network: "settings" }, Labels: { a: "b" }, Options: { "com.docker.network.driver.mtu": "1300" }, IPAM: { Config: [{ Subnet: "10.52.0.0/24", Gateway: "10.52.0.1" }] },
    });
    expect(await docker("run --rm --network made busybox cat /sys/class/net/eth0/mtu")).toBe("1300");
    expect(await refusal("run --rm --network settings busybox true")).toContain("cannot create endpoint on configuration-only network");
    expect(await refusal("network rm settings")).toContain('configuration network "settings" is in use');
  });
});

describe("docker network connect, disconnect", () => {
  it("take every flag", async () => {
    await docker("network create --subnet 10.53.0.0/24 --ipv6 --subnet fd00:53::/64 blue");
    await docker("network create red");
    await sleeper("one");
    await sleeper("two", "--network blue");
    await docker(`network connect --ip 10.53.0.77 --ip6 fd00:53::77 --alias uno --alias eins --link two:zwei --link-local-ip 169.254.10.20 --driver-opt com.docker.network.endpoint.ifname=blue0 --gw-priority 5 blue one`);
    expect((await daemon.inspect("one")).NetworkSettings.Networks.blue).toMatchObject({
      IPAMConfig: { IPv4Address: "10.53.0.77", IPv6Address: "fd00:53::77", LinkLocalIPs: ["169.254.10.20"] }, Links: ["two:zwei"], Aliases: ["uno", "eins"], GwPriority: 5,
      DriverOpts: { "com.docker.network.endpoint.ifname": "blue0" }, IPAddress: "10.53.0.77", GlobalIPv6Address: "fd00:53::77", DNSNames: expect.arrayContaining(["one", "uno", "eins"]),
    });
    expect(await docker("exec one ip -o -4 addr show blue0")).toMatch(/10\.53\.0\.77\/24[^]*169\.254\.10\.20\/16/);
    expect(await docker("exec one ip route")).toMatch(/^default via 10\.53\.0\.1 dev blue0/m);
    expect(await docker("exec two ping -c 1 eins")).toMatch(/\((10\.53\.0\.77|fd00:53::77)\)/);
    expect(await docker("exec one ping -c 1 zwei")).toContain("1 packets received");
    expect(await refusal("network connect blue one")).toContain("endpoint with name one already exists in network blue");
    expect(await refusal("network connect --ip 10.53.0.77 blue nobody")).toContain("No such container: nobody");
    expect(await refusal("network connect nowhere one")).toContain("network nowhere not found");
    for (const network of ["host", "none"]) expect(await refusal(`network connect ${network} one`)).toMatch(/cannot be (dis)?connected/);
    await docker("stop -t 0 two");
    await docker("network connect red two");
    await docker("start two");
    expect(Object.keys((await daemon.inspect("two")).NetworkSettings.Networks as object).sort()).toEqual(["blue", "red"]);
    await docker("network disconnect blue one");
    expect(await docker("exec one ip -o link")).not.toContain("blue0");
    expect(await refusal("network disconnect blue one")).toMatch(/is not connected to (the )?network blue/);
    expect(await refusal("network disconnect -f blue nobody")).toContain("endpoint nobody not found");
    await docker("network disconnect -f red two");
    const connect = async (body: object): Promise<number> => (await daemon.api("POST", "/networks/blue/connect", { json: body })).status;
    expect([await connect({}), await connect({ Container: "two" }), await connect({ Container: "one", EndpointConfig: { IPAMConfig: { IPv4Address: "odd" } } }), await connect({ Container: "one", EndpointConfig: { MacAddress: "odd" } })]).toEqual([400, 403, 400, 400]);
  });

  it("give each end what was asked at create: several networks, addresses, names, settings", async () => {
    await docker("network create --subnet 10.54.0.0/24 blue");
    await docker(`network create --subnet 10.55.0.0/24 -o com.docker.network.container_iface_prefix=red red`);
    await docker(`run -d --name one --network name=blue,ip=10.54.0.9,mac-address=02:11:22:33:44:55,alias=uno,${endpoint("ifname=blue0")} --network name=red,gw-priority=9,${endpoint("sysctls=net.ipv4.conf.IFNAME.log_martians=1")} busybox sleep 1000`);
    const links = await docker("exec one ip -o addr");
    expect(links).toMatch(/blue0\s+inet 10\.54\.0\.9\/24/);
    expect(links).toMatch(/red0\s+inet 10\.55\.0\.2\/24/);
    expect(await docker("exec one ip route")).toMatch(/^default via 10\.55\.0\.1 dev red0/m);
    expect(await docker("exec one cat /proc/sys/net/ipv4/conf/red0/log_martians /proc/sys/net/ipv4/conf/blue0/log_martians /sys/class/net/blue0/address")).toBe("1\n0\n02:11:22:33:44:55");
    await daemon.restart();
    expect(await docker("exec one ip -o addr")).toMatch(/blue0\s+inet 10\.54\.0\.9\/24/);
    const cases: readonly (readonly [string, RegExp])[] = [
      [`--network name=blue,${endpoint("ifname=a/b")}`, /ifname: invalid interface name/], [`--network name=blue,${endpoint("sysctls=kernel.panic=1")}`, /sysctls.*kernel\.panic/],
      [`--network name=blue,${endpoint("ifname=x0")} --network name=red,${endpoint("ifname=x0")}`, /has an interface x0 already/], ["--network name=blue,link-local-ip=odd", /invalid link-local/i],
      ["--network blue --ip 10.54.0.9", /Address already in use/], ["--network blue --ip 10.54.0.1", /Address already in use/], ["--network blue --ip 10.9.9.9", /no configured subnet/], ["--ip 172.17.0.99", /user defined networks only/],
      ["--network blue --mac-address odd", /mac/i], ["--network host --mac-address 02:11:22:33:44:66", /conflicting options: mac-address/], ["--network-alias x", /only supported.*user-defined networks/],
      ["--network none --network blue", /cannot attach both user-defined and non-user-defined/], ["--network container:one -p 80:80", /conflicting options: port publishing/], ["--network container:one --expose 80", /conflicting options: port exposing/],
      ["--network container:one --link one", /can't be used with links/], ["--network container:nobody", /No such container: nobody/], ["--network nowhere", /network nowhere not found/],
    ];
    for (const [args, words] of cases) expect([args, await refusal(`run --rm ${args} busybox true`)]).toEqual([args, expect.stringMatching(words)]);
  });
});

describe("options of bridges", () => {
  it("decide who reaches what", async () => {
    await docker(`network create --subnet 10.56.0.0/24 -o ${bridge("enable_icc")}=false apart`);
    await docker(`network create --subnet 10.57.0.0/24 -o ${bridge("inhibit_ipv4")}=true -o ${bridge("name")}=bare0 bare`);
    await docker(`network create --internal --subnet 10.58.0.0/24 -o ${bridge("gateway_mode_ipv4")}=isolated -o ${bridge("name")}=alone0 alone`);
    await docker(`network create --subnet 10.59.0.0/24 -o ${bridge("gateway_mode_ipv4")}=nat-unprotected open`);
    await docker("network create --subnet 10.60.0.0/24 shut");
    await docker(`network create --subnet 10.63.0.0/24 -o ${bridge("gateway_mode_ipv4")}=routed routed`);
    await docker("run -d --name r1 --network routed --ip 10.63.0.8 -p 8099:80 busybox sh -c", "mkdir /www; echo routed > /www/index.html; httpd -h /www -p 81; exec httpd -f -h /www -p 80");
    expect(await docker("port r1")).toBe("");
    for (const name of ["bare0", "alone0"]) expect(await bed.netns.ok("ip", ["-4", "-br", "addr", "show", name])).toBe("");
    await Promise.all([sleeper("a1", "--network apart"), sleeper("a2", "--network apart"), sleeper("i1", "--network alone --ip 10.58.0.8"), sleeper("i2", "--network alone"), sleeper("o1", "--network open --ip 10.59.0.8"), sleeper("s1", "--network shut --ip 10.60.0.8")]);
    const ping = async (...inside: string[]): Promise<boolean> => (await daemon.docker(["exec", ...inside.slice(0, 1), "ping", "-c", "1", "-W", "2", ...inside.slice(1)])).code === 0;
    expect([await ping("a1", "a2"), await ping("a1", "10.56.0.1"), await ping("i2", "10.58.0.8")]).toEqual([false, true, true]);
    // Another machine, whose way to the containers leads through this one.
    const other = `${bed.netns.name}-o`;
    await bed.netns.ok("ip", ["netns", "add", other]);
    try {
      await bed.netns.ok("ip", ["link", "add", "wan", "type", "veth", "peer", "name", "eth0", "netns", other]);
      await bed.netns.ok("ip", ["addr", "add", "192.0.2.1/24", "dev", "wan"]);
      await bed.netns.ok("ip", ["link", "set", "wan", "up"]);
      for (const args of [["addr", "add", "192.0.2.2/24", "dev", "eth0"], ["link", "set", "eth0", "up"], ["route", "add", "default", "via", "192.0.2.1"]]) await bed.netns.ok("ip", ["-n", other, ...args]);
      const reaches = async (address: string): Promise<boolean> => (await bed.netns.run("ip", ["netns", "exec", other, "busybox", "ping", "-c", "1", "-W", "2", address])).code === 0;
      const answer = async (url: string): Promise<string> => (await bed.netns.run("ip", ["netns", "exec", other, "curl", "-s", "--max-time", "3", url])).stdout.trim();
      await docker("restart -t 0 r1");
      await daemon.restart();
      expect(await bed.netns.fetch("http://10.63.0.8/")).toBe("routed");
      expect([await answer("http://10.63.0.8/"), await answer("http://10.63.0.8:81/"), await reaches("10.63.0.8"), await answer("http://192.0.2.1:8099/")]).toEqual(["routed", "", true, ""]);
      // Its own address is what others see.
      const seen = await docker("exec r1 ping -c 1 192.0.2.2").catch(() => "no way back");
      expect(seen).toContain("1 packets received");
      expect([await reaches("10.59.0.8"), await reaches("10.60.0.8"), await ping("s1", "10.59.0.8"), await ping("s1", "192.0.2.2")]).toEqual([true, false, false, true]);
    } finally {
      await bed.netns.run("ip", ["netns", "del", other]);
    }
  }, 60_000);
});

describe("ports", () => {
  const ports = async (name: string): Promise<string[]> => (await docker(`port ${name}`)).split("\n").sort();

  it("are published as they are asked for, in every form", async () => {
    await sleeper("many", "-p 8000-8002:80-82 -p 127.0.0.1:8100:90 -p 127.0.0.1::91 -p 92 -p 127.0.0.2:8100:90/udp -p 9101:93/sctp");
    expect(await ports("many")).toEqual([
      "80/tcp -> 0.0.0.0:8000", "81/tcp -> 0.0.0.0:8001", "82/tcp -> 0.0.0.0:8002", "90/tcp -> 127.0.0.1:8100", "90/udp -> 127.0.0.2:8100", expect.stringMatching(/^91\/tcp -> 127\.0\.0\.1:\d+$/),
      expect.stringMatching(/^92\/tcp -> 0\.0\.0\.0:\d+$/), "93/sctp -> 0.0.0.0:9101",
    ]);
    expect([await docker("port many 81"), await docker("port many 90/udp")]).toEqual(["0.0.0.0:8001", "127.0.0.2:8100"]);
    expect(await refusal("port many 99")).toMatch(/no public port '99/i);
    expect(await docker("ps --format {{.Ports}}")).toMatch(/0\.0\.0\.0:8000-8002->80-82\/tcp|0\.0\.0\.0:8000->80\/tcp/);
    await sleeper("all", "--expose 90-92 --expose 53/udp -P");
    expect((await ports("all")).map((line) => line.split(" ")[0])).toEqual(["53/udp", "90/tcp", "91/tcp", "92/tcp"]);
    const cases: readonly (readonly [string, RegExp])[] = [
      ["-p 8000:80", /port is already allocated/], ["-p 9200:80 -p 9200:81", /port is already allocated/], ["-p 192.0.2.99:9300:80", /192\.0\.2\.99:9300/], ["-p 70000:80", /70000/], ["-p 80:80/odd", /odd/], ["-p 1-3:1-2", /range/i],
      ["-p [::1]:9100:80", /no IPv6 address on network bridge/],
    ];
    for (const [args, words] of cases) expect([args, await refusal(`run --rm ${args} busybox true`)]).toEqual([args, expect.stringMatching(words)]);
  });

  it("of containers that have IPv6 only are those of IPv6", async () => {
    await docker("network create --ipv4=false --ipv6 --subnet fd00:61::/64 six");
    await docker("run -d --name web --network six -p 8080:80 busybox sh -c", "mkdir /www; echo six > /www/index.html; exec httpd -f -h /www -p 80");
    expect(await ports("web")).toEqual(["80/tcp -> [::]:8080"]);
    expect(await bed.netns.fetch("http://[fd00:61::1]:8080/")).toBe("six");
    expect(await refusal("run --rm --network six -p 127.0.0.1:8081:80 busybox true")).toContain("cannot publish on 127.0.0.1: the container has no IPv4 address on network six");
  });
});

describe("links on the default network", () => {
  it("tell ports, follow renames and are removed alone", async () => {
    await sleeper("db", "--expose 5432 --expose 6000-6002 -e FOO=bar -h dbhost");
    await sleeper("web", "--link db --link db:alias");
    const address = await docker("inspect -f {{.NetworkSettings.Networks.bridge.IPAddress}} db");
    const environment = (await docker("exec web env")).split("\n");
    expect(environment).toEqual(expect.arrayContaining([
      `DB_PORT=tcp://${address}:5432`, `DB_PORT_6000_TCP_START=tcp://${address}:6000`, "DB_PORT_6000_TCP_PORT_END=6002", `ALIAS_PORT_6001_TCP_ADDR=${address}`, "DB_NAME=/web/db", "ALIAS_ENV_FOO=bar",
    ]));
    await docker("rename db db2");
    expect(await docker("inspect -f {{.HostConfig.Links}} web")).toBe("[/db2:/web/db /db2:/web/alias]");
    expect(await docker("ps --no-trunc --format {{.Names}} --filter name=db2")).toBe("db2,web/db,web/alias");
    await docker("restart -t 0 web");
    expect(await docker("exec web cat /etc/hosts")).toMatch(new RegExp(`${address}\\s+db dbhost db2\\n${address}\\s+alias dbhost db2`));
    expect(await docker("rm --link web/alias")).toBe("web/alias");
    expect(await docker("inspect -f {{.HostConfig.Links}} web")).toBe("[/db2:/web/db]");
    expect(await refusal("rm --link web/alias")).toContain("No such container: web/alias");
    expect(await refusal("rm --link web")).toContain("cannot remove the default link name");
    await docker("rm -f db2");
    expect(await refusal("restart -t 0 web")).toContain("Cannot link to a non running container: /db2 AS /web/db");
    expect(await refusal("run --rm --link nobody busybox true")).toContain("could not get container for nobody");
  });
});

describe("docker network prune", () => {
  it("takes what nobody uses, by label and age", async () => {
    for (const args of ["--label keep blue", "--label a=b red", "--config-only settings", "used"]) await docker(`network create ${args}`);
    await docker("create --network used busybox true");
    expect(await docker("network prune -f --filter until=1h")).toBe("");
    expect(await docker("network prune -f --filter label=a=c")).toBe("");
    expect(await docker("network prune -f --filter label!=keep")).toBe("Deleted Networks:\nred\n");
    expect(await docker("network prune -f")).toBe("Deleted Networks:\nblue\n");
    expect(await names("--filter type=custom")).toEqual(["settings", "used"]);
    for (const filter of ["colour=red", "until=someday"]) expect(await refusal(`network prune -f --filter ${filter}`)).toMatch(/invalid/);
  });
});
