import { fieldsOf, type RootReader, textOf } from "./files.js";
import type { Sizes } from "./measure.js";

/** One container as its directory tells it. */
export interface Container {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly driver: string;
  readonly running: boolean;
  readonly volumes: readonly string[];
  readonly logs: readonly LogFile[];
  /** Whether its configuration can be read. */
  readonly readable: boolean;
}
export interface LogFile {
  /** Below the root. */
  readonly path: string;
  readonly bytes: number;
}

export interface ContainerReport {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  /** As its record says; a daemon that was killed leaves that as it was. */
  readonly running: boolean;
  /** On disk: what it wrote. */
  readonly writable: number;
  /** On disk, in all files of its log. */
  readonly logs: number;
  readonly logFiles: readonly LogFile[];
  readonly volumes: readonly string[];
}

export function readContainers(reader: RootReader, sizes: Sizes): Container[] {
  return reader.names("containers").map((id) => {
    const config = reader.json(`containers/${id}/config.v2.json`) ?? reader.json(`containers/${id}/config.json`);
    const fields = config ?? {};
    return {
      id, name: textOf(fields["Name"]).replace(/^\//, ""), image: textOf(fields["Image"]), driver: textOf(fields["Driver"]), running: fieldsOf(fields["State"])["Running"] === true,
      volumes: volumesOf(fieldsOf(fields["MountPoints"])), logs: logsOf(reader, sizes, id), readable: config !== undefined,
    };
  });
}

/** Binds have neither a name nor a driver. */
function volumesOf(mounts: Readonly<Record<string, unknown>>): string[] {
  const named = Object.values(mounts).map(fieldsOf).filter((mount) => textOf(mount["Name"]) !== "" && ["", "local"].includes(textOf(mount["Driver"])) && textOf(mount["Type"]) !== "bind");
  return [...new Set(named.map((mount) => textOf(mount["Name"])))].sort();
}

/** The log of json-file with what was rotated out of it, and the folder of `local`. */
function logsOf(reader: RootReader, sizes: Sizes, id: string): LogFile[] {
  const files = reader.names(`containers/${id}`).filter((name) => name.startsWith(`${id}-json.log`)).map((name) => `containers/${id}/${name}`);
  const local = reader.names(`containers/${id}/local-logs`).map((name) => `containers/${id}/local-logs/${name}`);
  return [...files, ...local].map((path) => ({ path, bytes: sizes.bytes(path) }));
}
