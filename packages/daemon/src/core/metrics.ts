import type { Usage } from "./storage.js";

/** What work is done to, where its duration is told. */
export type Subject = "container" | "image" | "network";

/** What a collection came to. */
export interface CollectionFigures {
  readonly seconds: number;
  /** How many rows were forgotten, by kind. */
  readonly items: Readonly<Record<string, number>>;
  readonly freed: Usage;
  readonly failed: boolean;
}

/** What the parts of the daemon tell of their work to whoever counts it. Telling throws nothing and waits for nothing. */
export interface Metrics {
  /** An action is over. */
  action(subject: Subject, action: string, seconds: number, failed: boolean): void;
  healthCheck(failed: boolean): void;
  buildBegun(): void;
  /** `reason` as Docker names it. */
  buildFailed(reason: string): void;
  collection(figures: CollectionFigures): void;
}

/** When nobody counts. */
export const noMetrics: Metrics = { action: () => undefined, healthCheck: () => undefined, buildBegun: () => undefined, buildFailed: () => undefined, collection: () => undefined };
