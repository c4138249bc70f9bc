import { Conflict } from "../core/index.js";

/** Prunes go one at a time: a second one would count what the first takes. */
export class PruneTurn {
  private taken = false;

  /** Conflict while another one runs. */
  async take<T>(prune: () => Promise<T>): Promise<T> {
    if (this.taken) throw new Conflict("a prune operation is already running");
    this.taken = true;
    try { return await prune(); } finally { this.taken = false; }
  }
}
