import { InvalidArgument, parseSize } from "../../core/index.js";

export type LogOptions = Readonly<Record<string, string>>;

export interface RotationOptions {
  /** Bytes after which a file is full; Infinity for one file without end. */
  readonly maxSize: number;
  /** Files in all, the current one among them. */
  readonly maxFiles: number;
  /** Files that are full are packed with gzip. */
  readonly compress: boolean;
}

/** Names that `rotationOptions` reads. */
export const ROTATION = ["max-size", "max-file", "compress"] as const;

/** InvalidArgument for the first option that is not among the names. */
export function rejectUnknown(options: LogOptions, driver: string, known: readonly string[]): void {
  for (const key of Object.keys(options)) if (!known.includes(key)) throw new InvalidArgument(`unknown log opt '${key}' for ${driver} log driver`);
}

/**
 * `max-size` and `max-file` as Docker's json-file driver takes them; without them 10 MB and 3 files, so that no
 * container fills the disk. `max-size=-1` is without end.
 */
export function jsonFileRotation(options: LogOptions): RotationOptions {
  return rotationOptions(options, { maxSize: 10 << 20, maxFiles: options["max-size"] === undefined ? 3 : 1, compress: false });
}

/** The same for the `local` driver: 20 MB, 5 files, packed. */
export function localRotation(options: LogOptions): RotationOptions {
  return rotationOptions(options, { maxSize: 20 << 20, maxFiles: 5, compress: true });
}

function rotationOptions(options: LogOptions, otherwise: RotationOptions): RotationOptions {
  const size = options["max-size"], files = options["max-file"];
  if (files !== undefined && (!/^\d+$/.test(files) || Number(files) < 1)) throw new InvalidArgument("max-file cannot be less than 1");
  const maxFiles = files === undefined ? otherwise.maxFiles : Number(files);
  const maxSize = size === undefined ? otherwise.maxSize : size === "-1" ? Infinity : parseSize("max-size", size);
  const compress = booleanOption(options, "compress") ?? (otherwise.compress && maxFiles > 1);
  if (compress && (maxFiles < 2 || maxSize === Infinity)) throw new InvalidArgument("compress cannot be true when max-file is less than 2 or max-size is not set");
  return { maxSize, maxFiles, compress };
}

/** True and false as Go's strconv reads them. */
export function booleanOption(options: LogOptions, key: string): boolean | undefined {
  const text = options[key];
  if (text === undefined) return undefined;
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new InvalidArgument(`invalid value for ${key}: "${text}" is neither true nor false`);
}
