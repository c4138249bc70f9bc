import type { ImageId } from "@strata/oci";
import { systemClock, type Container, type ImageSummary } from "../core/index.js";
import { LocalEvents } from "./events.js";
import { System, type SystemFacts, type SystemParts } from "./system.js";
import type { VolumeView } from "./types.js";

const facts = { id: "engine", driver: "overlay2", name: "host" } as unknown as SystemFacts;
const container = (status: string): Container => ({ state: { status } }) as unknown as Container;
const volume = (name: string, size?: number): VolumeView => ({ name, refs: 0, ...(size === undefined ? {} : { size }) }) as unknown as VolumeView;

function system(parts: Partial<SystemParts> = {}): { system: System; asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    system: new System({
      facts: () => facts, driverStatus: async () => [],
      containerStore: { list: () => ["running", "restarting", "paused", "exited", "created", "dead"].map(container) },
      imageStore: { prepareList: async () => {}, list: () => [{}, {}] as unknown as ImageSummary[] },
      layers: { totalSize: () => 12 },
      volumeStore: { settledSizes: async () => new Map([["settled", 7]]), usage: async (name) => { if (name === "broken") throw new Error("gone"); return 42; } },
      buildCache: { list: async () => { asked.push("build-cache"); return []; } },
      images: { list: async () => { asked.push("images"); return [{ id: "sha256:1" as ImageId }] as unknown as ImageSummary[]; } },
      containers: { list: async () => { asked.push("containers"); return []; } },
      volumes: { list: async () => { asked.push("volumes"); return [volume("a", 1), volume("b"), volume("broken"), volume("settled")]; } },
      events: new LocalEvents(systemClock),
      registry: { login: async (domain) => { asked.push(domain); return { identityToken: "t" }; } },
      ...parts,
    }),
  };
}

test("info counts containers by what they do", async () => {
  expect(await system().system.info()).toMatchObject({ id: "engine", driver: "overlay2", containers: { running: 2, paused: 1, stopped: 3 }, images: 2 });
});

test("df sums layers once and measures volumes", async () => {
  const { system: s } = system();
  expect(await s.df([])).toMatchObject({ layersSize: 12, images: [{ id: "sha256:1" }], containers: [], volumes: [{ name: "a", size: 1 }, { name: "b", size: 42 }, { name: "broken", size: 0 }, { name: "settled", size: 7 }] });
});

test("df looks only at what is asked for", async () => {
  const { system: s, asked } = system();
  expect(await s.df(["volume"])).toMatchObject({ layersSize: 0, images: [], containers: [] });
  expect(asked).toEqual(["volumes"]);
});

test.each([
  [undefined, "docker.io"], ["", "docker.io"], ["https://index.docker.io/v1/", "docker.io"], ["registry-1.docker.io", "docker.io"], ["docker.io", "docker.io"],
  ["https://Registry.example:5000/v2/", "registry.example:5000"], ["127.0.0.1:5000", "127.0.0.1:5000"],
])("a login at %s goes to %s", async (serverAddress, domain) => {
  const { system: s, asked } = system();
  expect(await s.auth({ username: "u", password: "p", ...(serverAddress === undefined ? {} : { serverAddress }) })).toEqual({ status: "Login Succeeded", identityToken: "t" });
  expect(asked).toEqual([domain]);
});

test("events are filtered; a wrong filter is refused at once", async () => {
  const events = new LocalEvents(systemClock);
  const { system: s } = system({ events });
  const abort = new AbortController();
  const seen = s.events({ filters: new Map([["type", ["volume"]]]), signal: abort.signal });
  events.emit({ type: "image", action: "pull", id: "i", attributes: {} });
  events.emit({ type: "volume", action: "create", id: "v", attributes: {} });
  abort.abort();
  const actions = [];
  for await (const e of seen) actions.push(`${e.type} ${e.action}`);
  expect(actions).toEqual(["volume create"]);
  expect(() => s.events({ filters: new Map([["colour", ["red"]]]), signal: abort.signal })).toThrow("invalid filter 'colour'");
});
