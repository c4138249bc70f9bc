import { InvalidArgument } from "../core/index.js";
import type { Command, CopyInstruction, HealthcheckInstruction, Heredoc, Instruction, RunInstruction } from "./dockerfile.js";
import { type FlagKinds, Flags, parseInterval, parseMount } from "./parse-flags.js";
import { heredocMark, parseJsonForm, plainWords, splitInstruction } from "./parse-words.js";
import { didYouMean } from "./suggest.js";
import { splitWords } from "./words.js";

/** What a handler of an instruction is given. */
export interface Source {
  readonly line: number;
  readonly text: string;
  readonly keyword: string;
  readonly flags: readonly string[];
  readonly args: string;
  readonly heredocs: readonly Heredoc[];
  readonly escape: string;
}

type Handler = (source: Source) => Instruction;

/** Everything but FROM. Messages name no line: the caller knows it. */
export function parseInstruction(source: Source): Instruction {
  const handler = Object.hasOwn(HANDLERS, source.keyword) ? HANDLERS[source.keyword as Instruction["kind"]] : undefined;
  if (handler === undefined) {
    throw new InvalidArgument(`unknown instruction: ${source.keyword}${didYouMean(source.keyword, ["FROM", ...Object.keys(HANDLERS)])}`);
  }
  return handler(source);
}

const at = ({ line, text }: Source): { line: number; text: string } => ({ line, text });
const noFlags = (source: Source): Flags => new Flags(source.flags, {});
const needOne = ({ keyword, args }: Source): void => {
  if (args === "") throw new InvalidArgument(`${keyword} requires at least one argument`);
};

function command(args: string): Command {
  const exec = parseJsonForm(args);
  return exec === undefined ? { shell: args } : { exec };
}

const commandOf = (kind: "CMD" | "ENTRYPOINT"): Handler => (source) => {
  noFlags(source);
  return { ...at(source), kind, command: command(source.args) };
};

const valueOf = (kind: "WORKDIR" | "USER" | "STOPSIGNAL" | "MAINTAINER"): Handler => (source) => {
  noFlags(source);
  if (source.args === "") throw new InvalidArgument(`${kind} requires exactly one argument`);
  return { ...at(source), kind, value: source.args };
};

const pairsOf = (kind: "ENV" | "LABEL"): Handler => (source) => {
  noFlags(source);
  return { ...at(source), kind, pairs: pairs(source) };
};

