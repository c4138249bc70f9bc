import { Command, CommanderError, Option } from "commander";
import { CliError, type Cli } from "./cli.js";

/** How a command is called and what it does. Its one-line summary stands in the table of commands. */
export interface CommandDefinition<O> {
  /** After the command's name: `[OPTIONS] CONTAINER [CONTAINER...]`. */
  readonly usage: string;
  /** How many arguments it takes. */
  readonly args: readonly [min: number, max: number];
  /** Options end at the first argument, so that a command's own options pass through. */
  readonly passThrough?: boolean;
  readonly options?: (options: Options) => Options;
  /** A number is the exit code. */
  run(cli: Cli, args: string[], options: O): Promise<number> | Promise<void>;
}

/** A command with its options' types forgotten. */
export interface AnyCommand {
  readonly definition: Omit<CommandDefinition<unknown>, "run">;
  run(cli: Cli, args: string[], options: unknown): Promise<number> | Promise<void>;
}

export function defineCommand<O = Record<string, never>>(definition: CommandDefinition<O>): AnyCommand {
  return { definition, run: (cli, args, options) => definition.run(cli, args, options as O) };
}

/** Declares flags: `-n, --name <what>`; a flag's value is kept under its long name in camel case. */
export class Options {
  readonly command: Command;
  constructor(command: Command) { this.command = command; }

  /** True or, with `=false`, false. */
  flag(flags: string, description: string, initial?: boolean): this {
    const option = new Option(flags, description).default(initial);
    // To commander `--no-trunc` denies a flag `--trunc`; to docker it is a flag of that name.
    option.negate = false;
    this.command.addOption(option);
    return this;
  }

  /** Takes a string; the last one counts. */
  value(flags: string, description: string): this {
    this.command.addOption(new Option(flags, description));
    return this;
  }

  /** Takes strings, in the order given; an empty list without any. */
  list(flags: string, description: string): this {
    const values: string[] = [];
    this.command.addOption(new Option(flags, description).default(values).argParser((value: string) => { values.push(value); return values; }));
    return this;
  }

  /** Takes what `parse` makes of a string; what it throws is reported with the flag's name. */
  parsed(flags: string, description: string, parse: (text: string) => unknown): this {
    this.command.addOption(new Option(flags, description).argParser((value: string) => {
      try {
        return parse(value);
      } catch (cause) {
        throw invalid(value, flags, cause instanceof Error ? cause.message : String(cause));
      }
    }));
    return this;
  }

  /** Takes a whole number. */
  integer(flags: string, description: string): this {
    return this.parsed(flags, description, (text) => {
      if (!/^[+-]?\d+$/.test(text)) throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
      return Number(text);
    });
  }
}

class BadUsage extends Error {}

const plainFlags = (flags: string): string => flags.replace(/ <.*$/, "");
const invalid = (value: string, flags: string, why: string): Error => new BadUsage(`invalid argument ${JSON.stringify(value)} for "${plainFlags(flags)}" flag: ${why}`);

/**
 * Parses the words after a command's name and runs it. Bad flags end with exit code 125, a wrong number of arguments with 1,
 * as docker's do.
 */
export async function runCommand(path: string, summary: string, command: AnyCommand, cli: Cli, argv: readonly string[]): Promise<number> {
  const { definition } = command;
  const program = newCommand(path, definition.passThrough === true);
  definition.options?.(new Options(program));
  const usage = `Usage:  ${path} ${definition.usage}`.trimEnd();
  const parsed = parseOrExplain(program, definition.passThrough === true, argv, usage, path);
  if (parsed.help) {
    cli.print(helpText(usage, summary, program));
    return 0;
  }
  checkCount(path, usage, definition.args, parsed.args.length);
  return (await command.run(cli, parsed.args, parsed.options)) ?? 0;
}

export function newCommand(name: string, passThrough: boolean): Command {
  return new Command(name).helpOption(false).addOption(new Option("--help", "This text")).allowExcessArguments(true).argument("[args...]")
    .passThroughOptions(passThrough).showSuggestionAfterError(false).exitOverride().configureOutput({ writeErr: () => undefined, outputError: () => undefined })
    .action(() => undefined);
}

