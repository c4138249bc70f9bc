import { setImmediate as nextTurn } from "node:timers/promises";
import type { Container, ImageSummary, PortBinding } from "../core/index.js";
import { InvalidArgument, NotFound, Unavailable } from "../core/index.js";
import type { ImageId } from "@strata/oci";
import type { LiveContainers } from "./containers-live.js";
import type { ContainerParts } from "./containers-parts.js";
import { ContainerViews, group } from "./containers-views.js";
import { booleanFilter, labelsMatch, rejectUnknown } from "./filter-match.js";
import { parseLink } from "./networks-directory.js";
import { legacyLinks } from "./networks-links.js";
import type { ContainerView, Filters } from "./types.js";

type ListParts = Pick<ContainerParts, "containers" | "images" | "layers" | "networks">;

const FILTERS = ["ancestor", "before", "expose", "exited", "health", "id", "is-task", "isolation", "label", "name", "network", "publish", "since", "status", "volume"];
const STATUSES = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const HEALTH = ["starting", "healthy", "unhealthy", "none"];

/** Containers as users see them. From memory where the ledger has not changed; no locks. */
export class ContainerLister {
  private readonly views: ContainerViews;
  private imageSizes: { readonly of: readonly ImageSummary[]; readonly sizes: ReadonlyMap<ImageId, number> } | undefined;

  constructor(private readonly parts: ListParts, live: Pick<LiveContainers, "healthOf">) {
    this.views = new ContainerViews(parts.networks, live);
  }

  async list(options: { all: boolean; limit: number; size: boolean; filters: Filters }): Promise<ContainerView[]> {
    const { filters } = options;
    const matches = this.matcher(filters);
    const everyState = options.all || options.limit > 0 || filters.has("status") || filters.has("exited");
    const view = this.views.viewer();
    const views: ContainerView[] = [];
    const all = [...this.parts.containers.list()], linked = linksTo(all);
    for (const container of all) {
      if (!everyState && !RUNNING.has(container.state.status)) continue;
      const candidate = view(container, linked.get(container.name));
      if (!matches(candidate)) continue;
      views.push(candidate);
      if (options.limit > 0 && views.length === options.limit) break;
    }
    return options.size ? await this.allSized(views) : views;
  }

  async inspect(container: Container, size: boolean): Promise<ContainerView> {
    const view = this.views.one(container);
    return size ? this.measured(view) : view;
  }

  private async allSized(views: readonly ContainerView[]): Promise<ContainerView[]> {
    const { layers, images } = this.parts;
    await images.prepareList();
    await nextTurn();
    const sizes = layers.settledSizes(), of = images.list();
    if (this.imageSizes?.of !== of) this.imageSizes = { of, sizes: new Map(of.map(({ id, size }) => [id, size])) };
    const imageSizes = this.imageSizes.sizes, unsettled: Promise<void>[] = [], sized = [...views];
    for (const [i, view] of views.entries()) {
      const size = sizes.get(view.container.id), imageSize = imageSizes.get(view.container.imageId);
      if (size !== undefined && imageSize !== undefined) sized[i] = this.views.sized(view, size, imageSize);
      else unsettled.push(this.measured(view, imageSize).then((measured) => { sized[i] = measured; }));
    }
    await Promise.all(unsettled);
    return sized;
  }
  private async measured(view: ContainerView, imageSize?: number): Promise<ContainerView> {
    const { layers, images } = this.parts;
    const { id, imageId } = view.container;
    try {
      const { size } = await layers.usage(id);
      return this.views.sized(view, size, imageSize ?? images.get(imageId).size);
    } catch (e) {
      if (e instanceof NotFound || e instanceof Unavailable) return view; // removed meanwhile, or its storage driver does not work
      throw e;
    }
  }

