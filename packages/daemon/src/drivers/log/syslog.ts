import { hostname } from "node:os";
import type { Clock, Container } from "../../core/index.js";
import { tagOf } from "./about.js";
import type { LogOptions } from "./options.js";
import { RemoteLogs, type Sink } from "./remote.js";
import { facilityOf, formatOf, syslogMessage } from "./syslog-format.js";
import { openTransport, parseSyslogAddress } from "./syslog-transport.js";

/** Sends records to a syslog server, or to the machine's own. */
export class SyslogLogs extends RemoteLogs {
  readonly name = "syslog";
  protected readonly own = ["syslog-address", "syslog-facility", "syslog-format"];

  constructor(private readonly clock: Clock) {
    super();
  }

  protected checkOwn(options: LogOptions): void {
    parseSyslogAddress(options["syslog-address"]);
    facilityOf(options["syslog-facility"]);
    formatOf(options["syslog-format"]);
  }

  protected async connect(options: LogOptions, container: Container): Promise<Sink> {
    const transport = await openTransport(parseSyslogAddress(options["syslog-address"]));
    const sender = {
      format: formatOf(options["syslog-format"]), facility: facilityOf(options["syslog-facility"]),
      hostname: hostname(), tag: tagOf(options, container, "{{.ID}}"), pid: process.pid,
    };
    return { send: (record) => transport.send(syslogMessage(sender, record, this.clock.now())), close: () => transport.close() };
  }
}
