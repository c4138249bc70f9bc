import type { Process } from "../core/index.js";
import type { HubSession } from "./containers-hub.js";
import { DetachScanner } from "./detach-keys.js";

export interface InputOptions {
  readonly process: Promise<Process>;
  /** Keys that end the session, on a terminal; null: none do. */
  readonly detachKeys: Buffer | null;
  /** The client's end of input ends the process' input. */
  readonly closes: boolean;
}

/** Passes a client's input to a process until either ends. */
export async function pumpInput(session: HubSession, options: InputOptions): Promise<void> {
  const { input } = session.client;
  if (input === null) return;
  const scanner = options.detachKeys === null ? null : new DetachScanner(options.detachKeys);
  let process: Process;
  try {
    process = await options.process;
  } catch {
    return;
  }
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      const { data, detached } = scanner === null ? { data: chunk, detached: false } : scanner.scan(chunk);
      if (data.length > 0) await process.write(data);
      if (detached) return session.finish("detached");
    }
  } catch {
    // Either the client broke off or the process is gone; the session ends with whichever it was.
  }
  if (options.closes) process.closeStdin();
  else session.finish("ended");
}
