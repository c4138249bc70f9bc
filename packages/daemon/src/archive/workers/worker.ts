import { parentPort } from "node:worker_threads";
import { consumers, steps, type ConsumerKind, type StepsKind } from "./jobs.js";
import { OUTPUT_CREDITS, type Consumer, type FromWorker, type Steps, type ToWorker } from "./protocol.js";
import { feed } from "./feed.js";
import { toWire } from "./wire-error.js";

/** The thread's side: starts jobs and gives each a turn. */
if (!parentPort) throw new Error("runs as a worker thread only");
const port = parentPort;
const send = (message: FromWorker, transfer?: ArrayBuffer[]): void => port.postMessage(message, transfer);

interface Running {
  readonly id: number;
  readonly steps: Steps<unknown>;
  credits: number;
  /** It has no turn until the sender says more. */
  waits: boolean;
  length: number;
  last: { readonly value: unknown } | undefined;
}
const consuming = new Map<number, Consumer<unknown, unknown>>();
const running = new Map<number, Running>();
let scheduled = false;

function over(job: number, error: unknown, result?: unknown): void {
  send({ job, type: "over", ...(error === undefined ? { result } : { error: toWire(error) }) });
}

function turn(): void {
  scheduled = false;
  for (const job of [...running.values()]) {
    if (!ready(job)) continue;
    try {
      const step = job.steps.next();
      if (step.done) { running.delete(job.id); over(job.id, undefined, step.value); }
      else if (step.value === null) job.waits = true;
      else if (step.value) {
        job.credits--;
        const buffer = step.value.buffer as ArrayBuffer;
        send({ job: job.id, type: "output", buffer, offset: step.value.byteOffset, length: step.value.length }, [buffer]);
      }
    } catch (error) {
      running.delete(job.id);
      over(job.id, error);
    }
  }
  schedule();
}
const ready = (job: Running): boolean => job.credits > 0 && !job.waits;
function run(id: number, make: (job: Running) => Steps<unknown>): void {
  const job = { id, credits: OUTPUT_CREDITS, waits: false, length: 0, last: undefined } as unknown as Running;
  running.set(id, Object.assign(job, { steps: make(job) }));
}
function schedule(): void {
  if (scheduled || ![...running.values()].some(ready)) return;
  scheduled = true;
  setImmediate(turn);
}

function failConsumer(job: number, consumer: Consumer<unknown, unknown>, error: unknown): void {
  consuming.delete(job);
  try { consumer.abort(); } catch { /* the first failure is the one to tell */ }
  over(job, error);
}

const consumerOf = (kind: string, args: unknown): Consumer<unknown, unknown> => consumers[kind as ConsumerKind](args as never) as Consumer<unknown, unknown>;

port.on("message", (message: ToWorker) => {
  const { job } = message;
  switch (message.type) {
    case "start":
      try {
        const { file } = message;
        if (file) run(job, (own) => feed(consumerOf(message.kind, message.args), file, own));
        else if (message.kind in consumers) consuming.set(job, consumerOf(message.kind, message.args));
        else run(job, () => steps[message.kind as StepsKind](message.args as never) as Steps<unknown>);
      } catch (error) { over(job, error); }
      return schedule();
    case "block": {
      const consumer = consuming.get(job);
      if (!consumer) return;
      try { consumer.write(Buffer.from(message.buffer, 0, message.length)); }
      catch (error) { return failConsumer(job, consumer, error); }
      return message.keep === true ? send({ job, type: "taken" }) : send({ job, type: "taken", buffer: message.buffer }, [message.buffer]);
    }
    case "grown": {
      const reader = running.get(job);
      if (reader) Object.assign(reader, { length: message.length, waits: false });
      return schedule();
    }
    case "end": {
      const reader = running.get(job);
      if (reader) {
        Object.assign(reader, { last: { value: message.last }, waits: false });
        return schedule();
      }
      const consumer = consuming.get(job);
      if (!consumer) return;
      let result: unknown;
      try { result = consumer.end(message.last); }
      catch (error) { return failConsumer(job, consumer, error); }
      consuming.delete(job);
      return over(job, undefined, result);
    }
    case "credit": {
      const producer = running.get(job);
      if (producer) producer.credits++;
      return schedule();
    }
    case "abort": {
      const aborted = new Error("aborted");
      const consumer = consuming.get(job);
      if (consumer) return failConsumer(job, consumer, aborted);
      const producer = running.get(job);
      if (!producer) return;
      running.delete(job);
      try { producer.steps.return(undefined); } catch { /* it is abandoned */ }
      return over(job, aborted);
    }
  }
});