/** Parses words with a command's flags; throws CliError in pflag's words. */
export function parseOrExplain(program: Command, passThrough: boolean, argv: readonly string[], usage: string, path: string): { args: string[]; options: Record<string, unknown>; help: boolean } {
  try {
    const { words, off } = readBooleans(program, passThrough, argv);
    program.parse(words, { from: "user" });
    for (const name of off) program.setOptionValue(name, false);
  } catch (error) {
    const message = error instanceof BadUsage ? error.message : error instanceof CommanderError ? explain(error, argv) : undefined;
    if (message === undefined) throw error;
    throw new CliError(`${message}\n\n${usage}\n\nRun '${path} --help' for more information`, 125, { cause: error });
  }
  const options = program.opts<Record<string, unknown>>();
  return { args: program.args, options, help: options["help"] === true };
}

function explain(error: CommanderError, argv: readonly string[]): string {
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? "";
  if (error.code === "commander.unknownOption") {
    if (quoted.startsWith("--")) return `unknown flag: ${quoted.replace(/=.*$/s, "")}`;
    const given = argv.find((word) => word.startsWith("-") && !word.startsWith("--") && word.includes(quoted[1] ?? "-")) ?? quoted;
    return `unknown shorthand flag: '${quoted[1] ?? ""}' in ${given}`;
  }
  if (error.code === "commander.optionMissingArgument") {
    const flags = plainFlags(quoted);
    const short = /^-(.), /.exec(flags)?.[1];
    const last = argv.at(-1) ?? "";
    return short !== undefined && !last.startsWith("--") ? `flag needs an argument: '${short}' in ${last}` : `flag needs an argument: ${flags.split(", ").at(-1)!}`;
  }
  return error.message.replace(/^error: /, "");
}

/** pflag lets booleans be written `--rm=false` and short flags `-p=80`; commander does not. */
function readBooleans(program: Command, passThrough: boolean, argv: readonly string[]): { words: string[]; off: string[] } {
  const words: string[] = [];
  const off: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === "--" || (passThrough && (!word.startsWith("-") || word === "-"))) {
      words.push(...argv.slice(at));
      break;
    }
    const long = /^(--[^=]+)(?:=(.*))?$/s.exec(word);
    const option = long
      ? program.options.find((one) => one.long === long[1])
      : /^-[^-]/.test(word) ? lastOfCluster(program, word) : undefined;
    if (!option) {
      words.push(word);
    } else if (long?.[2] !== undefined && option.isBoolean()) {
      if (readBoolean(long[2], option)) words.push(long[1]!);
      else off.push(option.attributeName());
    } else {
      words.push(!long && option.required ? word.replace(new RegExp(`^(-\\w*?${option.short?.[1] ?? ""})=`), "$1") : word);
      // The value may itself look like an argument or a flag.
      const takesNext = option.required && (long ? long[2] === undefined : word.endsWith(option.short?.[1] ?? "\0") && word.indexOf(option.short?.[1] ?? "\0") === word.length - 1);
      if (takesNext && at + 1 < argv.length) words.push(argv[++at]!);
    }
  }
  return { words, off };
}

/** The option in `-itp80` that takes the rest, or the last one. */
function lastOfCluster(program: Command, word: string): Option | undefined {
  let last: Option | undefined;
  for (const letter of word.slice(1)) {
    last = program.options.find((one) => one.short === `-${letter}`);
    if (!last || last.required) break;
  }
  return last;
}

function readBoolean(text: string, option: Option): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw invalid(text, option.flags, `strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}

function checkCount(path: string, usage: string, [min, max]: readonly [number, number], count: number): void {
  if (count >= min && count <= max) return;
  const plural = (n: number): string => `${n} argument${n === 1 ? "" : "s"}`;
  const wants = max === 0 ? "accepts no arguments"
    : min === max ? `requires ${plural(min)}`
    : count < min ? `requires at least ${plural(min)}`
    : min === 0 ? `requires at most ${plural(max)}` : `requires at least ${min} and at most ${plural(max)}`;
  throw new CliError(`${path.split(" ")[0]!}: '${path}' ${wants}\n\n${usage}\n\nRun '${path} --help' for more information`);
}

function helpText(usage: string, summary: string, program: Command): string {
  return [usage, "", summary, "", optionsHelp(program, "Options:")].join("\n");
}

/** The flags of a command, aligned, under a heading. */
export function optionsHelp(program: Command, heading: string): string {
  const rows = [...program.options].sort((a, b) => ((a.long ?? "") < (b.long ?? "") ? -1 : 1)).map((option) => {
    const flags = option.flags.replace(/[<>]/g, "");
    return [`  ${option.short === undefined ? `    ${flags}` : flags}`, option.description] as const;
  });
  const width = Math.max(...rows.map(([flags]) => flags.length)) + 3;
  return [heading, ...rows.map(([flags, description]) => flags.padEnd(width) + description)].join("\n");
}
