import { InvalidArgument, type Output } from "../../core/index.js";

/** Facilities by name (RFC 5424, table 1). */
const FACILITIES = [
  "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "", "", "", "",
  "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
const DAEMON = 3;
const ERROR = 3, INFORMATIONAL = 6;

/** The number of a facility that is named, or its number; without one: daemon. */
export function facilityOf(text: string | undefined): number {
  if (text === undefined || text === "") return DAEMON;
  const number = /^\d+$/.test(text) ? Number(text) : FACILITIES.indexOf(text);
  if (number < 0 || number >= FACILITIES.length) throw new InvalidArgument(`invalid syslog facility: ${text}`);
  return number;
}

export const FORMATS = ["", "rfc3164", "rfc5424", "rfc5424micro"] as const;
export type SyslogFormat = (typeof FORMATS)[number];

export function formatOf(text: string | undefined): SyslogFormat {
  const found = FORMATS.find((format) => format === (text ?? ""));
  if (found === undefined) throw new InvalidArgument("Invalid syslog format");
  return found;
}

export interface SyslogSender {
  readonly format: SyslogFormat;
  readonly facility: number;
  readonly hostname: string;
  readonly tag: string;
  readonly pid: number;
}

/** One message, newline at its end. `now` in milliseconds since the epoch. */
export function syslogMessage({ format, facility, hostname, tag, pid }: SyslogSender, { stream, data }: Output, now: number): Buffer {
  const priority = `<${facility * 8 + (stream === "stderr" ? ERROR : INFORMATIONAL)}>`;
  const at = new Date(now);
  const heads: Readonly<Record<SyslogFormat, () => string>> = {
    // As programs write to the machine's own daemon: it knows the host.
    "": () => `${priority}${stamp(at)} ${tag}[${pid}]: `,
    rfc3164: () => `${priority}${stamp(at)} ${hostname} ${tag}[${pid}]: `,
    rfc5424: () => `${priority}1 ${at.toISOString().replace(/\.\d+Z$/, "Z")} ${hostname} ${tag} ${pid} ${tag} - `,
    rfc5424micro: () => `${priority}1 ${at.toISOString().replace("Z", "000Z")} ${hostname} ${tag} ${pid} ${tag} - `,
  };
  const line = data[data.length - 1] === 0x0a ? data : Buffer.concat([data, Buffer.from("\n")]);
  return Buffer.concat([Buffer.from(heads[format]()), line]);
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `Jan  2 15:04:05`, in local time (RFC 3164, 4.1.2). */
function stamp(at: Date): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${MONTHS[at.getMonth()]} ${String(at.getDate()).padStart(2, " ")} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
