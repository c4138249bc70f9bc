import { existsSync } from "node:fs";
import { type Container, type Output, Unavailable } from "../../core/index.js";
import { UnixDatagrams } from "../../kernel/datagrams.js";
import { attributesOf, tagOf } from "./about.js";
import type { LogOptions } from "./options.js";
import { RemoteLogs, type Sink } from "./remote.js";

const ERROR = 3, INFORMATIONAL = 6;

/** Sends records to systemd's journal, by its native protocol. */
export class JournaldLogs extends RemoteLogs {
  readonly name = "journald";
  protected readonly own = [];

  /** `socket`: where the journal listens. */
  constructor(private readonly socket: string) {
    super();
  }

  protected checkOwn(): void {}

  /** Unavailable where there is no journal. */
  protected async connect(options: LogOptions, container: Container): Promise<Sink> {
    if (!existsSync(this.socket)) throw new Unavailable("journald is not enabled on this host");
    const journal = new UnixDatagrams(this.socket);
    const fields = fieldsOf(options, container);
    return { send: (record) => journal.send(journalEntry(record, fields)), close: async () => journal.close() };
  }
}

/** What every entry of a container has, by the names that Docker gives. */
export function fieldsOf(options: LogOptions, container: Container): Record<string, string> {
  const tag = tagOf(options, container, "{{.ID}}");
  const extra = Object.entries(attributesOf(options, container)).map(([key, value]): [string, string] => [fieldName(key), value]);
  return {
    ...Object.fromEntries(extra.filter(([key]) => key !== "")),
    CONTAINER_ID: container.id.slice(0, 12), CONTAINER_ID_FULL: container.id, CONTAINER_NAME: container.name, CONTAINER_TAG: tag, IMAGE_NAME: container.imageName, SYSLOG_IDENTIFIER: tag,
  };
}

/** Names of the journal's fields are capitals, digits and underscores, and begin with a letter. */
function fieldName(key: string): string {
  return key.toUpperCase().replace(/[^A-Z0-9]/g, "_").replace(/^[^A-Z]+/, "");
}

/** One entry of the native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): a value with a newline goes with its length. */
export function journalEntry({ stream, data, partial }: Output, fields: Readonly<Record<string, string>>): Buffer {
  const message = data[data.length - 1] === 0x0a ? data.subarray(0, -1) : data;
  return Buffer.concat([
    field("MESSAGE", message), field("PRIORITY", Buffer.from(String(stream === "stderr" ? ERROR : INFORMATIONAL))),
    ...Object.entries(fields).map(([key, value]) => field(key, Buffer.from(value))),
    ...(partial ? [field("CONTAINER_PARTIAL_MESSAGE", Buffer.from("true"))] : []),
  ]);
}

function field(key: string, value: Buffer): Buffer {
  if (!value.includes(0x0a)) return Buffer.concat([Buffer.from(`${key}=`), value, Buffer.from("\n")]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${key}\n`), length, value, Buffer.from("\n")]);
}
