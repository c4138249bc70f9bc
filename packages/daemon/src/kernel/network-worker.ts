/** Entry of the network thread: runs one verb of NetworkPlug after another. */
import { parentPort } from "node:worker_threads";
import { NetworkPlug } from "./network-plug.js";
import type { Answer, Request } from "./network-thread.js";

const plug = new NetworkPlug();
parentPort?.on("message", ({ id, verb, argument }: Request) => {
  let answer: Answer;
  try {
    const verbs = plug as unknown as Record<typeof verb, (...argument: readonly unknown[]) => unknown>;
    answer = { id, value: verbs[verb](...argument) };
  } catch (e) {
    const error = e instanceof Error ? e as NodeJS.ErrnoException : new Error(String(e));
    answer = { id, error: { message: error.message, code: (error as NodeJS.ErrnoException).code } };
  }
  parentPort?.postMessage(answer);
});
