import { isIP } from "node:net";

/** What `-p` and `--expose` ask for, as the API takes it. */
export interface PortSpec {
  readonly exposed: Record<string, Record<string, never>>;
  readonly bindings: Record<string, { HostIp: string; HostPort: string }[]>;
}

interface PortRange { readonly first: number; readonly last: number }

/**
 * Reads `[[IP:][HOST]:]CONTAINER[/PROTOCOL]`, where both ports may be ranges: of equal length they are paired, and a range
 * for one container port leaves the choice to the daemon. Throws with docker's words.
 */
export function parsePorts(publish: readonly string[], expose: readonly string[] = []): PortSpec {
  const spec: PortSpec = { exposed: {}, bindings: {} };
  for (const text of publish) publishOne(spec, text.includes("=") ? longForm(text) : text);
  for (const text of expose) {
    const [port = "", protocol = "tcp"] = text.split("/");
    for (const one of numbers(parseRange(port, `invalid range format for --expose: ${text}`))) spec.exposed[`${one}/${protocol}`] = {};
  }
  return spec;
}

function publishOne({ exposed, bindings }: PortSpec, text: string): void {
  const [, rest = text, protocol = "tcp"] = /^(.*?)(?:\/([a-z]+))?$/i.exec(text) ?? [];
  const proto = protocol.toLowerCase();
  if (!["tcp", "udp", "sctp"].includes(proto)) throw new Error(`invalid proto: ${protocol}`);
  const bracketed = /^\[([^\]]*)\]:(.*)$/.exec(rest);
  const parts = (bracketed ? bracketed[2]! : rest).split(":");
  if (bracketed) parts.unshift(...(parts.length === 1 ? [bracketed[1]!, ""] : [bracketed[1]!]));
  // An IPv6 address without brackets: all but the last two.
  const [container = "", host = "", ...address] = [...parts].reverse();
  const ip = address.reverse().join(":");
  if (container === "") throw new Error(`no port specified: ${text}<empty>`);
  if (ip !== "" && isIP(ip) === 0) throw new Error(`invalid IP address: ${ip}`);
  const inside = parseRange(container, `invalid containerPort: ${container}`);
  const outside = host === "" ? undefined : parseRange(host, `invalid hostPort: ${host}`);
  const count = inside.last - inside.first;
  if (outside && outside.last - outside.first !== count && count !== 0) throw new Error(`invalid ranges specified for container and host Ports: ${container} and ${host}`);
  for (const [at, port] of numbers(inside).entries()) {
    const key = `${port}/${proto}`;
    const HostPort = !outside ? "" : count === 0 && outside.last !== outside.first ? host : String(outside.first + at);
    exposed[key] = {};
    (bindings[key] ??= []).push({ HostIp: ip, HostPort });
  }
}

/** `published=8080,target=80,protocol=tcp` in the short form. */
function longForm(text: string): string {
  const fields: Record<string, string> = {};
  for (const pair of text.split(",")) {
    const [key = "", value] = pair.split("=");
    if (value === undefined || !["published", "target", "protocol", "mode"].includes(key)) throw new Error(`invalid field: ${pair}`);
    fields[key] = value;
  }
  return `${fields["published"] ?? ""}:${fields["target"] ?? ""}/${fields["protocol"] ?? "tcp"}`;
}

function parseRange(text: string, problem: string): PortRange {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (!match || last > 65535 || last < first) throw new Error(problem);
  return { first, last };
}

const numbers = ({ first, last }: PortRange): number[] => Array.from({ length: last - first + 1 }, (_unused, at) => first + at);
