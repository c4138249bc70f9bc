import { InvalidArgument, parseSize } from "../../core/index.js";

export interface RotationOptions {
  /** Bytes after which a file is full; Infinity for one file without end. */
  readonly maxSize: number;
  /** Files in all, the current one among them. */
  readonly maxFiles: number;
}

/**
 * `max-size` and `max-file` as Docker's json-file driver takes them; without them 10 MB and 3 files, so that no
 * container fills the disk. `max-size=-1` is without end.
 */
export function rotationOptions(options: Readonly<Record<string, string>>, driver: string): RotationOptions {
  for (const key of Object.keys(options)) {
    if (!["max-size", "max-file", "compress"].includes(key)) throw new InvalidArgument(`unknown log opt '${key}' for ${driver} log driver`);
  }
  const compress = options["compress"];
  if (compress !== undefined && compress !== "false" && compress !== "0") throw new InvalidArgument(`log opt compress=${compress} is not supported: rotated files stay as they are`);
  const size = options["max-size"];
  const files = options["max-file"] ?? (size === undefined ? "3" : "1");
  if (!/^\d+$/.test(files) || Number(files) < 1) throw new InvalidArgument("max-file cannot be less than 1");
  return { maxSize: size === undefined ? 10 << 20 : size === "-1" ? Infinity : parseSize("max-size", size), maxFiles: Number(files) };
}
