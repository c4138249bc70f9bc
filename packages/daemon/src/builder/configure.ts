import { constants } from "node:os";
import { posix } from "node:path";
import type { HealthConfig, RunConfig } from "@strata/oci";
import { InvalidArgument } from "../core/errors.js";
import type { Command, CommandInstruction, HealthcheckInstruction, Instruction, PairsInstruction, WordsInstruction } from "./dockerfile.js";

/** Instructions that change nothing but the configuration. */
export type ConfigInstruction = Exclude<Instruction, { kind: "RUN" | "COPY" | "ADD" | "ARG" | "MAINTAINER" }>;

/** Expands a word. */
export type Expand = (word: string) => string;

export interface Configured {
  readonly config: RunConfig;
  /** What history says of it. */
  readonly comment: string;
}

export const DEFAULT_SHELL: readonly string[] = ["/bin/sh", "-c"];

/** A new configuration with an instruction in it. `cmdGiven`: a CMD of the same build came before, so that an ENTRYPOINT leaves it. */
export function configure(config: RunConfig, instruction: ConfigInstruction, expand: Expand, cmdGiven: boolean): Configured {
  switch (instruction.kind) {
    case "ENV": case "LABEL": return pairs(config, instruction, expand);
    case "CMD": case "ENTRYPOINT": return command(config, instruction, cmdGiven);
    case "EXPOSE": case "VOLUME": return words(config, instruction, expand);
    case "HEALTHCHECK": return health(config, instruction);
    case "SHELL": return { config: { ...config, Shell: [...instruction.args] }, comment: `SHELL [${instruction.args.join(" ")}]` };
    case "ONBUILD": return { config: { ...config, OnBuild: [...(config.OnBuild ?? []), instruction.trigger] }, comment: `ONBUILD ${instruction.trigger}` };
    case "WORKDIR": return workdir(config, expand(instruction.value));
    case "USER": {
      const User = expand(instruction.value);
      if (User === "") throw new InvalidArgument("USER requires exactly one argument");
      return { config: { ...config, User }, comment: `USER ${User}` };
    }
    case "STOPSIGNAL": return stopSignal(config, expand(instruction.value));
  }
}

export function commandOf(command: Command, config: RunConfig): string[] {
  if ("exec" in command) return [...command.exec];
  return [...(config.Shell ?? DEFAULT_SHELL), ...(command.shell === "" ? [] : [command.shell])];
}

/** A name that is there keeps its place. */
export function withVariable(env: readonly string[], name: string, value: string): string[] {
  const at = env.findIndex((entry) => entry.startsWith(`${name}=`));
  return at < 0 ? [...env, `${name}=${value}`] : env.with(at, `${name}=${value}`);
}
export function variableOf(config: RunConfig, name: string): string | undefined {
  return config.Env?.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
}

function pairs(config: RunConfig, { kind, pairs: given }: PairsInstruction, expand: Expand): Configured {
  // Every value sees the variables as they were before the instruction.
  const expanded = given.map(([name, value]) => [expand(name), expand(value)] as const);
  if (expanded.some(([name]) => name === "")) throw new InvalidArgument(`${kind} names can not be blank`);
  const comment = `${kind} ${expanded.map(([name, value]) => `${name}=${value}`).join(" ")}`;
  if (kind === "LABEL") return { config: { ...config, Labels: { ...config.Labels, ...Object.fromEntries(expanded) } }, comment };
  return { config: { ...config, Env: expanded.reduce((env, [name, value]) => withVariable(env, name, value), [...(config.Env ?? [])]) }, comment };
}

function command(config: RunConfig, { kind, command: given }: CommandInstruction, cmdGiven: boolean): Configured {
  // An empty ENTRYPOINT takes that of the base away.
  const line = kind === "ENTRYPOINT" && "shell" in given && given.shell === "" ? [] : commandOf(given, config), comment = `${kind} [${line.map((word) => JSON.stringify(word)).join(" ")}]`;
  if (kind === "CMD") return { config: { ...config, Cmd: line }, comment };
  return { config: { ...config, Entrypoint: line.length === 0 ? null : line, ...(cmdGiven ? {} : { Cmd: null }) }, comment };
}

