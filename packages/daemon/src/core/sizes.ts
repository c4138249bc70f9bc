import { InvalidArgument } from "./errors.js";

const UNITS = "bkmgtp";

/** Bytes of `10m`, `1.5g`, `512KiB`, `1048576`; units are powers of 1024. InvalidArgument, naming `option`, for what is no size above zero. */
export function parseSize(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgtp]?)(?:i?b)?$/i.exec(text.trim());
  const bytes = match === null ? 0 : Math.floor(Number(match[1]) * 1024 ** UNITS.indexOf(match[2]!.toLowerCase() || "b"));
  if (bytes <= 0 || bytes > Number.MAX_SAFE_INTEGER) throw new InvalidArgument(`invalid value for ${option}: "${text}" is not a size`);
  return bytes;
}
