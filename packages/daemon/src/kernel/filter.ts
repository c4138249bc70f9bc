import { once } from "node:events";
import type { Readable } from "node:stream";
import { start } from "./spawn.js";

/** A program that read its input to the end, or gave up on it, and says it is bad. */
export class FilterFailed extends Error {
  constructor(readonly program: string, readonly detail: string) { super(`${program}: ${detail}`); }
}

/**
 * Sends bytes through a program. Throws what the input throws; FilterFailed when the program ends with an error.
 * The program is killed when the reader leaves.
 */
export async function* filter(program: string, args: readonly string[], input: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  const child = start(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  const stdin = child.stdin!, stdout: Readable = child.stdout!;
  let detail = "";
  child.stderr!.on("data", (bytes: Buffer) => { if (detail.length < 1000) detail += bytes.toString("latin1"); });
  const closed = new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code === 0 ? undefined : detail.trim() || (signal ? `killed by ${signal}` : `exit status ${String(code)}`)));
  });
  let inputFailed: { readonly error: unknown } | undefined;
  // The program may stop reading before the end: how it ends tells whether that was right.
  stdin.on("error", () => undefined);
  const fed = (async () => {
    try {
      for await (const chunk of input) {
        if (!stdin.writable) break;
        if (!stdin.write(chunk)) await Promise.race([once(stdin, "drain").catch(() => undefined), closed]);
      }
    } catch (error) {
      inputFailed = { error };
      child.kill("SIGKILL");
    } finally { stdin.end(); }
  })();
  try {
    for await (const chunk of stdout) yield chunk as Buffer;
    const failure = await closed;
    if (failure !== undefined && !inputFailed) throw new FilterFailed(program, failure);
    await fed;
    if (inputFailed) throw inputFailed.error;
  } finally {
    if (child.exitCode === null) child.kill("SIGKILL");
  }
}
