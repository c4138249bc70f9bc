import { CliError, messageOf, type Cli } from "./cli.js";
import { compile } from "./format/listing.js";
import { TemplateError } from "./template/lexer.js";
import { isMap, markMap, ZeroValue } from "./template/show.js";

/** Fields that hold maps with keys of the user's: an absent key is no mistake there. */
const MAPS = new Set([
  "Labels", "Options", "DriverOpts", "Networks", "Ports", "PortBindings", "ExposedPorts", "Volumes", "Sysctls", "Tmpfs", "StorageOpt", "Annotations", "Attributes", "Data",
  "Containers", "AuxiliaryAddresses", "Runtimes", "IndexConfigs",
]);
/** Fields behind a pointer: absent, they are nil rather than empty. */
const POINTERS = new Set(["Health", "Healthcheck", "StopTimeout", "Init", "SizeRw", "SizeRootFs", "OomKillDisable", "PidsLimit", "MemorySwappiness", "IPAMConfig", "UsageData", "RegistryConfig", "Error"]);
/** What a daemon may leave out although docker's types have it: the empty value to show. */
const EMPTY: Readonly<Record<string, string>> = {
  Shell: "[]", Mounts: "[]", OnBuild: "[]", StopSignal: "", MacAddress: "", ArgsEscaped: "false", NetworkDisabled: "false", Runtime: "", Variant: "", OsVersion: "", ExecIDs: "[]", status: "", id: "", from: "",
};

/** Marks the maps in a document from the daemon, so that templates treat them as docker does. */
export function prepare(document: unknown, name = "", parent = ""): void {
  if (typeof document !== "object" || document === null) return;
  if (Array.isArray(document)) {
    for (const item of document) prepare(item, "", name);
    return;
  }
  if (MAPS.has(name) || (name === "Config" && parent === "LogConfig")) markMap(document);
  for (const [key, value] of Object.entries(document)) prepare(value, key, name);
}

/** A field by docker's name of it, whatever the case; nulls are the zero values of docker's types. */
export function documentField(object: object, name: string): unknown {
  const fields = object as Record<string, unknown>;
  const key = Object.hasOwn(fields, name) || isMap(object) ? name : (Object.keys(fields).find((one) => one.toLowerCase() === name.toLowerCase()) ?? name);
  if (Object.hasOwn(fields, key)) return fields[key] ?? zeroOf(key);
  if (isMap(object)) return undefined;
  if (POINTERS.has(key) || MAPS.has(key) || key in EMPTY || key.toLowerCase() in EMPTY) return zeroOf(key);
  throw new Error(`map has no entry for key "${name}"`);
}

function zeroOf(name: string): ZeroValue {
  return new ZeroValue(POINTERS.has(name) ? "<nil>" : MAPS.has(name) ? "map[]" : (EMPTY[name] ?? EMPTY[name.toLowerCase()] ?? "[]"));
}

/** A template for one document as the daemon gives it. */
export function documentTemplate(format: string, problem = "template parsing error"): (document: unknown) => string {
  const explain = (cause: unknown, exitCode: number): unknown => (cause instanceof TemplateError ? new CliError(`${problem}: ${cause.message.replace(/^failed to parse template: /, "")}`, exitCode, { cause }) : cause);
  let template: ReturnType<typeof compile>;
  try {
    template = compile(format, documentField);
  } catch (cause) {
    throw explain(cause, 64);
  }
  return (document) => {
    prepare(document);
    try {
      return template.execute(document);
    } catch (cause) {
      throw explain(cause, 1);
    }
  };
}

/**
 * Looks at each name and prints a JSON array, or a line each with `--format`; what was found is printed also when
 * something else was not.
 */
export async function printInspected(cli: Cli, names: readonly string[], format: string | undefined, look: (name: string) => Promise<unknown>): Promise<void> {
  const show = format === undefined || format === "" || format === "json" ? undefined : documentTemplate(format);
  const results = await Promise.allSettled(names.map((name) => look(name)));
  const found = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  if (show) cli.printAll(found.map(show));
  else cli.print(format === "json" ? JSON.stringify(found) : JSON.stringify(found, null, 4));
  const failures = results.flatMap((result) => (result.status === "rejected" ? [messageOf(result.reason)] : []));
  if (failures.length > 0) throw new CliError(failures.join("\n"));
}
