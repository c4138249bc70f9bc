import { CliError, readLine, type Cli } from "../cli.js";
import { defineCommand } from "../command.js";
import { Credentials } from "../credentials.js";
import { credentialKey } from "../reference.js";

export const command = defineCommand<{ password?: string; passwordStdin?: boolean; username?: string }>({
  usage: "[OPTIONS] [SERVER]",
  args: [0, 1],
  options: (options) => options
    .value("-p, --password <string>", "Password or token; other users of the machine may see it")
    .flag("--password-stdin", "Read the password from standard input")
    .value("-u, --username <string>", "User name"),
  async run(cli, [server], { password, passwordStdin, username }) {
    const key = credentialKey((server ?? "docker.io").replace(/^https?:\/\//, "").replace(/\/.*$/, ""));
    if (password !== undefined && passwordStdin === true) throw new CliError("--password and --password-stdin are mutually exclusive");
    if (passwordStdin === true && username === undefined) throw new CliError("Must provide --username with --password-stdin");
    if (password !== undefined) cli.warn("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    const name = username ?? (await ask(cli, "Username: ", true));
    const secret = passwordStdin === true ? await readAll(cli) : (password ?? (await ask(cli, "Password: ", false)));
    if (name === "" || secret === "") throw new CliError(`${name === "" ? "username" : "password"} is empty`);
    const { Status, IdentityToken } = await cli.client.system.auth({ username: name, password: secret, serveraddress: key });
    const kept = await new Credentials(cli.configDirectory, cli.env).store(key, { username: name, password: secret, identitytoken: IdentityToken });
    if (kept !== undefined) cli.warn(`\nWARNING! Your credentials are stored unencrypted in '${kept}'.\n`);
    if (Status !== "") cli.print(Status);
  },
});

/** Asks on the terminal, hidden unless `echo`. */
async function ask(cli: Cli, question: string, echo: boolean): Promise<string> {
  const { stdin, stdout } = cli.streams;
  if (stdin.isTTY !== true) throw new CliError("Error: Cannot perform an interactive login from a non TTY device");
  stdout.write(question);
  if (echo) return (await readLine(stdin)).trim();
  stdin.setRawMode?.(true);
  try {
    return await readHidden(cli);
  } finally {
    stdin.setRawMode?.(false);
    stdout.write("\n");
  }
}

function readHidden(cli: Cli): Promise<string> {
  return new Promise((resolve, reject) => {
    const { stdin } = cli.streams;
    let typed = "";
    const take = (chunk: Buffer): void => {
      for (const char of chunk.toString("utf8")) {
        if (char === "\r" || char === "\n" || char === "\x04") return done();
        if (char === "\x03") {
          done();
          return reject(new CliError("", 130));
        }
        typed = char === "\x7f" || char === "\b" ? typed.slice(0, -1) : typed + char;
      }
    };
    const done = (): void => {
      stdin.off("data", take).pause();
      resolve(typed);
    };
    stdin.on("data", take).resume();
  });
}

async function readAll(cli: Cli): Promise<string> {
  let text = "";
  for await (const chunk of cli.streams.stdin) text += String(chunk);
  return text.replace(/\r?\n$/, "");
}
