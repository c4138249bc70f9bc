import { readFileSync } from "node:fs";
import type { HostConfig } from "@strata/client";

/** Lines of an environment or label file: `KEY=value`, or `KEY` to be looked up; blank lines and `#` comments are skipped. */
function fileLines(path: string): string[] {
  const lines = readFileSync(path, "utf8").replace(/^\uFEFF/, "").split(/\r?\n/).map((line) => line.trimStart());
  return lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
    const key = line.split("=")[0]!;
    if (key === "") throw new Error(`no variable name on line '${line}'`);
    if (/\s/.test(key)) throw new Error(`variable '${key}' contains whitespaces`);
    return line;
  });
}

/** `-e` and `--env-file`: a name alone takes its value from the environment here, or is left out. */
export function readEnvironment(flags: readonly string[], files: readonly string[], env: NodeJS.ProcessEnv): string[] {
  return [...files.flatMap(fileLines), ...flags].flatMap((entry) => {
    if (entry.startsWith("=") || entry === "") throw new Error(`invalid environment variable: ${entry}`);
    if (entry.includes("=")) return [entry];
    return env[entry] === undefined ? [] : [`${entry}=${env[entry]}`];
  });
}

/** `-l` and `--label-file`. */
export function readLabels(flags: readonly string[], files: readonly string[]): Record<string, string> {
  return Object.fromEntries([...files.flatMap(fileLines), ...flags].map((label) => {
    const at = label.indexOf("=");
    return at === -1 ? [label, ""] : [label.slice(0, at), label.slice(at + 1)];
  }));
}

/** `no`, `always`, `unless-stopped`, `on-failure[:max]`. */
export function parseRestart(text: string): NonNullable<HostConfig["RestartPolicy"]> {
  const [name = "", count, ...rest] = text.split(":");
  if (rest.length > 0 || name === "") throw new Error(name === "" && count !== undefined ? "invalid restart policy format: no policy provided before colon" : "invalid restart policy format");
  if (count !== undefined && !/^\d+$/.test(count)) throw new Error("invalid restart policy format: maximum retry count must be an integer");
  return { Name: name as "no", MaximumRetryCount: Number(count ?? 0) };
}

/** `nofile=1024:2048`; -1 is no limit. */
export function parseUlimit(text: string): { Name: string; Soft: number; Hard: number } {
  const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
  if (!match) throw new Error(`invalid ulimit argument: ${text}`);
  const Soft = Number(match[2]);
  const Hard = Number(match[3] ?? match[2]);
  if (Hard !== -1 && (Soft > Hard || Soft === -1)) throw new Error(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`);
  return { Name: match[1]!, Soft, Hard };
}

/** `/dev/a[:/dev/b][:rwm]`. */
export function parseDevice(text: string): { PathOnHost: string; PathInContainer: string; CgroupPermissions: string } {
  const [host = "", second, third, ...rest] = text.split(":");
  const isMode = (value: string): boolean => /^[rwm]{1,3}$/.test(value);
  if (rest.length > 0 || host === "") throw new Error(`invalid device specification: ${text}`);
  if (second === undefined) return { PathOnHost: host, PathInContainer: host, CgroupPermissions: "rwm" };
  if (third === undefined && isMode(second)) return { PathOnHost: host, PathInContainer: host, CgroupPermissions: second };
  if (third !== undefined && !isMode(third)) throw new Error(`invalid device specification: ${text}`);
  return { PathOnHost: host, PathInContainer: second, CgroupPermissions: third ?? "rwm" };
}

/** `host:address` or `host=address` as `host:address`. */
export function parseHostEntry(text: string): string {
  const [, host, address] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
  if (host === undefined || address === undefined) throw new Error(`bad format for add-host: ${JSON.stringify(text)}`);
  return `${host}:${address.replace(/^\[(.*)\]$/, "$1")}`;
}

/** Security options; the profile of `seccomp=FILE` is read here, since the daemon may be elsewhere. */
export function parseSecurity(flags: readonly string[]): string[] {
  return flags.map((flag) => {
    const [, key, value] = /^([^=:]+)[=:](.*)$/s.exec(flag) ?? [];
    if (key === undefined && flag !== "no-new-privileges") throw new Error(`invalid --security-opt: ${JSON.stringify(flag)}`);
    if (key !== "seccomp" || value === undefined || value === "unconfined" || value === "builtin") return flag;
    return `seccomp=${JSON.stringify(JSON.parse(readFileSync(value, "utf8")))}`;
  });
}

/** `0.5` processors in billionths. */
export function parseCpus(text: string): number {
  if (!/^\d*\.?\d+$/.test(text)) throw new Error(`failed to parse ${text} as a rational number`);
  return Math.round(Number(text) * 1e9);
}

/** Bytes, or -1. */
export function unlimited(parse: (text: string) => number): (text: string) => number {
  return (text) => (text === "-1" ? -1 : parse(text));
}

/** `/dev/sda:1mb` as bytes a second, or `/dev/sda:100` as operations. */
export function parseThrottle(parse: (text: string) => number): (text: string) => { Path: string; Rate: number } {
  return (text) => {
    const [, Path, rate] = /^(\/dev\/[^:]+):(.+)$/.exec(text) ?? [];
    if (Path === undefined || rate === undefined) throw new Error(`bad format: ${text}`);
    return { Path, Rate: parse(rate) };
  };
}

/** A whole number that is not negative. */
export function parseCount(text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`invalid number: ${text}`);
  return Number(text);
}
