import { Cli, CliError, messageOf, type GlobalOptions, type Streams } from "./cli.js";
import { newCommand, Options, optionsHelp, parseOrExplain, runCommand } from "./command.js";
import { commands, findCommand, groupHelp } from "./commands.js";
import { VERSION } from "./version.js";

const NAME = "strata";
const USAGE = `Usage:  ${NAME} [OPTIONS] COMMAND`;

/** Runs the CLI on the words after its name; resolves with the exit code. Prints what goes wrong. */
export async function main(argv: readonly string[], streams: Streams = process, env: NodeJS.ProcessEnv = process.env): Promise<number> {
  let cli = new Cli({}, streams, env);
  try {
    const { globals, words, done } = readGlobals(cli, argv);
    if (done) return 0;
    cli = new Cli(globals, streams, env);
    return await dispatch(cli, words);
  } catch (error) {
    const message = messageOf(error);
    if (message !== "") cli.warn(message);
    if (cli.globals.debug === true && error instanceof Error) cli.warn(error.stack ?? "");
    return error instanceof CliError ? error.exitCode : 1;
  } finally {
    cli.close();
  }
}

async function dispatch(cli: Cli, words: readonly string[]): Promise<number> {
  const { path, entry, rest } = findCommand(words);
  const full = [NAME, ...path].join(" ");
  if ("load" in entry) {
    return runCommand(full, entry.summary, entry.load(), cli, rest);
  }
  const [word] = rest;
  if (word === undefined || word === "--help" || word === "help") {
    cli.print(groupHelp(full, entry));
    return 0;
  }
  if (word.startsWith("-")) throw new CliError(`unknown flag: ${word}\n\nRun '${full} --help' for more information`, 125);
  throw new CliError(`${NAME}: unknown command: ${full} ${word}\n\nRun '${full} --help' for more information`);
}

/** The flags before the command. */
function readGlobals(cli: Cli, argv: readonly string[]): { globals: GlobalOptions; words: readonly string[]; done: boolean } {
  if (argv[0] !== undefined && !argv[0].startsWith("-")) return { globals: {}, words: argv, done: false };
  const program = newCommand(NAME, true);
  new Options(program)
    .value("-H, --host <host>", "Where the daemon listens: unix:///PATH or tcp://HOST:PORT")
    .value("--config <directory>", "Where config.json lies")
    .flag("-D, --debug", "Print where an error comes from")
    .flag("--tls", "TLS without that check")
    .value("--tlscacert <file>", "Accept daemons that this CA vouches for")
    .value("--tlscert <file>", "Certificate to show the daemon")
    .value("--tlskey <file>", "Its key")
    .flag("--tlsverify", "TLS, and check the daemon's certificate")
    .flag("-v, --version", "Print the version");
  const { args, options, help } = parseOrExplain(program, true, argv, USAGE, NAME);
  if (options["version"] === true) {
    cli.print(`Strata version ${VERSION}`);
    return { globals: {}, words: [], done: true };
  }
  if (help || args.length === 0) {
    cli.print(`${groupHelp(NAME, { summary: "Containers and images, on the Strata daemon", commands })}\n\n${optionsHelp(program, "Global Options:")}`);
    return { globals: {}, words: [], done: true };
  }
  return { globals: options, words: args, done: false };
}
