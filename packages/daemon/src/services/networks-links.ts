import { Conflict, InvalidArgument, NotFound, type Container } from "../core/index.js";
import { parseLink } from "./networks-directory.js";
import type { HostsEntry } from "./networks-files.js";
import { isRunning, modeOf, type NetworkParts } from "./networks-parts.js";
import { parsePort } from "./networks-ports.js";

interface Link { readonly alias: string; readonly target: Container }

/** The links a container has in HostConfig, which count on the default network only; elsewhere they are endpoints' own. */
export function legacyLinks(container: Container): readonly string[] {
  const mode = modeOf(container);
  return mode.kind === "network" && mode.name === "bridge" ? container.hostConfig.Links ?? [] : [];
}

/** Links on the default network, for clients older than networks with names: lines in /etc/hosts and variables. */
export class Links {
  /** Running containers with links, by ID. */
  private readonly holding = new Map<string, Container>();

  constructor(private readonly parts: Pick<NetworkParts, "containers" | "store">) {}

  /** At create: InvalidArgument. */
  validate(container: Container): void {
    const mode = modeOf(container);
    if (mode.kind !== "network" && (container.hostConfig.Links ?? []).length > 0) {
      throw new InvalidArgument(mode.kind === "host" ? "conflicting options: host type networking can't be used with links. This would result in undefined behavior"
        : `conflicting options: ${mode.kind} type networking can't be used with links. This would result in undefined behavior`);
    }
    for (const text of legacyLinks(container)) {
      const { target, alias } = parseLink(text);
      if (target === "" || alias === "") throw new InvalidArgument(`bad format for links: ${text}`);
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
    for (const { alias, target } of this.linksOf(container)) {
      if (!isRunning(target)) throw new Conflict(`Cannot link to a non running container: /${target.name} AS /${container.name}/${alias}`);
    }
    this.remember(container);
  }
  /** The same for one that runs already. */
  remember(container: Container): void {
    if (legacyLinks(container).length > 0) this.holding.set(container.id, container);
    else this.holding.delete(container.id);
  }
  release(container: string): void { this.holding.delete(container); }

  /** Lines for /etc/hosts. */
  hosts(container: Container): HostsEntry[] {
    return this.linksOf(container).flatMap((link) => this.entry(link) ?? []);
  }
  /** Running containers that are linked to this one, and their lines for it. */
  holders(target: Container): { readonly holder: Container; readonly entries: readonly HostsEntry[] }[] {
    return [...this.holding.values()].flatMap((holder) => {
      const entries = this.linksOf(holder).filter((l) => l.target.id === target.id).flatMap((l) => this.entry(l) ?? []);
      return entries.length > 0 ? [{ holder, entries }] : [];
    });
  }

  /** Variables as Docker has given them since before there were networks: `DB_PORT_6379_TCP_ADDR` and its kin. */
  environment(container: Container): string[] {
    return this.linksOf(container).flatMap(({ alias, target }) => {
      const address = this.addressOf(target), word = alias.toUpperCase().replaceAll("-", "_");
      if (address === undefined) return [];
      const ports = Object.keys(target.config.ExposedPorts ?? {}).map(parsePort).sort((a, b) => a.from - b.from || (a.protocol < b.protocol ? -1 : 1));
      const url = ({ protocol, from }: (typeof ports)[number]): string => `${protocol}://${address}:${from}`;
      return [
        ...(ports[0] ? [`${word}_PORT=${url(ports[0])}`] : []),
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
