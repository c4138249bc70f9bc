import { Compose, type Daemon, type TestBed, daemonNeeds, mountsBelow, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "compose", "curl");

let bed: TestBed, daemon: Daemon;
let untouched: unknown;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
  // The first container and network bring what all share, and what stays.
  await daemon.dockerOk("network", "create", "first");
  await daemon.dockerOk("run", "--rm", "--network", "first", "-p", "80", "busybox", "true");
  await daemon.dockerOk("network", "rm", "first");
  untouched = await kept();
});

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
  it("comes up in order, scaled, finds its parts by alias, shows its output, runs commands, and goes without a trace", () => withShop("a", async (compose) => {
    await compose.ok("up", "-d", "--scale", "web=3");
    expect(lines(await daemon.dockerOk("ps", "--filter", "label=com.docker.compose.project=a", "--format", "{{.Names}}")).sort()).toEqual(["a_store_1", "a_web_1", "a_web_2", "a_web_3"]);
    const ports = new Set<string>();
    for (const index of ["1", "2", "3"]) {
      const hits = await compose.ok("exec", "-T", "--index", index, "web", "sh", "-c", "wget -q -O - http://database/starts && wget -q -O - http://store/starts");
      expect(hits).toMatch(/^(\d+)\n\1$/);
      const published = await compose.ok("port", "--index", index, "web", "80");
      expect(published).toMatch(/^0\.0\.0\.0:\d+$/);
      ports.add(published);
      expect(await bed.netns.fetch(`http://127.0.0.1:${published.split(":")[1]!}/`)).toBe((await daemon.inspect(`a_web_${index}`)).Config.Hostname);
    }
    expect(ports.size).toBe(3);
    const table = await compose.ok("ps");
    expect(table.split("\n").filter((line) => /^a_web_\d .* Up .*->80\/tcp/.test(line))).toHaveLength(3);
    expect(table).toMatch(/^a_store_1 .* Up \(healthy\)/m);

    // Fewer of one, and the rest is as it was: nothing is made anew.
    const store = (await daemon.inspect("a_store_1")).Id as string;
    await compose.ok("up", "-d", "--scale", "web=1");
    expect(lines(await daemon.dockerOk("ps", "-a", "--format", "{{.Names}}")).sort()).toEqual(["a_store_1", "a_web_1"]);
    expect((await daemon.inspect("a_store_1")).Id).toBe(store);

    const follower = compose.start("logs", "--no-color", "-f");
    await follower.waitFor(/^store_1 +\| store is ready$/m);
    await follower.waitFor(/^web_1 +\| good day$/m);
    expect(await compose.run("exec", "-T", "-e", "WHO=me", "-w", "/tmp", "web", "sh", "-c", "echo later > /proc/1/fd/1; echo $WHO $PWD; exit 7")).toMatchObject({ code: 7, stdout: "me /tmp\n" });
    await follower.waitFor(/^web_1 +\| later$/m);
    expect(lines(await compose.ok("logs", "--no-color", "--tail", "1", "--timestamps", "web")).at(-1)).toMatch(/^web_1 +\| \d{4}-\d\d-\d\dT\S+Z later$/);
    expect(await compose.ok("top")).toMatch(/^a_store_1\n[^]*httpd -f -h \/data[^]*a_web_1\n[^]*httpd -f -h \/www/m);
    expect(await compose.run("run", "--rm", "-T", "-e", "GREETING=hello", "web", "sh", "-c", "echo $GREETING; wget -q -O /dev/null http://database/starts || exit 9; exit 3")).toMatchObject({ code: 3, stdout: "hello\n" });
    expect(lines(await daemon.dockerOk("ps", "-a", "--format", "{{.Names}}")).sort()).toEqual(["a_store_1", "a_web_1"]);
    await compose.ok("kill");
    await follower.exit;
  }), 240_000);

  it("stops, starts, restarts, pauses, tells its events, and keeps its volume through all and through a change", () => withShop("b", async (compose) => {
    await compose.ok("up", "-d");
    const starts = async (): Promise<number> => {
      await until(async () => (await daemon.inspect("b_store_1")).State.Health.Status === "healthy" || undefined, 60_000, "health");
      return lines(await daemon.dockerOk("exec", "b_web_1", "wget", "-q", "-O", "-", "http://database/starts")).length;
    };
    expect(await starts()).toBe(1);
    await compose.ok("stop");
    expect(lines(await daemon.dockerOk("ps", "-a", "--format", "{{.State}}"))).toEqual(["exited", "exited"]);
    expect(await compose.ok("ps")).toMatch(/^b_store_1 .* Exit 137/m);
    await compose.ok("start");
    expect(await starts()).toBe(2);

    const events = compose.start("events", "--json");
    // What listens says nothing before there is something to say.
    await until(async () => { await daemon.dockerOk("pause", "b_web_1"); await daemon.dockerOk("unpause", "b_web_1"); return events.output.includes('"action": "pause"') || undefined; }, 60_000, "an event");
    await compose.ok("pause", "web");
    expect(await compose.ok("ps")).toMatch(/^b_web_1 .* Paused/m);
    await compose.ok("unpause", "web");
    await compose.ok("restart", "-t", "0");
    expect(await starts()).toBe(3);
    await events.waitFor(/"action": "start", .*"service": "web"|"service": "web".*"action": "start"/);
    events.kill("SIGKILL");
    await events.exit;
    // Lines of the other stream are warnings.
    const told = events.output.split("\n").filter((line) => line.startsWith("{") && line.endsWith("}")).map((line) => JSON.parse(line) as { action: string; service: string; attributes: object });
    expect(told.find(({ action, service }) => action === "start" && service === "web")!.attributes).toMatchObject({ name: "b_web_1", image: "busybox" });
    expect(told.map(({ action }) => action)).toEqual(expect.arrayContaining(["pause", "unpause", "kill", "die", "start"]));

    const web = (await daemon.inspect("b_web_1")).Id as string, store = (await daemon.inspect("b_store_1")).Id as string;
    compose.write("docker-compose.override.yml", { services: { store: { environment: { NEW: "1" } } } });
    await compose.ok("up", "-d", "-t", "0");
    expect(await starts()).toBe(4);
    expect((await daemon.inspect("b_store_1")).Id).not.toBe(store);
    expect((await daemon.inspect("b_web_1")).Id).toBe(web);
    await compose.ok("down", "-t", "0");
    expect(await daemon.dockerOk("volume", "ls", "-q", "--filter", "label=kind=store")).toBe("b_data");
  }), 240_000);
});
