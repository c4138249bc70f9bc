import type { ContainerId, ContainerStore, Logger } from "../core/index.js";
import { NotFound } from "../core/index.js";

/** Changes within this time are written once; in milliseconds. */
const DELAY = 250;

/** Writes the files that mirror containers for other tools, off everybody's way. */
export class Mirrors {
  readonly #due = new Map<ContainerId, NodeJS.Timeout>();

  constructor(private readonly containers: Pick<ContainerStore, "get" | "mirror">, private readonly logger: Logger) {}

  /** The container has changed. */
  changed(id: ContainerId): void {
    if (this.#due.has(id)) return;
    this.#due.set(id, setTimeout(() => {
      this.#due.delete(id);
      void this.#write(id);
    }, DELAY));
  }

  /** The container goes: nothing may be written any more. */
  forget(id: ContainerId): void {
    clearTimeout(this.#due.get(id));
    this.#due.delete(id);
  }

  /** Writes what is due. */
  async close(): Promise<void> {
    const due = [...this.#due.keys()];
    for (const id of due) this.forget(id);
    await Promise.all(due.map((id) => this.#write(id)));
  }

  /** A container that went while it was written takes its directory along. */
  #exists(id: ContainerId): boolean {
    try {
      return this.containers.get(id).state.status !== "removing";
    } catch {
      return false;
    }
  }

  async #write(id: ContainerId): Promise<void> {
    try {
      await this.containers.mirror(this.containers.get(id));
    } catch (err) {
      if (!(err instanceof NotFound) && this.#exists(id)) this.logger.warn({ err, container: id }, "the files that mirror a container could not be written");
    }
  }
}
