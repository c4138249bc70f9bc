import { Compose, type Daemon, TestBed, daemonNeeds, mountsBelow, needs, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "compose", "curl");

let bed: TestBed;
let daemon: Daemon;
let untouched: unknown;
beforeAll(async () => {
  bed = await TestBed.create();
  daemon = await bed.daemonWithBusybox();
  // The first container and network bring what all share, and what stays.
  await daemon.dockerOk("network", "create", "first");
  await daemon.dockerOk("run", "--rm", "--network", "first", "-p", "80", "busybox", "true");
  await daemon.dockerOk("network", "rm", "first");
  untouched = await kept();
}, 120_000);
afterAll(() => bed.close(), 60_000);

/** All that an application may leave behind. */
async function kept(): Promise<unknown> {
  const links = JSON.parse(await bed.netns.ok("ip", ["-j", "link"])) as { ifname: string }[];
  return {
    containers: await daemon.dockerOk("ps", "-aq"), volumes: await daemon.dockerOk("volume", "ls", "-q"), networks: await daemon.dockerOk("network", "ls", "--format", "{{.Name}}"),
    links: links.map(({ ifname }) => ifname).sort(), mounts: mountsBelow(daemon.folder).sort(),
    firewall: (await bed.netns.run("sh", ["-c", "nft list ruleset || iptables-save | grep ^-"])).stdout,
  };
}

/** A store that is slow to be ready, and web servers that need it; they know it by an alias. */
function shop(name: string): Compose {
  const service = { image: "busybox", stop_signal: "SIGKILL" };
  return new Compose(daemon, bed.path(name), name, {
    services: {
      store: {
        ...service, command: "sh -c 'sleep 1; date +%s >> /data/starts; echo store is ready; exec httpd -f -h /data -p 80'", volumes: ["data:/data"], networks: { back: { aliases: ["database"] } },
        healthcheck: { test: "wget -q -O /dev/null http://127.0.0.1/starts", interval: "200ms", timeout: "10s", retries: 50 },
      },
      web: {
        ...service, command: "sh -c 'mkdir -p /www; hostname > /www/index.html; echo $$GREETING; exec httpd -f -h /www -p 80'", environment: { GREETING: "good day" },
        depends_on: { store: { condition: "service_healthy" } }, ports: ["80"], networks: ["front", "back"],
      },
    },
    networks: { front: {}, back: { internal: true } },
    volumes: { data: { labels: { kind: "store" } } },
  });
}
async function withShop(name: string, body: (compose: Compose) => Promise<void>): Promise<void> {
  const compose = shop(name);
  try {
    await body(compose);
  } catch (error) {
    await compose.run("down", "-v", "-t", "0");
    throw error;
  }
  await compose.ok("down", "-v", "-t", "0");
  expect(await kept()).toEqual(untouched);
}
const lines = (text: string): string[] => text.split("\n").map((line) => line.trim()).filter(Boolean);

