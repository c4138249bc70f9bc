import type { CheckRun, Finding } from "../../core/index.js";

export interface CheckOptions {
  /** Read and hash everything. */
  readonly deep: boolean;
  /** Mend what can be mended. */
  readonly repair: boolean;
  /** Bytes per second that are read at most; 0 is as fast as it goes. */
  readonly rate: number;
  readonly signal: AbortSignal;
}

/** What a check says while it goes on; the report is the last. */
export type CheckLine =
  | { readonly part: string; readonly current?: number; readonly total?: number }
  | { readonly finding: Finding & { readonly repaired: boolean } }
  | { readonly report: CheckRun };

/** Looks at the whole data root, and at what the daemon has in the kernel, while all goes on. */
export interface CheckService {
  /** Conflict while another one runs. To be read to its end, or returned from, which ends it. */
  begin(options: CheckOptions): AsyncIterable<CheckLine>;
  /** The last checks, the latest first. */
  history(): readonly CheckRun[];
}
