/** A process as ps(1) sees it from the host. */
export interface ProcessInfo {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  readonly sid: number;
  readonly uid: number;
  /** The host's name for the owner, or the number. */
  readonly user: string;
  readonly state: string;
  /** `pts/0`, or `?`. */
  readonly tty: string;
  readonly nice: number;
  readonly threads: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Seconds of processor time. */
  readonly cpu: number;
  /** Bytes. */
  readonly virtual: number;
  readonly resident: number;
  /** Short name. */
  readonly name: string;
  /** Whole command line; `[name]` when there is none. */
  readonly command: string;
}

export interface ProcessTable {
  /** The processes in the cgroup of `pid`, by number. */
  of(pid: number): Promise<readonly ProcessInfo[]>;
  /** Bytes of memory that the machine has. */
  readonly memory: number;
}