describe("an application of docker-compose", () => {
  it("comes up in order, scaled, finds its parts by alias, and goes without a trace", () => withShop("a", async (compose) => {
    await compose.ok("up", "-d", "--scale", "web=3");
    expect(lines(await daemon.dockerOk("ps", "--filter", "label=com.docker.compose.project=a", "--format", "{{.Names}}")).sort()).toEqual(["a_store_1", "a_web_1", "a_web_2", "a_web_3"]);
    const ports = new Set<string>();
    for (const index of ["1", "2", "3"]) {
      const hits = await compose.ok("exec", "-T", "--index", index, "web", "wget", "-q", "-O", "-", "http://database/starts");
      expect(hits).toMatch(/^\d+$/);
      expect(await compose.ok("exec", "-T", "--index", index, "web", "wget", "-q", "-O", "-", "http://store/starts")).toBe(hits);
      const published = await compose.ok("port", "--index", index, "web", "80");
      expect(published).toMatch(/^0\.0\.0\.0:\d+$/);
      ports.add(published);
      expect(await bed.netns.fetch(`http://127.0.0.1:${published.split(":")[1]!}/`)).toBe((await daemon.inspect(`a_web_${index}`)).Config.Hostname);
    }
    expect(ports.size).toBe(3);
    expect((await compose.ok("ps")).split("\n").filter((line) => /^a_web_\d .* Up .*->80\/tcp/.test(line))).toHaveLength(3);
    expect(await compose.ok("ps")).toMatch(/^a_store_1 .* Up \(healthy\)/m);
    // One fewer, and then the whole is as it was: nothing is made anew.
    const store = (await daemon.inspect("a_store_1")).Id as string;
    await compose.ok("up", "-d", "--scale", "web=1");
    expect(lines(await compose.ok("ps", "-q", "web"))).toHaveLength(1);
    expect((await daemon.inspect("a_store_1")).Id).toBe(store);
  }), 120_000);

  it("shows its output, runs commands in its containers and beside them", () => withShop("b", async (compose) => {
    await compose.ok("up", "-d");
    const logs = await compose.ok("logs", "--no-color");
    expect(logs).toMatch(/^store_1 +\| store is ready$/m);
    expect(logs).toMatch(/^web_1 +\| good day$/m);
    expect(lines(await compose.ok("logs", "--no-color", "--tail", "1", "--timestamps", "web")).at(-1)).toMatch(/^web_1 +\| \d{4}-\d\d-\d\dT\S+Z good day$/);
    const follower = compose.start("logs", "--no-color", "-f");
    await follower.waitFor(/store is ready/);
    await compose.ok("exec", "-T", "web", "sh", "-c", "echo later > /proc/1/fd/1");
    await follower.waitFor(/web_1 +\| later/);

    expect(await compose.run("exec", "-T", "-e", "WHO=me", "-w", "/tmp", "store", "sh", "-c", "echo $WHO $PWD; exit 7")).toMatchObject({ code: 7, stdout: "me /tmp\n" });
    expect(await compose.ok("top")).toMatch(/^b_store_1\n[^]*httpd -f -h \/data[^]*b_web_1\n[^]*httpd -f -h \/www/m);
    const before = await daemon.dockerOk("ps", "-aq");
    expect(await compose.run("run", "--rm", "-T", "-e", "GREETING=hello", "web", "sh", "-c", "echo $GREETING; wget -q -O /dev/null http://database/starts || exit 9; exit 3")).toMatchObject({ code: 3, stdout: "hello\n" });
    expect(await daemon.dockerOk("ps", "-aq")).toBe(before);

    await compose.ok("kill");
    await follower.exit;
  }), 120_000);

  it("stops, starts, restarts, pauses, and keeps its volume through all and through a change", () => withShop("c", async (compose) => {
    await compose.ok("up", "-d");
    const starts = async (): Promise<number> => {
      await until(async () => (await daemon.inspect("c_store_1")).State.Health.Status === "healthy" || undefined, 60_000, "health");
      return lines(await compose.ok("exec", "-T", "web", "wget", "-q", "-O", "-", "http://database/starts")).length;
    };
    expect(await starts()).toBe(1);
    await compose.ok("stop");
    expect(lines(await daemon.dockerOk("ps", "-a", "--format", "{{.State}}"))).toEqual(["exited", "exited"]);
    expect(await compose.ok("ps")).toMatch(/^c_store_1 .* Exit 137/m);
    await compose.ok("start");
    expect(await starts()).toBe(2);
    await compose.ok("restart", "-t", "0");
    expect(await starts()).toBe(3);
    await compose.ok("pause", "web");
    expect(await compose.ok("ps")).toMatch(/^c_web_1 .* Paused/m);
    await compose.ok("unpause", "web");

    const web = (await daemon.inspect("c_web_1")).Id as string, store = (await daemon.inspect("c_store_1")).Id as string;
    compose.write("docker-compose.override.yml", { services: { store: { environment: { NEW: "1" } } } });
    await compose.ok("up", "-d", "-t", "0");
    expect(await starts()).toBe(4);
    expect((await daemon.inspect("c_store_1")).Id).not.toBe(store);
    expect((await daemon.inspect("c_web_1")).Id).toBe(web);
    expect(await daemon.dockerOk("volume", "ls", "-q", "--filter", "label=kind=store")).toBe("c_data");
    await compose.ok("down");
    expect(await daemon.dockerOk("volume", "ls", "-q")).toBe("c_data");
  }), 120_000);

  it("tells its events", () => withShop("d", async (compose) => {
    const events = compose.start("events", "--json");
    // Nothing is heard before it listens: a container that comes and goes shows when it does.
    await compose.ok("up", "--no-start");
    await until(async () => { await compose.ok("create"); await compose.ok("up", "-d", "--force-recreate", "--no-deps", "-t", "0", "web"); return events.output.includes("start") || undefined; }, 60_000, "an event");
    // Lines of the other stream are warnings.
    const all = (): { action: string; service: string; attributes: Record<string, string> }[] => events.output.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
    await until(() => all().some(({ action, service }) => action === "start" && service === "web") || undefined, 10_000, "its start");
    expect(all().find(({ action }) => action === "start")!.attributes).toMatchObject({ name: expect.stringContaining("d_web_1"), image: "busybox" });
    events.kill("SIGKILL");
    await events.exit;
  }), 120_000);
});
