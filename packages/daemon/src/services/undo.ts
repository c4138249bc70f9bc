import type { Logger } from "../core/index.js";

/** What has been done and how to undo it, last first. */
export class UndoStack {
  readonly #steps: { what: string; undo: () => Promise<void> | void }[] = [];

  constructor(private readonly logger: Logger, private readonly context: object) {}

  push(what: string, undo: () => Promise<void> | void): void {
    this.#steps.push({ what, undo });
  }

  /** Runs `steps` side by side; when one fails, waits for the others before it throws, so that all that was done is known. */
  async together(...steps: readonly (() => Promise<unknown>)[]): Promise<void> {
    const results = await Promise.allSettled(steps.map((step) => step()));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Undoes everything, last first; what cannot be undone is logged and left. */
  async undo(): Promise<void> {
    for (let step; (step = this.#steps.pop()) !== undefined;) await this.#attempt(step);
  }

  /** The same side by side, for when no step needs another's. */
  async undoAtOnce(): Promise<void> {
    await Promise.all(this.#steps.splice(0).map((step) => this.#attempt(step)));
  }

  async #attempt(step: { what: string; undo: () => Promise<void> | void }): Promise<void> {
    try {
      await step.undo();
    } catch (err) {
      this.logger.warn({ err, ...this.context }, `${step.what} could not be undone`);
    }
  }
}
