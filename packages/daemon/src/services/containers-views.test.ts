import type { Container, Endpoint, Health, Network, PortBinding } from "../core/index.js";
import { ContainerViews } from "./containers-views.js";

const networks = (...names: string[]): Network[] => names.map((name) => ({ id: `id of ${name}`, name }) as unknown as Network);
const container = (id: string): Container => ({ id, name: id }) as unknown as Container;
const endpoint = (of: string, network = "id of net"): Endpoint => ({ id: "e", network, container: of }) as unknown as Endpoint;
const port = (of: string, hostPort: number): PortBinding & { container: string } => ({ protocol: "tcp", containerPort: 80, hostIp: "", hostPort, container: of });

/** As the stores do: what a list gives is the same until something changes. */
function setting() {
  const state = { networks: networks("net"), endpoints: [] as Endpoint[], ports: [] as ReturnType<typeof port>[], health: undefined as Health | undefined };
  const views = new ContainerViews({ list: () => state.networks, endpoints: () => state.endpoints, ports: () => state.ports }, { healthOf: (id) => (id === "a" ? state.health as never : undefined) });
  const [a, b] = [container("a"), container("b")];
  return { state, views, see: (links?: readonly string[]) => { const view = views.viewer(); return [view(a, links), view(b, undefined)] as const; } };
}

test("a view is the same object for as long as it shows the same", () => {
  const { state, see } = setting();
  let before = see();
  expect(before[0]).toMatchObject({ container: { id: "a" }, endpoints: [], ports: [], linkedAs: [] });
  const changes = (links?: readonly string[]): readonly boolean[] => {
    const now = see(links), changed = now.map((view, i) => view !== before[i]);
    before = now;
    return changed;
  };
  expect(changes()).toEqual([false, false]);
  state.endpoints = [endpoint("a")];
  expect(changes()).toEqual([true, false]);
  expect(before[0].endpoints).toMatchObject([{ networkName: "net" }]);
  expect(changes()).toEqual([false, false]);
  state.ports = [port("b", 8080)];
  expect(changes()[1]).toBe(true);
  expect(before[1].ports).toEqual([{ protocol: "tcp", containerPort: 80, hostIp: "", hostPort: 8080 }]);
  state.health = { status: "healthy", failingStreak: 0, log: [] };
  expect(changes()).toEqual([true, false]);
  expect(before[0].health).toMatchObject({ status: "healthy" });
  expect(changes(["/x/db"])).toEqual([true, false]);
  expect(before[0].linkedAs).toEqual(["/x/db"]);
  expect(changes(["/x/db"])).toEqual([false, false]);
  expect(changes()).toEqual([true, false]);
  state.endpoints = [];
  state.ports = [];
  expect(changes()).toEqual([true, true]);
  expect(before.map(({ endpoints, ports }) => [endpoints, ports])).toEqual([[[], []], [[], []]]);
  state.networks = networks("net", "other");
  expect(changes()).toEqual([true, true]);
  expect(before[1].networkIds!.get("other")).toBe("id of other");
});

test("with sizes, too", () => {
  const { views, see } = setting();
  const [a] = see(), sized = views.sized(a, 5, 100);
  expect(sized).toMatchObject({ container: { id: "a" }, sizeRw: 5, sizeRootFs: 105 });
  expect(views.sized(a, 5, 100)).toBe(sized);
  expect(views.sized(a, 6, 100)).toMatchObject({ sizeRw: 6, sizeRootFs: 106 });
  expect(views.sized(a, 6, 101)).toMatchObject({ sizeRw: 6, sizeRootFs: 107 });
});

test("one by itself is as it is in a list, but for links", () => {
  const { state, views, see } = setting();
  state.endpoints = [endpoint("a")];
  const { linkedAs: _, ...listed } = see()[0];
  expect(views.one(container("a"))).toEqual(listed);
});
