import { Conflict, InvalidArgument, NotFound, type Container, type ContainerId } from "../core/index.js";
import { checkLink, parseLink } from "./networks-directory.js";
import type { HostsEntry } from "./networks-files.js";
import { isRunning, modeOf, type NetworkParts } from "./networks-parts.js";
import { parsePort } from "./networks-ports.js";

type Port = Omit<ReturnType<typeof parsePort>, "to">;
const eachOf = ({ protocol, from, to }: ReturnType<typeof parsePort>): Port[] => Array.from({ length: to - from + 1 }, (_, i) => ({ protocol, from: from + i }));
/** First and last of each three or more ports in a row, of ports in order. */
export function runsOf(ports: readonly Port[]): (readonly [Port, Port])[] {
  const runs: Port[][] = [];
  for (const port of [...ports].sort((a, b) => Number(a.protocol !== "tcp") - Number(b.protocol !== "tcp") || (a.protocol < b.protocol ? -1 : a.protocol > b.protocol ? 1 : a.from - b.from))) {
    const run = runs.at(-1), last = run?.at(-1);
    if (run && last && last.protocol === port.protocol && last.from + 1 === port.from) run.push(port);
    else runs.push([port]);
  }
  return runs.filter((run) => run.length > 2).map((run) => [run[0]!, run.at(-1)!] as const);
}

interface Link { readonly alias: string; readonly target: Container }

/** The links a container has in HostConfig, which count on the default network only; elsewhere they are endpoints' own. */
export function legacyLinks(container: Container): readonly string[] {
  const mode = modeOf(container);
  return mode.kind === "network" && mode.name === "bridge" ? container.hostConfig.Links ?? [] : [];
}

/** Links on the default network, for clients older than networks with names: lines in /etc/hosts and variables. */
export class Links {
  /** Running containers with links. */
  private readonly holding = new Set<ContainerId>();

  constructor(private readonly parts: Pick<NetworkParts, "containers" | "store" | "events">) {
    parts.events.on(({ type, action, attributes }) => {
      if (type === "container" && action === "rename") this.follow((attributes["oldName"] ?? "").slice(1), attributes["name"] ?? "");
    });
  }

  /** At create: InvalidArgument. */
  validate(container: Container): void {
    const mode = modeOf(container);
    if (mode.kind !== "network" && (container.hostConfig.Links ?? []).length > 0) {
      throw new InvalidArgument(mode.kind === "host" ? "conflicting options: host type networking can't be used with links. This would result in undefined behavior"
        : `conflicting options: ${mode.kind} type ${mode.kind === "container" ? "network" : "networking"} can't be used with links. This would result in undefined behavior`);
    }
    for (const text of legacyLinks(container)) {
      checkLink(text);
      const { target } = parseLink(text);
      try {
        this.parts.containers.resolve(target);
      } catch (e) {
        // Not "not found": clients take a create's for a missing image.
        if (e instanceof NotFound) throw new InvalidArgument(`could not get container for ${target}: No such container: ${target}`, { cause: e });
        throw e;
      }
    }
  }

  /** At the start, when addresses are needed. Conflict when a linked container does not run. */
  hold(container: Container): void {
    const links = this.linksOf(container);
    for (const { target, alias } of legacyLinks(container).map(parseLink)) {
      const linked = links.find((l) => l.alias === alias);
      if (linked === undefined || !isRunning(linked.target)) throw new Conflict(`Cannot link to a non running container: /${linked?.target.name ?? target} AS /${container.name}/${alias}`);
    }
    this.remember(container);
  }
  /** The same for one that runs already. */
  remember(container: Container): void {
    if (legacyLinks(container).length > 0) this.holding.add(container.id);
    else this.holding.delete(container.id);
  }
  release(container: ContainerId): void { this.holding.delete(container); }

