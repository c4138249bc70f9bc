/** A lease keeps what is new alive until something refers to it. */
export interface Lease {
  readonly id: string;
}

/** What a lease or an edge of the graph can name. */
export type NodeKind = "blob" | "layer" | "image" | "snapshot" | "container" | "volume" | "network" | "ingest";

/** Every write of something new takes a lease; leases of a former process are void at start. */
export interface LeaseStore {
  /** Opens a lease that lives at most `ttlMs` (default one hour) unless renewed. */
  open(purpose: string, ttlMs?: number): Lease;
  renew(lease: Lease, ttlMs?: number): void;
  hold(lease: Lease, kind: NodeKind, key: string): void;
  /** Whether any lease does. */
  held(kind: NodeKind, key: string): boolean;
  close(lease: Lease): void;
  /** Runs `work` under a lease and closes it whatever happens. */
  with<T>(purpose: string, work: (lease: Lease) => Promise<T>): Promise<T>;
  /** Drops expired leases, or all of them (start-up). */
  expire(all?: boolean): number;
}
