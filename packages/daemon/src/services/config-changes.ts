import { posix } from "node:path";
import { DockerfileParser, ModifiableInstruction } from "dockerfile-ast";
import type { Instruction } from "dockerfile-ast";
import type { HealthConfig, RunConfig } from "@strata/oci";
import { InvalidArgument } from "../core/index.js";
import { expandWord, splitWords } from "../builder/words.js";

/**
 * Applies Dockerfile instructions (`--change` of import and commit) to an image's run-time defaults and returns new
 * ones. Only instructions that change the configuration are allowed. InvalidArgument names what is wrong.
 */
export function applyChanges(config: RunConfig, changes: readonly string[]): RunConfig {
  const text = changes.map((c) => c.trim()).filter((c) => c !== "").join("\n");
  if (text === "") return config;
  const target = new Target(structuredClone(config));
  for (const instruction of DockerfileParser.parse(text).getInstructions()) {
    const handler = HANDLERS[instruction.getKeyword()];
    if (handler === undefined) throw new InvalidArgument(`${instruction.getInstruction()} is not a valid change command`);
    handler(target, (instruction.getArgumentsContent() ?? "").trim(), instruction);
  }
  return target.config;
}

class Target {
  /** CMD was among the changes: a later ENTRYPOINT then leaves it. */
  cmdGiven = false;
  constructor(readonly config: RunConfig) {}

  word(text: string): string {
    return expandWord(text, (name) => this.config.Env?.find((e) => e.startsWith(`${name}=`))?.slice(name.length + 1));
  }
  words(text: string): string[] {
    return splitWords(text).map((w) => this.word(w));
  }
  /** `["a", "b"]`, or the text as the argument of the shell. */
  command(text: string): string[] {
    return parseJson(text) ?? [...(this.config.Shell ?? ["/bin/sh", "-c"]), text];
  }
}

type Handler = (target: Target, args: string, instruction: Instruction) => void;

const need = (name: string, args: string): void => {
  if (args === "") throw new InvalidArgument(`${name} requires at least one argument`);
};
const one = (name: string, target: Target, args: string): string => {
  const words = target.words(args);
  if (words.length !== 1) throw new InvalidArgument(`${name} requires exactly one argument`);
  return words[0]!;
};

const HANDLERS: Readonly<Record<string, Handler | undefined>> = {
  CMD(target, args) {
    const command = target.command(args);
    target.config.Cmd = args === "" ? [] : command;
    target.cmdGiven = true;
  },
  ENTRYPOINT(target, args) {
    target.config.Entrypoint = args === "" || parseJson(args)?.length === 0 ? null : target.command(args);
    if (!target.cmdGiven) target.config.Cmd = null;
  },
  ENV(target, args) {
    need("ENV", args);
    const env = [...(target.config.Env ?? [])];
    for (const [name, value] of pairs("ENV", target, args)) {
      if (name === "") throw new InvalidArgument("ENV names can not be blank");
      const at = env.findIndex((e) => e.startsWith(`${name}=`));
      if (at < 0) env.push(`${name}=${value}`);
      else env[at] = `${name}=${value}`;
    }
    target.config.Env = env;
  },
  LABEL(target, args) {
    need("LABEL", args);
    const labels = { ...target.config.Labels };
    for (const [name, value] of pairs("LABEL", target, args)) {
      if (name === "") throw new InvalidArgument("LABEL names can not be blank");
      labels[name] = value;
    }
    target.config.Labels = labels;
  },
  EXPOSE(target, args) {
    need("EXPOSE", args);
    const ports = { ...target.config.ExposedPorts };
    for (const word of target.words(args).flatMap((w) => w.split(/\s+/))) for (const port of parsePorts(word)) ports[port] = {};
    target.config.ExposedPorts = ports;
  },
  USER(target, args) { target.config.User = one("USER", target, args); },
  WORKDIR(target, args) {
    need("WORKDIR", args);
    const path = target.word(args);
    if (path === "") throw new InvalidArgument("cannot normalize nothing");
    const joined = posix.resolve("/", target.config.WorkingDir ?? "", path);
    target.config.WorkingDir = joined;
  },
  VOLUME(target, args) {
    need("VOLUME", args);
    const volumes = { ...target.config.Volumes };
    for (const v of parseJson(args)?.map((w) => target.word(w)) ?? target.words(args)) {
      if (v.trim() === "") throw new InvalidArgument("VOLUME specified can not be an empty string");
      volumes[v.trim()] = {};
    }
    target.config.Volumes = volumes;
  },
  STOPSIGNAL(target, args) {
    const signal = one("STOPSIGNAL", target, args);
    if (!/^(?:[0-9]{1,2}|(?:SIG)?[A-Z][A-Z0-9]*(?:[+-][0-9]+)?)$/i.test(signal) || signal === "0") throw new InvalidArgument(`Invalid signal: ${signal}`);
    target.config.StopSignal = signal;
  },
  ONBUILD(target, args) {
    need("ONBUILD", args);
    const trigger = args.split(/\s/, 1)[0]!.toUpperCase();
    if (trigger === "ONBUILD") throw new InvalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger === "MAINTAINER" || trigger === "FROM") throw new InvalidArgument(`${trigger} isn't allowed as an ONBUILD trigger`);
    target.config.OnBuild = [...(target.config.OnBuild ?? []), args];
  },
  HEALTHCHECK(target, args, instruction) {
    need("HEALTHCHECK", args);
    const [, kind = "", rest = ""] = /^(\S+)\s*([\s\S]*)$/.exec(args) ?? [];
    const flags = instruction instanceof ModifiableInstruction ? instruction.getFlags() : [];
    if (kind.toUpperCase() === "NONE") {
      if (rest !== "" || flags.length > 0) throw new InvalidArgument("HEALTHCHECK NONE takes no arguments");
      target.config.Healthcheck = { Test: ["NONE"] };
      return;
    }
    if (kind.toUpperCase() !== "CMD") throw new InvalidArgument(`Unknown type "${kind}" in HEALTHCHECK (try CMD)`);
    if (rest === "") throw new InvalidArgument("Missing command after HEALTHCHECK CMD");
    const json = parseJson(rest);
    const health: HealthConfig = { Test: json ? ["CMD", ...json] : ["CMD-SHELL", rest] };
    for (const flag of flags) {
      const [name, value] = [flag.getName(), flag.getValue() ?? ""];
      const key = HEALTH_TIMES[name];
      if (key !== undefined) health[key] = parseDuration(name, value);
      else if (name === "retries") {
        if (!/^\d+$/.test(value)) throw new InvalidArgument(`--retries must be a whole number (not ${value})`);
        health.Retries = Number(value);
      } else throw new InvalidArgument(`Unknown flag: ${name}`);
    }
    target.config.Healthcheck = health;
  },
};

