/** One event as Docker names it: `type` container, action `die`, attributes with exitCode, image, name. */
export interface StrataEvent {
  readonly type: "container" | "image" | "volume" | "network" | "daemon" | "builder" | "gc" | "disk";
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch, fraction down to nanoseconds. */
  readonly time: number;
}

export interface EventBus {
  emit(event: Omit<StrataEvent, "time">): void;
  /** Past events since `since` that are still held, then live ones until `until` or the signal. */
  subscribe(options: { since?: number; until?: number; signal: AbortSignal }): AsyncIterable<StrataEvent>;
  /** Calls back at once, for in-process users. Returns the way to stop. */
  on(listener: (event: StrataEvent) => void): () => void;
}
