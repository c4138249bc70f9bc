import type { Session } from "@strata/client";
import { CliError, type Cli } from "../cli.js";
import { DetachFilter, parseDetachKeys } from "./detach-keys.js";

export interface JoinOptions {
  readonly tty: boolean;
  /** Send standard input. */
  readonly stdin: boolean;
  readonly detachKeys?: string;
}

/** A process's streams joined to the terminal. */
export interface Joined {
  /** True when the user left by the detach keys, false when the output ended. */
  readonly over: Promise<boolean>;
  /** Gives the terminal back. May be called more than once. */
  leave(): void;
}

/** Throws when a terminal is asked for and there is none to type on. */
export function requireTty(cli: Cli, stdin: boolean, tty: boolean): void {
  if (stdin && tty && cli.streams.stdin.isTTY !== true) throw new CliError("the input device is not a TTY");
}

/** Copies in both directions; the terminal is raw meanwhile if the process has one. The end of standard input is passed on. */
export function join(cli: Cli, session: Session, { tty, stdin, detachKeys }: JoinOptions): Joined {
  const { streams } = cli;
  const raw = tty && stdin && streams.stdin.isTTY === true;
  if (raw) streams.stdin.setRawMode?.(true);
  let left = false;
  const leave = (): void => {
    if (left) return;
    left = true;
    if (raw) streams.stdin.setRawMode?.(false);
    if (stdin) streams.stdin.unpipe().pause();
  };
  const output = session.pipe(streams.stdout, streams.stderr).then(() => false);
  if (!stdin) return { over: output.finally(leave), leave };
  const filter = tty ? new DetachFilter(parseDetachKeys(detachKeys)) : undefined;
  const detached = new Promise<boolean>((resolve) => {
    filter?.once("detach", () => {
      session.close();
      resolve(true);
    });
  });
  if (filter) streams.stdin.pipe(filter).pipe(session.stdin);
  else streams.stdin.pipe(session.stdin);
  return { over: Promise.race([detached, output]).finally(leave), leave };
}

/** Keeps the process's terminal as large as this one, from now on. Returns the way to stop. */
export function followSize(cli: Cli, resize: (size: { rows: number; columns: number }) => Promise<void>): () => void {
  const { stdout } = cli.streams;
  const send = (): void => {
    if ((stdout.rows ?? 0) > 0 && (stdout.columns ?? 0) > 0) void resize({ rows: stdout.rows!, columns: stdout.columns! }).catch(() => undefined);
  };
  send();
  stdout.on("resize", send);
  return () => stdout.off("resize", send);
}

const PASSED_ON: readonly NodeJS.Signals[] = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM"];

/** Sends the signals that this process gets to the container instead. Returns the way to stop. */
export function passSignals(cli: Cli, container: string): () => void {
  const send = (signal: NodeJS.Signals): void => { void cli.client.containers.kill(container, signal).catch(() => undefined); };
  for (const signal of PASSED_ON) process.on(signal, send);
  return () => { for (const signal of PASSED_ON) process.off(signal, send); };
}
