import type { Readable } from "node:stream";
import type { Container } from "./containers.js";

export interface Exit {
  /** Exit code, or 128 + signal. */
  readonly code: number;
  readonly oomKilled: boolean;
  /** Milliseconds since the epoch. */
  readonly at: number;
}
export type RuntimeStatus = "creating" | "created" | "running" | "paused" | "stopped";
export interface RuntimeState {
  readonly id: string;
  readonly status: RuntimeStatus;
  readonly pid: number;
}

/** A record that a container or exec wrote. */
export interface Output {
  readonly stream: "stdout" | "stderr";
  /** The bytes as written, newline included: records of a stream concatenated are what the process wrote. */
  readonly data: Buffer;
  /** RFC 3339 with nanoseconds. */
  readonly time: string;
  /** The line goes on in the next record of this stream. */
  readonly partial: boolean;
  /** What its log was told to note with it. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** How many records have this time: a monitor gives all lines of one read the same. */
export interface Moment {
  readonly time: string;
  readonly count: number;
}

/** The streams of a container or exec, for as long as it lives. They outlive the daemon. */
export interface Process {
  readonly pid: number;
  /**
   * Ends when the process and its monitor are gone and all output was read. One reader; pausing it pushes back.
   * Throws when the monitor died before the process: output may be missing.
   */
  readonly output: AsyncIterable<readonly Output[]> & { pause(): void; resume(): void };
  /**
   * The last records that a former daemon took from `output`, of a process that was found again. Records that it wrote
   * to the log but did not take come once more.
   */
  readonly taken?: Moment;
  /** Calls back whenever the kernel kills one of the container's processes for want of memory, also for what happened before. */
  onOutOfMemory?(told: () => void): void;
  /** Of a process that was found again: whether it is paused. */
  readonly paused?: boolean;
  /** Writes to stdin; resolves when taken. */
  write(data: Uint8Array): Promise<void>;
  closeStdin(): void;
  resize(height: number, width: number): Promise<void>;
  /** Ends it with SIGKILL, as soon as it runs; what has ended stays so. */
  kill(): void;
  /** Rejects when an exec did not come to run; the message is the runtime's. */
  readonly exit: Promise<Exit>;
}
export interface ProcessIo {
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Close stdin when the first attached client leaves. */
  readonly stdinOnce: boolean;
  /** Nobody will read the output (a detached exec): it goes to /dev/null and the process outlives the daemon. */
  readonly discard?: boolean;
}

/** The OCI runtime behind its monitor: one method per verb. `bundle` holds config.json (runtime-spec). */
export interface Runtime {
  readonly name: string;
  readonly path: string;
  /** `ready`: resolves when `bundle`, which is there, holds config.json; what does not need it begins before. When it rejects, so does this. */
  create(id: string, bundle: string, io: ProcessIo, ready?: Promise<void>): Promise<Process>;
  start(id: string): Promise<void>;
  /** Runs a runtime-spec process in a running container. */
  exec(id: string, process: object, io: ProcessIo): Promise<Process>;
  /** After a restart of the daemon: finds the process again, or its recorded exit. Undefined when nothing is known. */
  adopt(id: string, bundle: string, io: ProcessIo): Promise<Process | Exit | undefined>;
  kill(id: string, signal: number, all?: boolean): Promise<void>;
  pause(id: string, paused: boolean): Promise<void>;
  update(id: string, resources: object): Promise<void>;
  state(id: string): Promise<RuntimeState | undefined>;
  /** Removes what the runtime and the monitor keep. Absent is success. */
  delete(id: string): Promise<void>;
}

/** Where the output of a container is kept. */
export interface LogDriver {
  readonly name: string;
  /** InvalidArgument for an option that the driver does not know or that is malformed. */
  check(options: Readonly<Record<string, string>>): void;
  /** Where the log of a container lies, below the container's directory. */
  file(id: string): string;
  /**
   * Opens the log of a container for writing. With `resuming` the first batch follows what was `taken`, and what the
   * log has of it already is left out.
   */
  open(file: string, options: Readonly<Record<string, string>>, container: Container, resuming?: { readonly taken: Moment | undefined }): Promise<LogWriter>;
  /** Reads it; with `follow` goes on until `signal` aborts or the writer closes. */
  read(file: string, options: LogQuery, signal: AbortSignal): AsyncIterable<readonly Output[]>;
}
export interface LogWriter {
  write(records: readonly Output[]): Promise<void>;
  close(): Promise<void>;
}
export interface LogQuery {
  readonly follow: boolean;
  /** Lines from the end; undefined is all. */
  readonly tail?: number;
  /** RFC 3339 in UTC with nine digits, as records have it: numbers of milliseconds are too coarse to go on from a record. */
  readonly since?: string;
  readonly until?: string;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export type StdioChunk = { stream: "stdin" | "stdout" | "stderr"; data: Buffer };
export type { Readable };
