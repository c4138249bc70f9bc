import { InvalidArgument, parseIp, type ContainerConfig, type HostConfig, type PortBinding } from "../core/index.js";

export type Protocol = PortBinding["protocol"];
/** A container's port and the host port it is to have. */
export interface PortRequest {
  readonly protocol: Protocol;
  readonly containerPort: number;
  /** Empty: every local address. */
  readonly hostIp: string;
  /** The first free one of these; undefined leaves the choice to us. */
  readonly hostPorts: { readonly from: number; readonly to: number } | undefined;
}

/**
 * What a container asks to publish: its PortBindings, and with PublishAllPorts each exposed port without a binding.
 * InvalidArgument names the part that cannot be read.
 */
export function portRequests(config: ContainerConfig, hostConfig: HostConfig): PortRequest[] {
  const requests = Object.entries(hostConfig.PortBindings ?? {}).flatMap(([key, bindings]) => {
    const ports = parsePort(key);
    return (bindings ?? []).flatMap((b) => bind(ports, b.HostIp ?? "", b.HostPort ?? ""));
  });
  if (!hostConfig.PublishAllPorts) return requests;
  const bound = new Set(requests.map((r) => `${r.containerPort}/${r.protocol}`));
  const exposed = Object.keys(config.ExposedPorts ?? {}).flatMap((key) => expand(parsePort(key)));
  return [...requests, ...exposed.filter((p) => !bound.has(`${p.port}/${p.protocol}`)).map((p) => ({
    protocol: p.protocol, containerPort: p.port, hostIp: "", hostPorts: undefined,
  }))];
}

/** Each of a container's ports that is asked for, once. */
export function portsAskedFor(config: ContainerConfig, hostConfig: HostConfig): { protocol: Protocol; port: number }[] {
  const ports = portRequests(config, hostConfig).map(({ protocol, containerPort }) => ({ protocol, port: containerPort }));
  return ports.filter((p, i) => ports.findIndex((o) => o.protocol === p.protocol && o.port === p.port) === i);
}

interface Ports { readonly protocol: Protocol; readonly from: number; readonly to: number }
const expand = (p: Ports): { protocol: Protocol; port: number }[] =>
  Array.from({ length: p.to - p.from + 1 }, (_, i) => ({ protocol: p.protocol, port: p.from + i }));

/** `80`, `80/tcp`, `8000-8010/udp`. */
export function parsePort(text: string): Ports {
  const [, range, protocol = "tcp"] = /^([\d-]+)(?:\/(tcp|udp|sctp))?$/i.exec(text) ?? [];
  const ports = range === undefined ? undefined : parseRange(range);
  if (!ports || ports.from === 0) throw new InvalidArgument(`invalid port specification: "${text}"`);
  return { protocol: protocol.toLowerCase() as Protocol, ...ports };
}
function parseRange(text: string): { from: number; to: number } | undefined {
  const [, from, to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const range = { from: Number(from), to: Number(to) };
  return from === undefined || range.to < range.from || range.to > 65_535 ? undefined : range;
}

function bind(ports: Ports, hostIp: string, hostPort: string): PortRequest[] {
  if (hostIp !== "" && !parseIp(hostIp)) throw new InvalidArgument(`invalid IP address: ${hostIp}`);
  const host = hostPort === "" ? { from: 0, to: 0 } : parseRange(hostPort);
  if (!host) throw new InvalidArgument(`invalid port specification: "${hostPort}"`);
  const free = host.from === 0;
  const many = ports.to > ports.from;
  // A range on both sides maps one to one; a range for a single port offers a choice.
  if (many && !free && host.to - host.from !== ports.to - ports.from) throw new InvalidArgument(`invalid ranges specified for container and host Ports: ${ports.from}-${ports.to} and ${hostPort}`);
  return expand(ports).map(({ protocol, port }, i) => ({
    protocol, containerPort: port, hostIp,
    hostPorts: free ? undefined : many ? { from: host.from + i, to: host.from + i } : host,
  }));
}

/** Whether two bindings would want the same host port. */
export function clash(a: PortBinding, b: PortBinding): boolean {
  const wild = (ip: string): boolean => ip === "0.0.0.0" || ip === "::";
  const sameFamily = a.hostIp.includes(":") === b.hostIp.includes(":");
  return a.protocol === b.protocol && a.hostPort === b.hostPort && sameFamily && (a.hostIp === b.hostIp || wild(a.hostIp) || wild(b.hostIp));
}