  private matcher(filters: Filters): (view: ContainerView) => boolean {
    rejectUnknown(filters, FILTERS);
    const { containers } = this.parts;
    const values = (key: string): readonly string[] => filters.get(key) ?? [];
    for (const status of values("status")) if (!STATUSES.includes(status)) throw new InvalidArgument(`invalid filter 'status=${status}'`);
    for (const health of values("health")) if (!HEALTH.includes(health)) throw new InvalidArgument(`invalid filter 'health=${health}'`);
    const exited = values("exited").map((code) => {
      if (!/^\d+$/.test(code)) throw new InvalidArgument(`invalid filter 'exited=${code}'`);
      return Number(code);
    });
    const names = values("name").map((text) => pattern(text));
    const ids = values("id").map((text) => pattern(text));
    const edge = (key: string): Container[] => values(key).map((name) => containers.get(containers.resolve(name)));
    const before = edge("before"), since = edge("since");
    const ancestors = filters.has("ancestor") ? this.ancestors(values("ancestor")) : null;
    const wantedNetworks = values("network").map((name) => this.networkOf(name));
    const published = values("publish").map(portRange), exposed = values("expose").map(portRange);
    const tasks = booleanFilter(filters, "is-task") ?? false;
    if (filters.size === 0) return () => true;
    const any = <T>(list: readonly T[], test: (item: T) => boolean): boolean => list.length === 0 || list.some(test);
    return ({ container: c, health, endpoints, ports }) =>
      !tasks && any(values("status"), (s) => s === c.state.status) && any(exited, (code) => (c.state.status === "exited" || c.state.status === "dead") && c.state.exitCode === code) &&
      any(names, (re) => re.test(`/${c.name}`) || re.test(c.name)) && any(ids, (re) => re.test(c.id)) && labelsMatch(filters, c.config.Labels ?? {}) &&
      any(before, (other) => older(c, other)) && any(since, (other) => older(other, c)) && (ancestors === null || ancestors(c.imageId)) &&
      any(values("health"), (h) => h === (health?.status ?? "none")) &&
      any(wantedNetworks, (n) => n !== undefined && (endpoints.some((e) => e.network === n.id) || Object.keys(c.networks).some((key) => key === n.name || key === n.id))) &&
      any(values("volume"), (v) => c.mounts.some((m) => m.Name === v || m.Destination === v || (m.Type === "bind" && m.Source === v))) &&
      any(published, (range) => ports.some((p) => within(range, p.hostPort, p.protocol))) &&
      any(exposed, (range) => exposedPorts(c, ports).some((p) => within(range, p.port, p.protocol)));

    function older(a: Container, b: Container): boolean {
      return a.id !== b.id && a.createdAt < b.createdAt;
    }
  }

  private networkOf(name: string): { id: string; name: string } | undefined {
    try {
      return this.parts.networks.get(name);
    } catch (e) {
      if (e instanceof NotFound) return undefined;
      throw e;
    }
  }

  /** Whether an image is one of those named or was made from one. */
  private ancestors(names: readonly string[]): (id: ImageId) => boolean {
    const { images } = this.parts;
    const wanted = new Set<ImageId>();
    for (const name of names) {
      try {
        wanted.add(images.resolve(name));
      } catch (e) {
        if (!(e instanceof NotFound)) throw e;
      }
    }
    const known = new Map<ImageId, boolean>();
    const descends = (id: ImageId): boolean => {
      let answer = known.get(id);
      if (answer === undefined) {
        const parent = wanted.has(id) ? null : images.get(id).parent;
        answer = wanted.has(id) || (parent !== null && descends(parent));
        known.set(id, answer);
      }
      return answer;
    };
    return descends;
  }
}

/** What others call containers that they have links to, by the containers' names: `/web/db`. */
function linksTo(containers: readonly Container[]): Map<string, string[]> {
  return group(containers.flatMap((c) => legacyLinks(c).map(parseLink).map(({ target, alias }): [string, string] => [target, `/${c.name}/${alias}`])));
}

const RUNNING: ReadonlySet<string> = new Set(["running", "paused", "restarting"]);

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new InvalidArgument(`invalid filter: "${text}" is no regular expression`, { cause });
  }
}

interface PortRange { readonly from: number; readonly to: number; readonly protocol: string }

/** `80`, `80/udp`, `8000-8010/tcp`. */
function portRange(text: string): PortRange {
  const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(text);
  if (match === null) throw new InvalidArgument(`invalid filter: "${text}" is no port`);
  return { from: Number(match[1]), to: Number(match[2] ?? match[1]), protocol: match[3] ?? "tcp" };
}

const within = (range: PortRange, port: number, protocol: string): boolean => port >= range.from && port <= range.to && protocol === range.protocol;

function exposedPorts(c: Container, ports: readonly PortBinding[]): { port: number; protocol: string }[] {
  const declared = Object.keys(c.config.ExposedPorts ?? {}).flatMap((text) => {
    const [numbers = "", protocol = "tcp"] = text.split("/");
    const [from = NaN, to = from] = numbers.split("-").map(Number);
    return Number.isInteger(from) && to - from < 65536 ? Array.from({ length: to - from + 1 }, (_, i) => ({ port: from + i, protocol })) : [];
  });
  return [...declared, ...ports.map((p) => ({ port: p.containerPort, protocol: p.protocol as string }))];
}
