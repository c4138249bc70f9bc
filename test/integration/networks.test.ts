import { Background, type Daemon, type TestBed, daemonNeeds, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "curl");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});
afterEach(async () => {
  await daemon.removeContainers();
});

const serve = (name: string, ...options: string[]): Promise<string> =>
  daemon.dockerOk("run", "-d", "--name", name, ...options, "busybox", "sh", "-c", `mkdir /www; echo ${name} > /www/index.html; exec httpd -f -h /www -p 80`);
const addressOf = (name: string): Promise<string> => daemon.dockerOk("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name);
const output = (...args: string[]): Promise<string> => daemon.dockerOk("run", "--rm", ...args);

describe("the default network", () => {
  it("is called bridge and gives each container an address", async () => {
    expect((await daemon.dockerOk("network", "ls", "--format", "{{.Name}} {{.Driver}}")).split("\n").sort()).toEqual(["bridge bridge", "host host", "none null"]);
    await serve("one");
    await serve("two");
    const [one, two] = [await addressOf("one"), await addressOf("two")];
    expect(one).not.toBe(two);
    expect(await bed.netns.fetch(`http://${one}/`)).toBe("one");
    expect(await output("busybox", "wget", "-q", "-O", "-", `http://${two}/`)).toBe("two");
    const { Containers, Options } = await daemon.inspect("bridge", "network");
    expect(Object.values(Containers as Record<string, { Name: string }>).map(({ Name }) => Name).sort()).toEqual(["one", "two"]);
    expect(Options["com.docker.network.bridge.default_bridge"]).toBe("true");
    const gateway = (await daemon.inspect("one")).NetworkSettings.Networks.bridge.Gateway as string;
    expect(await output("busybox", "sh", "-c", "ip route | grep default | cut -d' ' -f3")).toBe(gateway);
    const settings = (await daemon.inspect("one")).NetworkSettings;
    expect(settings.Networks.bridge).toMatchObject({ Gateway: gateway, IPAddress: one, IPPrefixLen: expect.any(Number), MacAddress: expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/) });
  });

  it("gives an address back", async () => {
    await serve("first");
    const address = await addressOf("first");
    await daemon.dockerOk("rm", "-f", "first");
    expect(await addressOf("first").catch(() => "gone")).toBe("gone");
    expect(await bed.netns.run("curl", ["-s", "--max-time", "1", `http://${address}/`])).toMatchObject({ code: expect.any(Number), stdout: "" });
  });

  it("writes hosts, hostname and resolv.conf", async () => {
    expect(await output("--name", "named", "-h", "myhost", "--add-host", "db:10.1.2.3", "--dns", "192.0.2.53", "--dns-search", "example.org", "busybox", "sh", "-c", "cat /etc/hostname; grep -c myhost /etc/hosts; grep db /etc/hosts; cat /etc/resolv.conf"))
      .toMatch(/^myhost\n1\n10\.1\.2\.3\s+db\n[^]*search example\.org\n?[^]*nameserver 192\.0\.2\.53|^myhost\n1\n10\.1\.2\.3\s+db\n[^]*nameserver 192\.0\.2\.53\n[^]*search example\.org/);
  });
});

