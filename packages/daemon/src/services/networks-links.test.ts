import type { Container, HostConfig } from "../core/index.js";
import { Links, runsOf } from "./networks-links.js";
import { containerNamed, memoryParts } from "./testing/memory-networks.js";

function bed(): { parts: ReturnType<typeof memoryParts>; links: Links; add: (name: string, change?: { hostConfig?: HostConfig; running?: boolean; networks?: Container["networks"] }) => Container } {
  const parts = memoryParts();
  const links = new Links(parts);
  return {
    parts, links, add: (name, { hostConfig = {}, running = true, networks = {} } = {}) => {
      const made = containerNamed(name, { hostConfig });
      const container = { ...made, networks, state: { ...made.state, status: running ? "running" as const : "exited" as const } };
      parts.containers.update(container);
      return container;
    },
  };
}
const rename = (parts: ReturnType<typeof memoryParts>, container: Container, name: string): void => {
  parts.containers.update({ ...container, name });
  parts.events.emit({ type: "container", action: "rename", id: container.id, attributes: { name, oldName: `/${container.name}` } });
};

test("a link follows a container that is renamed, on the default network and on others", () => {
  const { parts, add } = bed();
  const db = add("db"), other = add("other", { hostConfig: { Links: ["third:x"] } });
  const web = add("web", { hostConfig: { Links: ["db:store", "other:o"] } });
  const app = add("app", { networks: { own: { Links: ["db:store"] } } });
  rename(parts, db, "db2");
  expect(parts.containers.get(web.id).hostConfig.Links).toEqual(["db2:store", "other:o"]);
  expect(parts.containers.get(app.id).networks["own"]).toEqual({ Links: ["db2:store"] });
  expect(parts.containers.get(other.id).hostConfig.Links).toEqual(["third:x"]);
});
test("a container does not start without those it is linked to", () => {
  const { links, add } = bed();
  add("asleep", { running: false });
  expect(() => links.hold(add("web", { hostConfig: { Links: ["asleep:a"] } }))).toThrow("Cannot link to a non running container: /asleep AS /web/a");
  expect(() => links.hold(add("lone", { hostConfig: { Links: ["gone"] } }))).toThrow("Cannot link to a non running container: /gone AS /lone/gone");
});
test("three ports or more in a row are told as a range", () => {
  const ports = (protocol: "tcp" | "udp", ...numbers: number[]): { protocol: "tcp" | "udp"; from: number }[] => numbers.map((from) => ({ protocol, from }));
  const told = runsOf([...ports("udp", 5, 6, 7), ...ports("tcp", 9, 1, 2, 80, 81, 82, 83)]).map(([a, b]) => `${a.protocol} ${a.from}-${b.from}`);
  expect(told).toEqual(["tcp 80-83", "udp 5-7"]);
});
