import type { Api } from "../api.js";
import type { CallSignal, CheckLine, CheckReport } from "../types.js";

export interface CheckOptions extends CallSignal {
  /** Read and hash everything. */
  readonly deep?: boolean;
  /** Mend what can be mended. */
  readonly repair?: boolean;
  /** Bytes per second that are read at most. */
  readonly rate?: number;
}

/** Checks of the data root. */
export class Checks {
  readonly #api: Api;
  constructor(api: Api) { this.#api = api; }

  /** How far it is, findings as they are made, and the report as the last line. Leaving the loop ends the check. */
  run({ deep, repair, rate, signal }: CheckOptions = {}): AsyncGenerator<CheckLine, void, undefined> {
    return this.#api.lines("post", "/graph/check", { json: { deep, repair, rate }, signal });
  }

  /** The last checks, the latest first. */
  list({ signal }: CallSignal = {}): Promise<CheckReport[]> {
    return this.#api.call("get", "/graph/check", { signal });
  }
}
