/** A port as container lists give it. */
export interface ListedPort {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

interface Range { readonly ip: string; readonly type: string; first: number; last: number }

/** `0.0.0.0:8080->80/tcp, 9000-9002/udp`: neighbouring ports of equal numbers on both sides share an entry. */
export function displayPorts(ports: readonly ListedPort[]): string {
  const sorted = [...ports].sort((a, b) =>
    a.PrivatePort - b.PrivatePort || compare(a.IP ?? "", b.IP ?? "") || (a.PublicPort ?? 0) - (b.PublicPort ?? 0) || compare(a.Type, b.Type));
  const open = new Map<string, Range>();
  const closed: string[] = [];
  const mapped: string[] = [];
  for (const port of sorted) {
    const ip = port.IP ?? "";
    if (ip !== "" && port.PublicPort !== port.PrivatePort) {
      mapped.push(`${address(ip)}:${port.PublicPort ?? 0}->${port.PrivatePort}/${port.Type}`);
      continue;
    }
    const key = `${ip}/${port.Type}`;
    const range = open.get(key);
    if (range && port.PrivatePort <= range.last + 1) {
      range.last = port.PrivatePort;
      continue;
    }
    if (range) closed.push(displayRange(range));
    open.set(key, { ip, type: port.Type, first: port.PrivatePort, last: port.PrivatePort });
  }
  return [...closed, ...[...open.values()].map(displayRange), ...mapped].join(", ");
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const address = (ip: string): string => (ip.includes(":") ? `[${ip}]` : ip);

function displayRange({ ip, type, first, last }: Range): string {
  const numbers = first === last ? String(first) : `${first}-${last}`;
  return ip === "" ? `${numbers}/${type}` : `${address(ip)}:${numbers}->${numbers}/${type}`;
}
