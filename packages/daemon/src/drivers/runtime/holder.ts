import { closeSync, constants, openSync, unlinkSync } from "node:fs";
import { errnoOf } from "../../core/index.js";
import { Child } from "../../kernel/child.js";
import { mkfifo } from "../../kernel/libc.js";

/**
 * A process that does nothing but hold a container's output FIFO open for reading. Pipe contents live as long as some
 * process has the pipe open: without a holder, a container that ends while no daemon runs would take its last output
 * with it, and one that goes on would get EPIPE. The holder waits in open(2) on a FIFO of its own; whoever opens that
 * for writing and closes it sends the holder home, which needs no process number and works across restarts.
 */
export class Holder {
  readonly #child: Child;

  /** `output` is the FIFO to hold; `keep` a path for the holder's own. */
  constructor(output: string, private readonly keep: string) {
    unlink(keep);
    mkfifo(keep, 0o600);
    const fd = openSync(output, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#child = new Child("cat", [keep], { stdio: [fd, "null", "null"], newSession: true });
    const close = () => closeSync(fd);
    this.#child.pid.then(close, close);
  }

  release(): void {
    this.#child.kill("SIGKILL");
    this.#child.ended().catch(() => undefined);
    unlink(this.keep);
  }

  /** Sends home a holder that a former daemon started. */
  static release(keep: string): void {
    try {
      closeSync(openSync(keep, constants.O_WRONLY | constants.O_NONBLOCK));
    } catch (e) {
      const code = errnoOf(e);
      if (code !== "ENOENT" && code !== "ENXIO") throw e;
    }
    unlink(keep);
  }
}

function unlink(path: string): void {
  try {
    unlinkSync(path);
  } catch (e) {
    if (errnoOf(e) !== "ENOENT") throw e;
  }
}