  /** Links are noted by name: those to a container that was renamed lead to it under its new one. */
  private follow(was: string, is: string): void {
    const renamed = (links: readonly string[] | null | undefined): string[] => (links ?? []).map((text) => {
      const { target, alias } = parseLink(text);
      return target === was ? `${is}:${alias}` : text;
    });
    const leads = (links: readonly string[] | null | undefined): boolean => (links ?? []).some((text) => parseLink(text).target === was);
    for (const container of [...this.parts.containers.list()]) {
      const { hostConfig, networks } = container;
      if (!leads(hostConfig.Links) && !Object.values(networks).some((n) => leads(n.Links))) continue;
      this.parts.containers.update({
        ...container, hostConfig: { ...hostConfig, ...(hostConfig.Links ? { Links: renamed(hostConfig.Links) } : {}) },
        networks: Object.fromEntries(Object.entries(networks).map(([name, spec]) => [name, spec.Links ? { ...spec, Links: renamed(spec.Links) } : spec])),
      });
    }
  }

  /** Lines for /etc/hosts. */
  hosts(container: Container): HostsEntry[] {
    return this.linksOf(container).flatMap((link) => this.entry(link) ?? []);
  }
  /** Running containers that are linked to this one, and their lines for it. */
  holders(target: Container): { readonly holder: Container; readonly entries: readonly HostsEntry[] }[] {
    return [...this.holding].flatMap((id) => {
      const holder = this.parts.containers.get(id);
      const entries = this.linksOf(holder).filter((l) => l.target.id === target.id).flatMap((l) => this.entry(l) ?? []);
      return entries.length > 0 ? [{ holder, entries }] : [];
    });
  }

  /** Variables as Docker has given them since before there were networks: `DB_PORT_6379_TCP_ADDR` and its kin. */
  environment(container: Container): string[] {
    return this.linksOf(container).flatMap(({ alias, target }) => {
      const address = this.addressOf(target), word = alias.toUpperCase().replaceAll("-", "_");
      if (address === undefined) return [];
      const ports = Object.keys(target.config.ExposedPorts ?? {}).map(parsePort).flatMap(eachOf).sort((a, b) => a.from - b.from || (a.protocol < b.protocol ? -1 : 1));
      const url = ({ protocol, from }: Port): string => `${protocol}://${address}:${from}`;
      const runs = runsOf(ports);
      return [
        ...(ports[0] ? [`${word}_PORT=${url(ports[0])}`] : []),
        ...runs.flatMap(([first, last]) => {
          const name = `${word}_PORT_${first.from}_${first.protocol.toUpperCase()}`;
          return [`${name}_START=${url(first)}`, `${name}_ADDR=${address}`, `${name}_PROTO=${first.protocol}`, `${name}_PORT_START=${first.from}`, `${name}_END=${url(last)}`, `${name}_PORT_END=${last.from}`];
        }),
        ...ports.flatMap((p) => {
          const name = `${word}_PORT_${p.from}_${p.protocol.toUpperCase()}`;
          return [`${name}=${url(p)}`, `${name}_ADDR=${address}`, `${name}_PORT=${p.from}`, `${name}_PROTO=${p.protocol}`];
        }),
        `${word}_NAME=/${container.name}/${alias}`,
        ...(target.config.Env ?? []).filter((e) => e.includes("=") && !/^(HOME|PATH)=/.test(e)).map((e) => `${word}_ENV_${e}`),
      ];
    });
  }

  private linksOf(container: Container): Link[] {
    return legacyLinks(container).flatMap((text) => {
      const { target, alias } = parseLink(text);
      try {
        return [{ alias, target: this.parts.containers.get(this.parts.containers.resolve(target)) }];
      } catch (e) {
        if (e instanceof NotFound) return [];
        throw e;
      }
    });
  }
  private entry({ alias, target }: Link): HostsEntry | undefined {
    const address = this.addressOf(target);
    return address === undefined ? undefined : { address, names: [...new Set([alias, ...(target.config.Hostname ? [target.config.Hostname] : []), target.name])] };
  }
  /** On the default network. */
  private addressOf(target: Container): string | undefined {
    return this.parts.store.endpoints({ container: target.id }).find((e) => this.parts.store.get(e.network).name === "bridge")?.ipv4 ?? undefined;
  }
}
