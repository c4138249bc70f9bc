import type { Logger, LogWriter, Output, Process } from "../core/index.js";
import type { AttachClient } from "./types.js";

/** Why a session is over: the process ended, the client went away, or it typed the detach keys. */
export type SessionEnd = "ended" | "left" | "detached";

/** One client of a hub, from attach until its end. */
export class HubSession {
  readonly over: Promise<SessionEnd>;
  #finish!: (end: SessionEnd) => void;

  constructor(readonly client: AttachClient, readonly streams: { readonly stdout: boolean; readonly stderr: boolean }) {
    this.over = new Promise((resolve) => { this.#finish = resolve; });
    void client.closed.then(() => this.#finish("left"));
  }

  finish(end: SessionEnd): void {
    this.#finish(end);
  }
}

/**
 * The one reader of a process' output: writes it to the log and to every attached client. A client that does not keep
 * up holds the process back, until it has caught up or gone. Clients may come before the process does.
 */
export class Hub {
  readonly #sessions = new Set<HubSession>();
  /** The process once it runs; rejects when it never will. */
  readonly process: Promise<Process>;
  #started!: (process: Process) => void;
  #failed!: (error: Error) => void;
  #over = false;
  /** Resolves when the process has ended: nobody is waited for then. */
  #hurry: Promise<unknown> = new Promise(() => undefined);
  #logBroken = false;

  constructor(private readonly logger: Logger, private readonly subject: string) {
    this.process = new Promise((resolve, reject) => {
      this.#started = resolve;
      this.#failed = reject;
    });
    this.process.catch(() => undefined);
  }

  join(client: AttachClient, streams: { stdout: boolean; stderr: boolean }): HubSession {
    const session = new HubSession(client, streams);
    if (this.#over) {
      session.finish("ended");
      return session;
    }
    this.#sessions.add(session);
    void session.over.then(() => this.#sessions.delete(session));
    return session;
  }

  /** Passes output on until there is no more. */
  async run(process: Process, log: LogWriter | null): Promise<void> {
    this.#hurry = process.exit.catch(() => undefined);
    this.#started(process);
    try {
      for await (const batch of process.output) {
        const logged = this.#log(log, batch);
        await Promise.all([logged, ...this.#deliver(batch)]);
      }
    } finally {
      this.end();
    }
  }

  /** Ends every session; `error` says why the process never came. */
  end(error?: Error): void {
    this.#over = true;
    this.#failed(error ?? new Error("the process has ended"));
    for (const session of [...this.#sessions]) session.finish("ended");
  }

  #deliver(batch: readonly Output[]): Promise<unknown>[] {
    if (this.#sessions.size === 0) return [];
    const slow: Promise<unknown>[] = [];
    for (const { stream, data } of runsOf(batch)) {
      for (const session of this.#sessions) {
        if (!session.streams[stream] || session.client.write(stream, data)) continue;
        slow.push(Promise.race([session.client.drained(), session.over, this.#hurry]));
      }
    }
    return slow;
  }

  /** A full disk must not stop the container. */
  async #log(log: LogWriter | null, batch: readonly Output[]): Promise<void> {
    try {
      await log?.write(batch);
      this.#logBroken = false;
    } catch (err) {
      if (!this.#logBroken) this.logger.error({ err, container: this.subject }, "output cannot be written to the log");
      this.#logBroken = true;
    }
  }
}

/** Neighbouring records of one stream as one piece. */
function runsOf(batch: readonly Output[]): { stream: Output["stream"]; data: Buffer }[] {
  const runs: { stream: Output["stream"]; data: Buffer }[] = [];
  for (let from = 0; from < batch.length;) {
    const { stream } = batch[from]!;
    let to = from + 1;
    while (to < batch.length && batch[to]!.stream === stream) to++;
    runs.push({ stream, data: to === from + 1 ? batch[from]!.data : Buffer.concat(batch.slice(from, to).map((r) => r.data)) });
    from = to;
  }
  return runs;
}
