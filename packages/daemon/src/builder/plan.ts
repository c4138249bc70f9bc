import { InvalidArgument } from "../core/errors.js";
import type { Dockerfile, Stage } from "./dockerfile.js";

/** A stage with the stages that it needs. */
export interface PlannedStage {
  readonly stage: Stage;
  /** FROM, expanded. */
  readonly from: string;
  /** The stage that it stands on. */
  readonly base: number | undefined;
  readonly needs: readonly number[];
}
/** Only what the target needs, in the order of the file. */
export interface Plan {
  readonly stages: ReadonlyMap<number, PlannedStage>;
  readonly target: number;
}

/** InvalidArgument for a target that there is not. `expand`: of words in FROM. */
export function planBuild(file: Dockerfile, target: string | undefined, expand: (word: string, stage: Stage) => string): Plan {
  const last = target === undefined || target === "" ? file.stages.length - 1 : stageOf(file, target, file.stages.length);
  if (last === undefined) throw new InvalidArgument(`target stage "${target}" could not be found`);
  const stages = new Map<number, PlannedStage>();
  const take = (index: number): void => {
    if (stages.has(index)) return;
    const stage = file.stages[index]!, from = expand(stage.from, stage);
    if (from === "") throw new InvalidArgument(`dockerfile parse error on line ${stage.line}: base name (${stage.from}) should not be blank: ${stage.text}`);
    const base = nameOf(file, from, index);
    const needs = [...(base === undefined ? [] : [base]), ...sourcesOf(stage).flatMap((source) => stageOf(file, source, index) ?? [])];
    stages.set(index, { stage, from, base, needs });
    needs.forEach(take);
  };
  take(last);
  return { stages: new Map([...stages].sort(([a], [b]) => a - b)), target: last };
}

/** A stage before `before`, by its name or its number. */
export function stageOf(file: Dockerfile, source: string, before: number): number | undefined {
  const named = nameOf(file, source, before);
  if (named !== undefined) return named;
  return /^\d+$/.test(source) && Number(source) < before ? Number(source) : undefined;
}
const nameOf = ({ stages }: Dockerfile, name: string, before: number): number | undefined =>
  stages.slice(0, before).findLast((stage) => stage.name !== undefined && stage.name === name.toLowerCase())?.index;

function sourcesOf({ instructions }: Stage): string[] {
  return instructions.flatMap((instruction) => {
    if (instruction.kind === "COPY") return instruction.from === undefined ? [] : [instruction.from];
    if (instruction.kind === "RUN") return instruction.mounts.flatMap((mount) => mount.get("from") ?? []);
    return [];
  });
}
