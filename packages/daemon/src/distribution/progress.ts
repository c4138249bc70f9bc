import type { Clock } from "../core/index.js";

/** One line of a progress stream, as services/types.ts has it. */
export interface ProgressLine {
  readonly id?: string;
  readonly status?: string;
  readonly current?: number;
  readonly total?: number;
  readonly stream?: string;
  readonly aux?: Readonly<Record<string, unknown>>;
}
export type Sink = (line: ProgressLine) => void;

/** Lines of one row in the client's display; counts pass at most every 100 ms, and at the end. */
export class Row {
  #next = 0;

  constructor(private readonly sink: Sink, readonly id: string, private readonly clock: Clock) {}

  status(status: string): void { this.sink({ id: this.id, status }); }

  count(status: string, current: number, total: number): void {
    const now = this.clock.now();
    if (now < this.#next && current < total) return;
    this.#next = now + 100;
    this.sink({ id: this.id, status, current, total });
  }
}
