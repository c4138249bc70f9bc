import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { connect, StrataApiError, StrataConnectionError, type StrataClient, type TlsOptions } from "@strata/client";
import { TemplateError } from "./template/lexer.js";

/** What ends a command with a message on standard error and an exit code. An empty message prints nothing. */
export class CliError extends Error {
  constructor(message: string, readonly exitCode = 1, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "CliError";
  }
}

/** The flags before the command. */
export interface GlobalOptions {
  readonly host?: string;
  readonly config?: string;
  readonly debug?: boolean;
  readonly tls?: boolean;
  readonly tlsverify?: boolean;
  readonly tlscacert?: string;
  readonly tlscert?: string;
  readonly tlskey?: string;
}

/** An output that may be a terminal. */
export interface Screen extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}
export interface Keyboard extends Readable {
  readonly isTTY?: boolean;
  setRawMode?(on: boolean): unknown;
}
export interface Streams {
  readonly stdin: Keyboard;
  readonly stdout: Screen;
  readonly stderr: Screen;
}

/** What a command works with: the daemon, the terminal, the environment. */
export class Cli {
  #client: StrataClient | undefined;

  constructor(
    readonly globals: GlobalOptions,
    readonly streams: Streams,
    readonly env: NodeJS.ProcessEnv = process.env,
  ) {}

  /** Made at the first use: `--help` and bad flags need no daemon. */
  get client(): StrataClient {
    if (this.#client) return this.#client;
    const version = this.env["DOCKER_API_VERSION"];
    try {
      return (this.#client = connect({ host: this.globals.host ?? (this.env["STRATA_HOST"] || this.env["DOCKER_HOST"] || undefined), version: version || undefined, tls: this.#tls() }));
    } catch (cause) {
      throw cause instanceof TypeError ? new CliError(cause.message, 1, { cause }) : cause;
    }
  }

  /** Where docker keeps its configuration, credentials among it. */
  get configDirectory(): string {
    return this.globals.config ?? this.env["DOCKER_CONFIG"] ?? join(this.env["HOME"] ?? homedir(), ".docker");
  }

  /** Writes a line to standard output. */
  print(line: string): void {
    this.streams.stdout.write(`${line}\n`);
  }

  printAll(lines: readonly string[]): void {
    if (lines.length > 0) this.streams.stdout.write(`${lines.join("\n")}\n`);
  }

  /** Writes a line to standard error. */
  warn(line: string): void {
    this.streams.stderr.write(`${line}\n`);
  }

  /** Asks for a yes on the terminal. */
  async confirm(question: string): Promise<boolean> {
    this.streams.stdout.write(`${question} [y/N] `);
    const answer = await readLine(this.streams.stdin);
    return /^y(es)?$/i.test(answer.trim());
  }

  close(): void {
    this.#client?.close();
  }

  #tls(): TlsOptions | undefined {
    const { tls, tlsverify, tlscacert, tlscert, tlskey } = this.globals;
    const verify = tlsverify ?? Boolean(this.env["DOCKER_TLS_VERIFY"]);
    if (tls !== true && !verify && tlscacert === undefined && tlscert === undefined && tlskey === undefined) return undefined;
    const directory = this.env["DOCKER_CERT_PATH"] || this.configDirectory;
    return {
      ca: pem(tlscacert, join(directory, "ca.pem")), cert: pem(tlscert, join(directory, "cert.pem")), key: pem(tlskey, join(directory, "key.pem")),
      rejectUnauthorized: verify,
    };
  }
}

function pem(given: string | undefined, usual: string): Buffer | undefined {
  try {
    return readFileSync(given ?? usual);
  } catch (cause) {
    if (given === undefined) return undefined;
    throw new CliError(`could not read ${given}: ${messageOf(cause)}`, 1, { cause });
  }
}

/** The first line of a stream; what follows is left unread. */
export function readLine(stream: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = "";
    const stop = (): void => {
      stream.off("data", take).off("end", stop).off("error", reject).pause();
      resolve(line.split("\n")[0]!.replace(/\r$/, ""));
    };
    const take = (chunk: Buffer): void => {
      line += chunk.toString("utf8");
      if (line.includes("\n")) stop();
    };
    stream.on("data", take).on("end", stop).on("error", reject);
  });
}

/** What to print about anything thrown, in docker's words. */
export function messageOf(error: unknown): string {
  if (error instanceof StrataApiError) return `Error response from daemon: ${error.message}`;
  if (error instanceof StrataConnectionError) {
    return error.code === "EACCES" || error.code === "EPERM" ? error.message : `Cannot connect to the Strata daemon at ${error.host}. Is stratad running?`;
  }
  if (error instanceof TemplateError) return error.message;
  return error instanceof Error ? error.message : String(error);
}

/** Does something for each name at once and prints the names it worked for, in order; fails with what went wrong. */
export async function forEachName(cli: Cli, names: readonly string[], act: (name: string) => Promise<unknown>): Promise<void> {
  const results = await Promise.allSettled(names.map((name) => act(name)));
  const failures: string[] = [];
  results.forEach((result, at) => {
    if (result.status === "fulfilled") cli.print(names[at]!);
    else failures.push(messageOf(result.reason));
  });
  if (failures.length > 0) throw new CliError(failures.join("\n"));
}
