import { messageOf, type ContainerId, type DnsTransport } from "../core/index.js";
import { addressOfReverse, codeOf, DNS_TYPE, encodeAnswer, encodeFailure, parseQuery, RCODE, type DnsQuery, type DnsRecord } from "./dns-message.js";
import { Directory } from "./networks-directory.js";
import { hostResolver, PUBLIC_SERVERS, serversOf } from "./networks-files.js";
import { isDriven, type NetworkParts } from "./networks-parts.js";

/** Of a container's queries that wait for other servers at once; more are refused. */
const WAITING_AT_ONCE = 256;
/** A client gives up after five seconds or so: a silent first server must leave time for the next. */
const PATIENCE_MS = { first: 1_500, last: 4_000 } as const;

/** The name server of containers: tells who is on their networks, and asks others for everything else. */
export class NameService {
  private readonly directory: Directory;
  private readonly waiting = new Map<ContainerId, number>();

  constructor(private readonly parts: NetworkParts) {
    this.directory = new Directory(parts);
  }

  /** Serves a container in its namespace, until `stop`. */
  serve(container: ContainerId): Promise<void> {
    return this.parts.names.listen(container, this.parts.namespaces.path(container), (query, over) => this.answer(container, query, over));
  }
  stop(container: ContainerId): void { this.parts.names.close(container); }

  /** Undefined for what deserves no answer. */
  async answer(container: ContainerId, message: Buffer, over: DnsTransport): Promise<Buffer | undefined> {
    const query = parseQuery(message);
    const records = query && this.known(container, query);
    return records ? encodeAnswer(query, records, over) : this.forward(container, message, query, over);
  }

  /** What we know of a name, empty if it is one of ours without a record of that type; undefined when others are to be asked. */
  private known(container: ContainerId, { name, type }: DnsQuery): DnsRecord[] | undefined {
    if (name === undefined || name === "") return undefined;
    const address = addressOfReverse(name);
    if (address !== undefined) {
      const found = this.directory.nameOf(container, address);
      return found === undefined ? undefined : type === DNS_TYPE.PTR || type === DNS_TYPE.ANY ? [{ type: "PTR", name: found }] : [];
    }
    const v4 = this.directory.addresses(container, name, 4);
    if (!v4) return undefined;
    const v6 = type === DNS_TYPE.A ? [] : this.directory.addresses(container, name, 6) ?? [];
    return [
      ...(type === DNS_TYPE.A || type === DNS_TYPE.ANY ? v4.map((a) => ({ type: "A" as const, address: a })) : []),
      ...(type === DNS_TYPE.AAAA || type === DNS_TYPE.ANY ? v6.map((a) => ({ type: "AAAA" as const, address: a })) : []),
    ];
  }

  /** Passes a message on as it is, and the answer back. */
  private async forward(container: ContainerId, message: Buffer, query: DnsQuery | undefined, over: DnsTransport): Promise<Buffer | undefined> {
    if (message.length < 12 || (message[2]! & 0x80) !== 0) return encodeFailure(message, RCODE.FORMERR);
    const now = this.waiting.get(container) ?? 0;
    const failed = (): Buffer | undefined => (query ? encodeAnswer(query, [], over, RCODE.SERVFAIL) : encodeFailure(message, RCODE.SERVFAIL));
    if (now >= WAITING_AT_ONCE) return failed();
    this.waiting.set(container, now + 1);
    try {
      return await this.askOthers(container, message, over) ?? failed();
    } finally {
      const left = (this.waiting.get(container) ?? 1) - 1;
      if (left > 0) this.waiting.set(container, left);
      else this.waiting.delete(container);
    }
  }
  /** The first answer that is none of failure, else the last that came. */
  private async askOthers(id: ContainerId, message: Buffer, over: DnsTransport): Promise<Buffer | undefined> {
    const { servers, netns } = await this.others(id);
    let answer: Buffer | undefined;
    for (const [i, server] of servers.entries()) {
      try {
        answer = await this.parts.names.ask(message, over, server, i === servers.length - 1 ? PATIENCE_MS.last : PATIENCE_MS.first, netns);
        if (codeOf(answer) !== RCODE.SERVFAIL && codeOf(answer) !== REFUSED) return answer;
      } catch (e) {
        this.parts.logger.debug({ reason: messageOf(e), container: id }, "a name server did not answer");
      }
    }
    return answer;
  }
  /**
   * Servers that somebody named are asked from inside the container, by its routes; those of this machine from here,
   * where its own loopback servers answer, but only for containers that have a way out.
   */
  private async others(id: ContainerId): Promise<{ servers: readonly string[]; netns?: string }> {
    const named = serversOf(this.parts.containers.get(id), this.parts.config);
    if (named.length > 0) return { servers: named, netns: this.parts.namespaces.path(id) };
    const outward = this.parts.store.endpoints({ container: id }).map((e) => this.parts.store.get(e.network)).some((n) => isDriven(n) && !n.internal);
    if (!outward) return { servers: [] };
    const { servers } = await hostResolver(true);
    return { servers: servers.length > 0 ? servers : PUBLIC_SERVERS };
  }
}
const REFUSED = 5;
