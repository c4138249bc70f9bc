import type { Container, Endpoint } from "../../core/index.js";
import type { ContainerView } from "../../services/types.js";
import { humanDuration } from "./duration.js";
import { encodeContainer, encodeContainerSummary, statusText } from "./containers.js";
import { containerInspect, containerSummary } from "./shapes.js";

const NOW = 1_800_000_000_000;
const state: Container["state"] = { status: "running", pid: 42, exitCode: 0, error: "", oomKilled: false, startedAt: NOW - 3000, restartCount: 0 };
const container = {
  id: "a".repeat(64), name: "web", imageId: "sha256:1", imageName: "busybox:1", createdAt: NOW - 5000, path: "httpd", args: ["-f", "-h", "/w w"],
  config: { Image: "busybox:1", ExposedPorts: { "80/tcp": {}, "81/tcp": {} }, Labels: { a: "b" }, Hostname: "aaaaaaaaaaaa" },
  hostConfig: { NetworkMode: "net", PortBindings: { "80/tcp": [{ HostPort: "8080" }] }, Annotations: { x: "y" } },
  networks: { net: { Aliases: ["www"] } }, mounts: [{ Type: "volume", Name: "v", Source: "/s", Destination: "/d", Driver: "local", Mode: "z", RW: true, Propagation: "" }], driver: "overlay2", state,
} as unknown as Container;
const endpoint = {
  id: "e1", network: "n1", container: container.id, interfaceName: "eth0", hostInterface: "v0", mac: "02:42:ac:11:00:02", ipv4: "172.17.0.2", prefix: 16, gateway: "172.17.0.1", ipv6: null, prefix6: 0,
  gateway6: null, aliases: [], networkName: "net",
} as unknown as Endpoint & { networkName: string };
const view: ContainerView = { container, endpoints: [endpoint], ports: [{ protocol: "tcp", containerPort: 80, hostIp: "0.0.0.0", hostPort: 8080 }] };
const facts = { directory: "/root/containers", graphDriver: { name: "overlay2", data: { MergedDir: "/m" } }, sandbox: "/run/netns/a", execs: [] };

test.each([
  [500, "Less than a second"], [1000, "1 second"], [59_000, "59 seconds"], [60_000, "About a minute"], [119_000, "About a minute"], [120_000, "2 minutes"], [3_600_000, "About an hour"],
  [2 * 3_600_000, "2 hours"], [47 * 3_600_000, "47 hours"], [48 * 3_600_000, "2 days"], [13 * 86_400_000, "13 days"], [15 * 86_400_000, "2 weeks"], [61 * 86_400_000, "2 months"], [800 * 86_400_000, "2 years"],
])("%d ms is %s", (ms, text) => expect(humanDuration(ms)).toBe(text));

test.each<[Partial<Container["state"]>, string]>([
  [{}, "Up 3 seconds"], [{ status: "paused" }, "Up 3 seconds (Paused)"], [{ status: "created" }, "Created"], [{ status: "dead" }, "Dead"], [{ status: "removing" }, "Removal In Progress"],
  [{ status: "exited", exitCode: 137, finishedAt: NOW - 120_000 }, "Exited (137) 2 minutes ago"], [{ status: "restarting", exitCode: 1, finishedAt: NOW - 1000 }, "Restarting (1) 1 second ago"],
])("%j reads %s", (change, text) => expect(statusText({ ...state, ...change }, NOW)).toBe(text));

test("list", () => {
  const summary = encodeContainerSummary(view, NOW);
  expect(summary).toMatchObject({
    Names: ["/web"], Image: "busybox:1", ImageID: "sha256:1", Command: "httpd -f -h '/w w'", Created: (NOW - 5000) / 1000, State: "running", Status: "Up 3 seconds",
    Ports: [{ IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" }, { PrivatePort: 81, Type: "tcp" }],
    HostConfig: { NetworkMode: "net", Annotations: { x: "y" } }, NetworkSettings: { Networks: { net: { IPAddress: "172.17.0.2", NetworkID: "n1" } } },
    Mounts: [{ Type: "volume", Name: "v", Source: "/s", Destination: "/d", Driver: "local", Mode: "z", RW: true, Propagation: "" }],
  });
  expect(summary).not.toHaveProperty("SizeRw");
  expect(encodeContainerSummary({ ...view, sizeRw: 5, sizeRootFs: 9 }, NOW)).toMatchObject({ SizeRw: 5, SizeRootFs: 9 });
  expect(containerSummary(summary, 45).HostConfig).toEqual({ NetworkMode: "net" });
});

test("inspect", () => {
  const inspect = encodeContainer(view, facts);
  expect(inspect).toMatchObject({
    Name: "/web", Path: "httpd", Image: "sha256:1", LogPath: `/root/containers/${container.id}/${container.id}-json.log`, GraphDriver: { Name: "overlay2", Data: { MergedDir: "/m" } },
    State: { Status: "running", Running: true, Paused: false, Pid: 42, FinishedAt: "0001-01-01T00:00:00Z" },
    HostConfig: { NetworkMode: "net", Binds: null, CapAdd: null, ShmSize: 67108864 },
    NetworkSettings: { Ports: { "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }], "81/tcp": null }, SandboxKey: "/run/netns/a", IPAddress: "" },
  });
  expect(inspect.State.StartedAt).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z$/);
  expect(inspect.NetworkSettings.Networks["net"]).toMatchObject({ Aliases: ["www"], DNSNames: ["web", "www", "aaaaaaaaaaaa"], MacAddress: "02:42:ac:11:00:02", IPPrefixLen: 16, GwPriority: 0 });
});

test("inspect as older versions know it", () => {
  const inspect = encodeContainer(view, facts);
  expect(containerInspect(inspect, 51)).toBe(inspect);
  expect(containerInspect(inspect, 44).NetworkSettings.Networks["net"]).toMatchObject({ Aliases: ["www", "aaaaaaaaaaaa"], DNSNames: ["web", "www", "aaaaaaaaaaaa"] });
  const old = containerInspect(inspect, 41);
  expect(old.NetworkSettings.Networks["net"]).not.toHaveProperty("DNSNames");
  expect(old.HostConfig).toMatchObject({ KernelMemory: 0 });
  expect(old.HostConfig).not.toHaveProperty("Annotations");
});

test("a stopped container publishes nothing", () => {
  const stopped = { ...view, container: { ...container, state: { ...state, status: "exited", pid: 0, finishedAt: NOW } as Container["state"] }, endpoints: [], ports: [] };
  expect(encodeContainerSummary(stopped, NOW).Ports).toEqual([]);
  expect(encodeContainer(stopped, { ...facts, sandbox: "" }).NetworkSettings).toMatchObject({ Ports: {}, SandboxID: "", Networks: { net: { IPAddress: "", Aliases: ["www"] } } });
});
