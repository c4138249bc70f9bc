import { Compose, type Daemon, type TestBed, daemonNeeds, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "compose");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});

/** A project whose second service waits for the first one's health, and notes what it finds of it. */
function project(name: string, check: string): Compose {
  return new Compose(daemon, bed.path(name), name, {
    services: {
      base: { image: "busybox", command: "sh -c 'sleep 1; touch /ready; exec sleep 1000'", stop_signal: "SIGKILL", healthcheck: { test: `${check} && touch /data/checked`, interval: "200ms", timeout: "5s", retries: 3, start_period: "20s" }, volumes: ["data:/data"] },
      after: { image: "busybox", command: "sh -c 'ls /data > /data/seen; exec sleep 1000'", stop_signal: "SIGKILL", volumes: ["data:/data"], depends_on: { base: { condition: "service_healthy" } } },
    },
    volumes: { data: {} },
  });
}

it("docker-compose waits for a service to be healthy", async () => {
  const compose = project("waits", "test -e /ready");
  expect(await compose.run("up", "-d")).toMatchObject({ code: 0 });
  expect(await until(async () => (await daemon.docker(["exec", "waits_after_1", "cat", "/data/seen"])).stdout || undefined, 30_000, "what it found")).toContain("checked");
  expect(await compose.run("down", "-v")).toMatchObject({ code: 0 });
  expect(await daemon.dockerOk("ps", "-aq")).toBe("");
  expect(await daemon.dockerOk("volume", "ls", "-q")).toBe("");
}, 120_000);

it("docker-compose gives up on a service that is unhealthy", async () => {
  const compose = project("fails", "exit 1");
  compose.write("docker-compose.override.yml", { services: { base: { healthcheck: { start_period: "1ms" } } } });
  const { code, stderr } = await compose.run("up", "-d");
  expect([code, stderr]).toEqual([1, expect.stringMatching(/unhealthy/)]);
  expect((await daemon.inspect("fails_base_1")).State.Health).toMatchObject({ Status: "unhealthy" });
  expect(await compose.run("down", "-v")).toMatchObject({ code: 0 });
}, 120_000);