describe("published ports", () => {
  it("answer on loopback and on the host's addresses, and stop with the container", async () => {
    await bed.netns.ok("ip", ["link", "add", "outer", "type", "bridge"]);
    await bed.netns.ok("ip", ["addr", "add", "192.0.2.1/24", "dev", "outer"]);
    await bed.netns.ok("ip", ["link", "set", "outer", "up"]);
    await serve("open", "-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "80");
    expect(await bed.netns.fetch("http://127.0.0.1:8080/")).toBe("open");
    expect(await bed.netns.fetch("http://192.0.2.1:8080/")).toBe("open");
    expect(await bed.netns.fetch("http://127.0.0.1:8081/")).toBe("open");
    expect((await bed.netns.run("curl", ["-s", "--max-time", "2", "http://192.0.2.1:8081/"])).code).not.toBe(0);
    const ports = (await daemon.dockerOk("port", "open")).split("\n");
    expect(ports).toEqual(expect.arrayContaining(["80/tcp -> 0.0.0.0:8080", "80/tcp -> 127.0.0.1:8081"]));
    const random = ports.map((line) => /0\.0\.0\.0:(\d+)$/.exec(line)?.[1]).find((port) => port && port !== "8080");
    expect(await bed.netns.fetch(`http://127.0.0.1:${random!}/`)).toBe("open");
    expect(await daemon.dockerOk("ps", "--format", "{{.Ports}}")).toMatch(/0\.0\.0\.0:8080->80\/tcp/);
    // From another container, through the host.
    expect(await output("busybox", "wget", "-q", "-O", "-", "http://192.0.2.1:8080/")).toBe("open");
    await daemon.dockerOk("stop", "-t", "0", "open");
    expect((await bed.netns.run("curl", ["-s", "--max-time", "2", "http://127.0.0.1:8080/"])).code).not.toBe(0);
    await daemon.dockerOk("start", "open");
    expect(await bed.netns.fetch("http://127.0.0.1:8080/")).toBe("open");
  });

  it("refuse one that is taken, and leave nothing behind", async () => {
    await serve("first", "-p", "8090:80");
    const { code, stderr } = await daemon.docker(["run", "-d", "--name", "second", "-p", "8090:80", "busybox", "sleep", "100"]);
    expect([code, stderr]).toEqual([125, expect.stringMatching(/port is already allocated|address already in use/)]);
    expect((await daemon.inspect("second")).State.Status).toBe("created");
    await daemon.dockerOk("rm", "-f", "first");
    await daemon.dockerOk("start", "second");
  });

  it("carry UDP and ranges", async () => {
    await daemon.dockerOk("run", "-d", "--name", "udp", "-p", "5300-5301:5300-5301/udp", "busybox", "sleep", "100");
    const { Pid } = (await daemon.inspect("udp")).State;
    // busybox has no UDP server: this machine's Node listens inside the container's network.
    const listen = 'require("dgram").createSocket("udp4").on("message", (m) => console.log("got " + m)).bind(5301)';
    const server = new Background("nsenter", [`--net=/proc/${Pid as number}/ns/net`, process.execPath, "-e", listen]);
    try {
      await until(async () => {
        await bed.netns.run("bash", ["-c", "echo hello > /dev/udp/127.0.0.1/5301"]);
        return server.output.includes("got hello") || undefined;
      }, 10_000, "the datagram");
    } finally {
      server.kill("SIGKILL");
    }
    expect(await daemon.dockerOk("port", "udp")).toMatch(/5301\/udp -> 0\.0\.0\.0:5301/);
  });
});

describe("modes", () => {
  it("host, none and another container's", async () => {
    expect(await output("--network", "none", "busybox", "sh", "-c", "ip -o link | grep -v -c -e tunl -e sit -e gre -e vti -e tnl")).toBe("1");
    await serve("shared");
    expect(await output("--network", "container:shared", "busybox", "wget", "-q", "-O", "-", "http://127.0.0.1/")).toBe("shared");
    const hostNs = await bed.netns.ok("readlink", ["/proc/self/ns/net"]);
    expect(await output("--network", "host", "busybox", "readlink", "/proc/self/ns/net")).toBe(hostNs);
    expect((await daemon.docker(["run", "--rm", "--network", "container:no-such", "busybox", "true"])).stderr).toMatch(/No such container: no-such/);
    expect((await daemon.docker(["run", "--rm", "--network", "no-such", "busybox", "true"])).stderr).toMatch(/network no-such not found/);
  });
});

describe("networks of one's own", () => {
  it("are made with a subnet, keep apart, and are removed when empty", async () => {
    await daemon.dockerOk("network", "create", "--subnet", "10.123.0.0/24", "--gateway", "10.123.0.7", "--label", "x=y", "blue");
    await serve("web", "--network", "blue", "--ip", "10.123.0.50");
    expect(await addressOf("web")).toBe("10.123.0.50");
    expect(await bed.netns.fetch("http://10.123.0.50/")).toBe("web");
    expect(await output("--network", "blue", "busybox", "sh", "-c", "ip route | grep default | cut -d' ' -f3; wget -q -O - http://10.123.0.50/")).toBe("10.123.0.7\nweb");
    expect((await daemon.docker(["run", "--rm", "busybox", "timeout", "2", "wget", "-q", "-O", "-", "http://10.123.0.50/"])).code).not.toBe(0);
    expect((await daemon.docker(["network", "rm", "blue"])).stderr).toMatch(/has active endpoints/);
    expect((await daemon.docker(["network", "create", "blue"])).stderr).toMatch(/network with name blue already exists/);
    expect(await daemon.dockerOk("network", "ls", "-q", "--filter", "label=x=y", "--no-trunc")).toBe((await daemon.inspect("blue", "network")).Id);

    await serve("both");
    await daemon.dockerOk("network", "connect", "blue", "both");
    expect(Object.keys((await daemon.inspect("both")).NetworkSettings.Networks as object).sort()).toEqual(["blue", "bridge"]);
    expect(await daemon.dockerOk("exec", "both", "wget", "-q", "-O", "-", "http://10.123.0.50/")).toBe("web");
    await daemon.dockerOk("network", "disconnect", "blue", "both");
    expect((await daemon.docker(["exec", "both", "timeout", "2", "wget", "-q", "-O", "-", "http://10.123.0.50/"])).code).not.toBe(0);

    await daemon.dockerOk("rm", "-f", "web", "both");
    await daemon.dockerOk("network", "rm", "blue");
    expect((await daemon.api("GET", "/networks/blue")).status).toBe(404);
    expect((await daemon.docker(["network", "rm", "bridge"])).stderr).toMatch(/pre-defined network/);
  });
});