/** `A=1 B="2 3"`, or the old form `A the rest`. */
export function pairs(source: Source): [string, string][] {
  needOne(source);
  const { keyword, args } = source;
  const words = splitWords(args, source.escape);
  if (words.length > 0 && !words[0]!.includes("=")) {
    const [, name, value] = /^(\S+)[\t\v\f\r ]+([\s\S]*)$/.exec(args) ?? [];
    if (name === undefined || value === undefined) throw new InvalidArgument(`${keyword} must have two arguments`);
    return [[name, value]];
  }
  return words.map((word) => {
    const equals = word.indexOf("=");
    if (equals < 0) throw new InvalidArgument(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
    if (equals === 0) throw new InvalidArgument(`${keyword} names can not be blank`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function argOf(word: string): { name: string; value?: string } {
  const equals = word.indexOf("=");
  if (equals === 0) throw new InvalidArgument("ARG names can not be blank");
  return equals < 0 ? { name: word } : { name: word.slice(0, equals), value: word.slice(equals + 1) };
}

const COPY_FLAGS: FlagKinds = { from: "value", chown: "value", chmod: "value", link: "switch", parents: "switch", exclude: "list" };
const ADD_FLAGS: FlagKinds = { chown: "value", chmod: "value", link: "switch", checksum: "value", "keep-git-dir": "switch", unpack: "switch", exclude: "list" };

const copyOf = (kind: "COPY" | "ADD"): Handler => (source): CopyInstruction => {
  const words = parseJsonForm(source.args) ?? plainWords(source.args);
  const destination = words.at(-1);
  if (words.length < 2 || destination === undefined) {
    throw new InvalidArgument(`${kind} requires at least two arguments, but only one was provided. Destination could not be determined`);
  }
  const flags = new Flags(source.flags, kind === "COPY" ? COPY_FLAGS : ADD_FLAGS);
  if (heredocMark(destination) !== undefined) throw new InvalidArgument(`${kind} cannot accept a heredoc as a destination`);
  const values = { from: flags.value("from"), chown: flags.value("chown"), chmod: flags.value("chmod"), checksum: flags.value("checksum"), unpack: flags.switch("unpack") };
  return {
    ...at(source), kind, destination, ...defined(values),
    sources: words.slice(0, -1).map((word) => heredocOf(source, word) ?? word),
    exclude: flags.list("exclude"), link: flags.switch("link") ?? false, parents: flags.switch("parents") ?? false, keepGitDir: flags.switch("keep-git-dir") ?? false,
  };
};

function heredocOf(source: Source, word: string): Heredoc | undefined {
  const mark = heredocMark(word);
  // Of two with one name the later is the file, as in a shell.
  return mark && source.heredocs.findLast((h) => h.name === mark.name);
}

/** Only what was given. */
function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, v]) => v !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

const RUN_FLAGS: FlagKinds = { mount: "list", network: "value", security: "value" };

function run(source: Source): RunInstruction {
  const flags = new Flags(source.flags, RUN_FLAGS);
  needOne(source);
  const parsed = command(source.args);
  const network = flags.value("network"), security = flags.value("security");
  if (network !== undefined && !["default", "none", "host"].includes(network)) throw new InvalidArgument(`invalid network mode "${network}"`);
  if (security !== undefined && !["sandbox", "insecure"].includes(security)) throw new InvalidArgument(`security "${security}" is not valid`);
  if ("exec" in parsed && parsed.exec.length === 0) throw new InvalidArgument("RUN requires at least one argument");
  return { ...at(source), kind: "RUN", command: parsed, heredocs: source.heredocs, mounts: flags.list("mount").map(parseMount), ...defined({ network, security }) };
}

const HEALTH_FLAGS: FlagKinds = { interval: "value", timeout: "value", "start-period": "value", "start-interval": "value", retries: "value" };

function healthcheck(source: Source): HealthcheckInstruction {
  needOne(source);
  const flags = new Flags(source.flags, HEALTH_FLAGS);
  const [, kind = "", rest = ""] = /^(\S+)\s*([\s\S]*)$/.exec(source.args) ?? [];
  if (kind.toUpperCase() === "NONE") {
    if (rest !== "") throw new InvalidArgument("HEALTHCHECK NONE takes no arguments");
    return { ...at(source), kind: "HEALTHCHECK", check: null };
  }
  if (kind.toUpperCase() !== "CMD") throw new InvalidArgument(`Unknown type "${kind.toUpperCase()}" in HEALTHCHECK (try CMD)`);
  const parsed = command(rest);
  if (rest === "" || ("exec" in parsed && parsed.exec.length === 0)) throw new InvalidArgument("Missing command after HEALTHCHECK CMD");
  const time = (name: string): number | undefined => {
    const text = flags.value(name);
    return text === undefined || text === "" ? undefined : parseInterval(name, text);
  };
  const times = { interval: time("interval"), timeout: time("timeout"), startPeriod: time("start-period"), startInterval: time("start-interval") };
  return { ...at(source), kind: "HEALTHCHECK", check: { command: parsed, ...defined({ ...times, retries: retries(flags.value("retries")) }) } };
}

function retries(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^[+-]?\d{1,10}$/.test(text) || Number(text) >= 2 ** 31) throw new InvalidArgument(`--retries must be a whole number (not ${text})`);
  if (Number(text) < 0) throw new InvalidArgument(`--retries cannot be negative (${text})`);
  return Number(text);
}

/** Not in ONBUILD. */
const NO_TRIGGERS = ["FROM", "MAINTAINER"];

/** Refuses what may not stand behind ONBUILD. */
export function checkTrigger(keyword: string): void {
  if (keyword === "ONBUILD") throw new InvalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (NO_TRIGGERS.includes(keyword)) throw new InvalidArgument(`${keyword} isn't allowed as an ONBUILD trigger`);
}

function onbuild(source: Source): Instruction {
  noFlags(source);
  needOne(source);
  const inner = splitInstruction(source.args, source.escape);
  const keyword = inner.keyword.toUpperCase();
  checkTrigger(keyword);
  if (keyword === "ENV" || keyword === "LABEL") pairs({ ...source, ...inner, keyword });
  // Files of the trigger go with it: it is parsed by itself later.
  const files = source.heredocs.map((h) => `\n${h.content}${h.name}`).join("");
  return { ...at(source), kind: "ONBUILD", trigger: source.args + files };
}

const HANDLERS: Readonly<Record<Instruction["kind"], Handler>> = {
  ADD: copyOf("ADD"),
  ARG(source) {
    noFlags(source);
    needOne(source);
    return { ...at(source), kind: "ARG", args: splitWords(source.args, source.escape).map(argOf) };
  },
  CMD: commandOf("CMD"),
  COPY: copyOf("COPY"),
  ENTRYPOINT: commandOf("ENTRYPOINT"),
  ENV: pairsOf("ENV"),
  EXPOSE(source) {
    noFlags(source);
    needOne(source);
    return { ...at(source), kind: "EXPOSE", words: plainWords(source.args) };
  },
  HEALTHCHECK: healthcheck,
  LABEL: pairsOf("LABEL"),
  MAINTAINER: valueOf("MAINTAINER"),
  ONBUILD: onbuild,
  RUN: run,
  SHELL(source) {
    noFlags(source);
    const args = source.args === "" ? [] : parseJsonForm(source.args);
    if (args === undefined) throw new InvalidArgument("SHELL requires the arguments to be in JSON form");
    if (args.length === 0) throw new InvalidArgument("SHELL requires at least one argument");
    return { ...at(source), kind: "SHELL", args };
  },
  STOPSIGNAL: valueOf("STOPSIGNAL"),
  USER: valueOf("USER"),
  VOLUME(source) {
    noFlags(source);
    needOne(source);
    const words = (parseJsonForm(source.args) ?? plainWords(source.args)).map((word) => word.trim());
    if (words.length === 0) throw new InvalidArgument("VOLUME requires at least one argument");
    if (words.includes("")) throw new InvalidArgument("VOLUME specified can not be an empty string");
    return { ...at(source), kind: "VOLUME", words };
  },
  WORKDIR: valueOf("WORKDIR"),
};
