import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { OnDemandThread } from "../../core/on-demand-thread.js";
import { INPUT_BLOCK, INPUT_BLOCKS, type FileSource, type FromWorker, type ToWorker } from "./protocol.js";
import { fromWire } from "./wire-error.js";

/** Least that is sent to a thread that has nothing else to do. */
const EARLY = 64 * 1024;

/** The pool's end of one job. */
export class Job {
  /** Settles when the job is over and cleaned up after. */
  readonly over: Promise<unknown>;
  aborted = false;
  onOutput: (bytes: Buffer) => void = () => undefined;
  private settle!: { resolve(value: unknown): void; reject(error: Error): void };
  private done = false;
  private readonly free: ArrayBuffer[] = [];
  private blocks = 0;
  /** Blocks under way that do not come back. */
  private given = 0;
  private wake: (() => void) | null = null;
  private block: Buffer | null = null;
  private filled = 0;
  /** Lengths of the blocks under way, oldest first. */
  private readonly sent: number[] = [];
  /** Bytes of blocks that came back. */
  consumed = 0;

  constructor(readonly id: number, private readonly post: (message: ToWorker, transfer?: ArrayBuffer[]) => void) {
    this.over = new Promise((resolve, reject) => { this.settle = { resolve, reject }; });
  }

  /** Copies a chunk; waits while the thread is behind. Returns early when the job is over: `over` says why. */
  async write(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length && !this.done; ) {
      this.block ??= this.takeBlock();
      if (!this.block) {
        await new Promise<void>((resolve) => { this.wake = resolve; });
        continue;
      }
      const n = chunk.copy(this.block, this.filled, at);
      at += n;
      this.filled += n;
      if (this.filled === INPUT_BLOCK || (this.filled >= EARLY && this.free.length === this.blocks - 1)) this.flush();
    }
  }
  /** As `write`, but moves the memory of a chunk that is its beginning: nothing is copied, and nothing is left for the collector of this thread. */
  async give(chunk: Buffer): Promise<void> {
    this.flush();
    while (this.given >= INPUT_BLOCKS && !this.done) await new Promise<void>((resolve) => { this.wake = resolve; });
    if (this.done) return;
    const buffer = chunk.buffer as ArrayBuffer, { length } = chunk;
    this.given++;
    this.post({ job: this.id, type: "block", buffer, length, keep: true }, [buffer]);
    this.sent.push(length);
  }
  grown(length: number): void { if (!this.done) this.post({ job: this.id, type: "grown", length }); }
  end(last: unknown): void {
    this.flush();
    if (!this.done) this.post({ job: this.id, type: "end", last });
  }
  abort(): void {
    if (this.done) return;
    this.aborted = true;
    this.post({ job: this.id, type: "abort" });
  }
  credit(): void { if (!this.done) this.post({ job: this.id, type: "credit" }); }

  taken(buffer: ArrayBuffer | undefined): void {
    if (buffer === undefined) this.given--;
    else this.free.push(buffer);
    this.consumed += this.sent.shift()!;
    this.wakeUp();
  }
  finish(error: Error | null, result: unknown): void {
    this.done = true;
    if (error) this.settle.reject(error);
    else this.settle.resolve(result);
    this.wakeUp();
  }

  private takeBlock(): Buffer | null {
    const buffer = this.free.pop() ?? (this.blocks < INPUT_BLOCKS ? (this.blocks++, new ArrayBuffer(INPUT_BLOCK)) : undefined);
    return buffer ? Buffer.from(buffer) : null;
  }
  private flush(): void {
    if (this.block && this.filled > 0 && !this.done) {
      const buffer = this.block.buffer as ArrayBuffer;
      this.post({ job: this.id, type: "block", buffer, length: this.filled }, [buffer]);
      this.sent.push(this.filled);
      this.block = null;
    }
    this.filled = 0;
  }
  private wakeUp(): void {
    const { wake } = this;
    this.wake = null;
    wake?.();
  }
}

/** One worker thread and the jobs it has. */
export class Thread {
  private readonly thread: OnDemandThread<Job, FromWorker>;

  constructor(idleMs: number, gone: (thread: Thread) => void) {
    this.thread = new OnDemandThread({
      name: "the worker thread", idleMs, start: () => new Worker(join(__dirname, "worker.js")),
      callOf: ({ job }) => job, receive: (job, message) => this.receive(job, message), lost: (job, error) => job.finish(error, undefined), gone: () => gone(this),
    });
  }

  get load(): number { return this.thread.load; }

  start(kind: string, args: unknown, file?: FileSource): Job {
    return this.thread.begin((id, post) => {
      post({ job: id, type: "start", kind, args, ...(file ? { file } : {}) } satisfies ToWorker);
      return new Job(id, post);
    });
  }

  end(): Promise<void> { return this.thread.end(); }

  private receive(job: Job, message: FromWorker): void {
    switch (message.type) {
      case "taken": return job.taken(message.buffer);
      case "output": return job.onOutput(Buffer.from(message.buffer, message.offset, message.length));
      case "over":
        this.thread.over(job.id);
        job.finish(message.error ? fromWire(message.error) : null, message.result);
    }
  }
}
