import type { GcPlan, GcRunView, GcSettings } from "../../core/index.js";

export interface Restored {
  readonly id: string;
  /** Names that it has again. */
  readonly names: readonly string[];
  /** Names that another image has by now. */
  readonly left: readonly string[];
}

/** Collection by policy, for users. */
export interface GcService {
  /** Those in force, as they were written, and where they come from. */
  policies(): { readonly source: "file" | "api"; readonly given: GcSettings["given"] };
  /** Take the place of the configuration file's until `resetPolicies`. InvalidArgument names the field. */
  setPolicies(given: unknown): void;
  resetPolicies(): void;
  /** What a run of all policies, or of one, would do. */
  plan(options: { readonly policy?: string }): Promise<GcPlan>;
  inspectPlan(id: string): GcPlan;
  /** Does what a plan says, as far as it still holds. */
  run(plan: string): Promise<GcRunView>;
  runs(): GcRunView[];
  inspectRun(id: string): GcRunView;
  /** Brings back the images that a run took away. Conflict when there is nothing to bring back. */
  undo(run: string): Promise<Restored[]>;
  /** InvalidArgument for an ID: names are pinned. */
  pin(name: string): void;
  unpin(name: string): void;
  pins(): string[];
}