function words(config: RunConfig, { kind, words: given }: WordsInstruction, expand: Expand): Configured {
  const expanded = given.map(expand);
  if (kind === "VOLUME") {
    const names = expanded.map((word) => word.trim());
    if (names.includes("")) throw new InvalidArgument("VOLUME specified can not be an empty string");
    return { config: { ...config, Volumes: { ...config.Volumes, ...Object.fromEntries(names.map((name) => [name, {}])) } }, comment: `VOLUME [${names.join(" ")}]` };
  }
  const all = expanded.flatMap((word) => word.split(/\s+/)).filter((word) => word !== "");
  const ports = all.flatMap(portsOf).map((port) => [port, {}] as const);
  return { config: { ...config, ExposedPorts: { ...config.ExposedPorts, ...Object.fromEntries(ports) } }, comment: `EXPOSE ${[...all].sort().join(" ")}` };
}

export function portsOf(word: string): string[] {
  const [, from, to, protocol = "tcp"] = /^(?:[^/]*:)?(\d+)(?:-(\d+))?(?:\/([A-Za-z]+))?$/.exec(word) ?? [];
  const first = Number(from), last = Number(to ?? from);
  if (from === undefined || last > 65535 || last < first || !["tcp", "udp", "sctp"].includes(protocol.toLowerCase())) throw new InvalidArgument(`invalid containerPort: ${word}`);
  return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${protocol.toLowerCase()}`);
}

function workdir(config: RunConfig, path: string): Configured {
  if (path === "") throw new InvalidArgument("cannot normalize nothing");
  const WorkingDir = path.startsWith("/") ? path : posix.resolve("/", config.WorkingDir ?? "", path);
  return { config: { ...config, WorkingDir }, comment: `WORKDIR ${WorkingDir}` };
}

function stopSignal(config: RunConfig, signal: string): Configured {
  const name = signal.toUpperCase().replace(/^SIG/, "");
  if (!/^(?:[1-9]|[1-5][0-9]|6[0-4]|RTM(?:IN|AX)(?:[+-][0-9]+)?)$/.test(name) && !Object.hasOwn(constants.signals, `SIG${name}`)) throw new InvalidArgument(`Invalid signal: ${signal}`);
  return { config: { ...config, StopSignal: signal }, comment: `STOPSIGNAL ${signal}` };
}

function health(config: RunConfig, { check }: HealthcheckInstruction): Configured {
  const Healthcheck: HealthConfig = check === null ? { Test: ["NONE"] } : {
    Test: "exec" in check.command ? ["CMD", ...check.command.exec] : ["CMD-SHELL", check.command.shell],
    ...(check.interval === undefined ? {} : { Interval: check.interval }), ...(check.timeout === undefined ? {} : { Timeout: check.timeout }),
    ...(check.startPeriod === undefined ? {} : { StartPeriod: check.startPeriod }), ...(check.startInterval === undefined ? {} : { StartInterval: check.startInterval }),
    ...(check.retries === undefined ? {} : { Retries: check.retries }),
  };
  const { Test, Interval, Timeout, StartPeriod, StartInterval, Retries = 0 } = Healthcheck;
  const times = [Interval, Timeout, StartPeriod, StartInterval].map((time) => JSON.stringify(formatDuration(time ?? 0)));
  return { config: { ...config, Healthcheck }, comment: `HEALTHCHECK &{[${Test!.map((word) => JSON.stringify(word)).join(" ")}] ${times.join(" ")} '\\x${Retries.toString(16).padStart(2, "0")}'}` };
}

/** Nanoseconds as Go writes them: `1m0s`, `1.5s`, `250ms`. */
function formatDuration(ns: number): string {
  if (ns === 0) return "0s";
  if (ns < 1e9) return ns < 1e6 ? `${ns / 1e3}µs` : `${ns / 1e6}ms`;
  const minutes = Math.floor(ns / 60e9), hours = Math.floor(minutes / 60), seconds = (ns - minutes * 60e9) / 1e9;
  return `${hours > 0 ? `${hours}h` : ""}${minutes > 0 ? `${minutes % 60}m` : ""}${seconds}s`;
}
