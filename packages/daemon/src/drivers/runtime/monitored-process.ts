import { closeSync, constants, existsSync, type FSWatcher, openSync, renameSync, watch, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Exit, type Process, errnoOf } from "../../core/index.js";
import { pidfdOpen, pidfdSendSignal } from "../../kernel/libc.js";
import { AttachSocket } from "./attach-socket.js";
import type { LogPipe } from "./log-pipe.js";

/** Between two sizes: conmon 2.1 reads only the first of two lines that come at once. */
const RESIZE_GAP_MS = 10;
const SIGKILL = 9;

export interface MonitoredOptions {
  readonly pid: number;
  /** Where conmon made `attach` and `ctl`. */
  readonly bundle: string;
  readonly pipe: LogPipe | null;
  readonly tty: boolean;
  readonly exit: Promise<Exit>;
  readonly paused?: boolean;
}

/** A process under conmon, seen through the files of its bundle. */
export class MonitoredProcess implements Process {
  readonly pid: number;
  readonly exit: Promise<Exit>;
  readonly output: Process["output"];
  readonly taken: Process["taken"];
  readonly paused: boolean;
  readonly #stdin: AttachSocket;
  #pidfd = -1;
  #watcher: FSWatcher | null = null;
  #size: string | null = null;
  #resizing: Promise<void> | null = null;

  constructor(private readonly options: MonitoredOptions, output: Process["output"]) {
    this.pid = options.pid;
    this.exit = options.exit;
    this.output = output;
    this.taken = options.pipe?.taken;
    this.paused = options.paused ?? false;
    this.#stdin = new AttachSocket(join(options.bundle, "attach"));
    try {
      if (this.pid > 0) this.#pidfd = pidfdOpen(this.pid);
    } catch (e) {
      if (errnoOf(e) !== "ESRCH") throw e;
    }
    const free = () => {
      this.#stdin.destroy();
      this.#watcher?.close();
      if (this.#pidfd >= 0) closeSync(this.#pidfd);
      this.#pidfd = -1;
    };
    this.exit.then(free, free);
  }

  write(data: Uint8Array): Promise<void> {
    return this.#stdin.write(data);
  }

  /** A terminal has no end of input. */
  closeStdin(): void {
    if (!this.options.tty) this.#stdin.close();
  }

  /** Sizes that come fast are merged: the last one holds. */
  resize(height: number, width: number): Promise<void> {
    this.#size = `1 ${height} ${width}\n`;
    this.#resizing ??= this.#drain().finally(() => { this.#resizing = null; });
    return this.#resizing;
  }

  kill(): void {
    this.signal(SIGKILL);
  }

  /** Seen by the file that conmon makes each time. Where the kernel has no more watches to give, the end of the process tells. */
  onOutOfMemory(told: () => void): void {
    const look = (): void => { if (takeOutOfMemory(this.options.bundle)) told(); };
    try {
      this.#watcher = watch(this.options.bundle, { persistent: false }, (_event, name) => { if (name === null || name === OUT_OF_MEMORY) look(); });
      this.#watcher.on("error", () => this.#watcher?.close());
    } catch {
      return;
    }
    look();
  }

  /** False when the process has gone. */
  signal(signal: number): boolean {
    return this.#pidfd >= 0 && pidfdSendSignal(this.#pidfd, signal);
  }

  async #drain(): Promise<void> {
    for (let first = true; this.#size !== null; first = false) {
      if (!first) await sleep(RESIZE_GAP_MS);
      const line = this.#size;
      this.#size = null;
      writeControl(this.options.bundle, line);
      if (this.#size === null) await sleep(RESIZE_GAP_MS);
    }
  }
}

/** Writes to conmon's control FIFO, if conmon is there. */
function writeControl(bundle: string, line: string): void {
  const fd = openControl(bundle);
  if (fd === null) return;
  try {
    writeSync(fd, line);
  } finally {
    closeSync(fd);
  }
}

/** Whether a bundle's conmon lives: it keeps its control FIFO open for reading. */
export function monitorLives(bundle: string): boolean {
  const fd = openControl(bundle);
  if (fd !== null) closeSync(fd);
  return fd !== null;
}

function openControl(bundle: string): number | null {
  try {
    return openSync(join(bundle, "ctl"), constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (e) {
    const code = errnoOf(e);
    if (code === "ENXIO" || code === "ENOENT") return null;
    throw e;
  }
}

/** conmon makes this file when the kernel killed a process of the container for want of memory; what it is called once it was seen. */
const OUT_OF_MEMORY = "oom", SEEN = "oom-seen";

export function oomKilled(bundle: string): boolean {
  return existsSync(join(bundle, OUT_OF_MEMORY)) || existsSync(join(bundle, SEEN));
}

/** Whether there is one that was not seen yet. It gets out of the way of the next. */
function takeOutOfMemory(bundle: string): boolean {
  try {
    renameSync(join(bundle, OUT_OF_MEMORY), join(bundle, SEEN));
    return true;
  } catch (e) {
    if (errnoOf(e) === "ENOENT") return false;
    throw e;
  }
}
