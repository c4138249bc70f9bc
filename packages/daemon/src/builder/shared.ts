import type { BuildContext } from "./context.js";
import type { BuildHost, BuildNeeds } from "./needs.js";
import type { StageOutput } from "./output.js";
import type { StepMaker, StepState } from "./steps.js";

/** What a stage shares with the others. */
export interface StageShared {
  readonly needs: BuildNeeds;
  readonly host: BuildHost;
  readonly steps: StepMaker;
  /** Null where the build has none. */
  readonly context: BuildContext | null;
  readonly escape: "\\" | "`";
  readonly signal: AbortSignal;
  readonly network?: string;
  /** The tree of another stage or of an image. */
  source(name: string): Promise<StepState>;
  /** Announces a step. */
  step(output: StageOutput, text: string): void;
}
