const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

function scaled(bytes: number, base: number, units: readonly string[], digits: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  return `${Number(value.toPrecision(digits))}${units[unit]}`;
}

/** Bytes in powers of 1000 with so many significant digits: `1.98MB`, with four `1.982MB`. */
export function humanSize(bytes: number, digits = 3): string {
  return scaled(bytes, 1000, DECIMAL, digits);
}

/** Bytes in powers of 1024 with four significant digits: `7.764GiB`. */
export function binarySize(bytes: number): string {
  return scaled(bytes, 1024, BINARY, 4);
}

const SIZE = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(i?b)?$/i;

/** Reads `512`, `64m`, `1.5g`, `2GiB` as bytes, in powers of 1024. Throws when it is something else. */
export function parseBytes(text: string): number {
  const match = SIZE.exec(text.trim());
  if (!match) throw new Error(`invalid size: '${text}'`);
  return Math.trunc(Number(match[1]) * 1024 ** ["", "k", "m", "g", "t", "p"].indexOf(match[2]!.toLowerCase()));
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;

/** How long, roughly, in words: `3 minutes`, `About an hour`, `2 weeks`. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < MINUTE) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / MINUTE);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(milliseconds / 1000 / HOUR + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  const days = Math.trunc(hours / 24);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.trunc(days / 7)} weeks`;
  if (days < 730) return `${Math.trunc(days / 30)} months`;
  return `${Math.trunc(Math.trunc(milliseconds / 1000 / HOUR) / 24 / 365)} years`;
}

/** `3 minutes ago`; empty for a time that is not known. */
export function ago(unixSeconds: number, now = Date.now()): string {
  return unixSeconds <= 0 ? "" : `${humanDuration(now - unixSeconds * 1000)} ago`;
}

/** A time as Go prints one: `2026-11-21 03:40:11 +0000 UTC`, in the local time zone. */
export function goTime(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  const two = (value: number): string => String(value).padStart(2, "0");
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? "-" : "+"}${two(Math.trunc(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const name = offset === 0 && (process.env["TZ"] ?? "UTC") === "UTC" ? "UTC" : zoneName(date);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone} ${name}`;
}

function zoneName(date: Date): string {
  return /\(([^)]*)\)/.exec(date.toString())?.[1]?.replace(/^Coordinated Universal Time$/, "UTC").replace(/([A-Z])\S*\s*/g, "$1") ?? "";
}

/** At most so many characters, the last an ellipsis where something was cut. */
export function ellipsis(text: string, length: number): string {
  const characters = Array.from(text);
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}

/** An ID as lists show it: twelve digits without `sha256:`. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}