const HEALTH_TIMES: Readonly<Record<string, "Interval" | "Timeout" | "StartPeriod" | "StartInterval" | undefined>> = {
  interval: "Interval", timeout: "Timeout", "start-period": "StartPeriod", "start-interval": "StartInterval",
};

function parseJson(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((v): v is string => typeof v === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `A=1 B="2 3"`, or the old form `A the rest`. */
function pairs(name: string, target: Target, args: string): [string, string][] {
  const words = splitWords(args);
  if (!words[0]!.includes("=")) {
    const [, key = "", value] = /^(\S+)\s+([\s\S]+)$/.exec(args) ?? [];
    if (value === undefined) throw new InvalidArgument(`${name} must have two arguments`);
    return [[target.word(key), target.word(value)]];
  }
  // Every value sees the variables as they were before the instruction.
  return words.map((word) => {
    const at = word.indexOf("=");
    if (at < 0) throw new InvalidArgument(`Syntax error - can't find = in "${word}". Must be of the form: name=value`);
    return [target.word(word.slice(0, at)), target.word(word.slice(at + 1))];
  });
}

function parsePorts(word: string): string[] {
  const [, from, to, protocol = "tcp"] = /^(?:[^/]*:)?(\d+)(?:-(\d+))?(?:\/([A-Za-z]+))?$/.exec(word) ?? [];
  const first = Number(from), last = Number(to ?? from);
  if (from === undefined || last > 65535 || last < first || !["tcp", "udp", "sctp"].includes(protocol.toLowerCase())) {
    throw new InvalidArgument(`invalid containerPort: ${word}`);
  }
  return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${protocol.toLowerCase()}`);
}

const UNIT_NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Go's duration syntax (`1m30s`) in nanoseconds; at least a millisecond, or nothing. */
function parseDuration(name: string, text: string): number {
  const bad = (): never => { throw new InvalidArgument(`invalid duration "${text}" of --${name}`); };
  if (!/^(?:0|(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+)$/.test(text)) bad();
  let total = 0;
  for (const [, value, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) total += Number(value) * UNIT_NS[unit!]!;
  if (total !== 0 && total < 1e6) throw new InvalidArgument(`Interval "${name}" cannot be less than 1ms`);
  return Math.round(total);
}
