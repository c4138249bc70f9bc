import { type ImageId, parsePlatform, type Platform } from "@strata/oci";
import { InvalidArgument, type Lease } from "../core/index.js";
import { BuildArgs, platformArgs } from "./args.js";
import { atLine } from "./at-line.js";
import type { BuildContext } from "./context.js";
import type { Dockerfile, Instruction } from "./dockerfile.js";
import type { BuildHost, BuildNeeds } from "./needs.js";
import { OrderedOutput, type OutputSink, type StageOutput } from "./output.js";
import { type PlannedStage, planBuild, stageOf } from "./plan.js";
import { squash } from "./squash.js";
import { scratch, StageBuild } from "./stage.js";
import { type CacheSource, StepMaker, type StepState } from "./steps.js";
import { expandWord } from "./words.js";

export interface BuildOptions {
  readonly file: Dockerfile;
  readonly context: BuildContext | null;
  /** Null: declared, without a value. */
  readonly args: ReadonlyMap<string, string | null>;
  readonly labels: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly platform?: Platform;
  readonly network?: string;
  readonly noCache: boolean;
  /** Images whose steps may be taken; without it all that are known. */
  readonly cacheFrom?: readonly CacheSource[];
  /** Put the new layers together as one. */
  readonly squash: boolean;
  readonly lease: Lease;
  readonly signal: AbortSignal;
  readonly output: OutputSink;
}

export interface BuiltImage {
  readonly image: ImageId;
  /** What every stage came to, the target first, before anything was squashed. */
  readonly stages: readonly StepState[];
}

/** Builds a file's target with all that it needs, stages side by side. The image is held by the lease. */
export async function build(needs: BuildNeeds, host: BuildHost, options: BuildOptions): Promise<BuiltImage> {
  const { file } = options;
  const args = new BuildArgs(options.args, platformArgs(options.platform ?? needs.hostPlatform, needs.hostPlatform));
  const word = (text: string, at: { readonly line: number; readonly text: string }): string => {
    try { return expandWord(text, (name) => args.global(name), file.escape); } catch (error) { throw atLine(error, at.line, at.text); }
  };
  for (const instruction of file.globals) for (const { name, value } of instruction.args) args.declareGlobal(name, value === undefined ? undefined : word(value, instruction));
  const plan = planBuild(file, options.target, word);
  const labels = labelSteps(options.labels, plan.stages.get(plan.target)!.stage.line);
  const total = [...plan.stages.values()].reduce((sum, { stage }) => sum + 1 + stage.instructions.length, labels.length);
  const output = new OrderedOutput(plan.stages.size, options.output);
  const abort = new AbortController(), signal = AbortSignal.any([options.signal, abort.signal]);
  const steps = new StepMaker(needs, { lease: options.lease, noCache: options.noCache, ...(options.cacheFrom === undefined ? {} : { sources: options.cacheFrom }), ...epochOf(options.args) });
  for (const warning of file.warnings) options.output.write(`[WARNING]: ${warning}\n`);

  const running = new Map<number, Promise<StepState>>();
  const bases = new Map<number, StepState>();
  const images = new Map<string, Promise<StepState>>();
  const imageState = (name: string, platform: Platform | undefined): Promise<StepState> => {
    const known = images.get(name);
    if (known !== undefined) return known;
    const state = host.base(name, platform).then((id): StepState => {
      needs.leases.hold(options.lease, "image", id);
      const { config, top } = needs.images.get(id);
      return { image: id, config, top, keys: [] };
    });
    images.set(name, state);
    return state;
  };
  let number = 0;
  const numbers = new Map([...plan.stages].map(([index, { stage }]) => {
    const first = number;
    number += 1 + stage.instructions.length;
    return [index, { next: first + 1 }] as [number, { next: number }];
  }));

  const start = (planned: PlannedStage, place: number): Promise<StepState> => {
    const { stage, from, base } = planned, own = output.stage(place), count = numbers.get(stage.index)!;
    const work = new StageBuild({
      needs, host, steps, context: options.context, escape: file.escape, signal, ...(options.network === undefined ? {} : { network: options.network }),
      source: (name) => {
        const index = stageOf(file, name, stage.index);
        return index === undefined ? imageState(name, options.platform) : running.get(index)!;
      },
      step: (to: StageOutput, text) => { to.write(`Step ${count.next++}/${total} : ${text}\n`); },
    }, stage, args.forStage(), own);
    const state = async (): Promise<StepState> => {
      const platform = stage.platform === undefined ? options.platform : platformNamed(word(stage.platform, stage));
      if (base !== undefined) return running.get(base)!;
      return from === "scratch" ? scratch(platform ?? needs.hostPlatform) : imageState(from, platform);
    };
    return state().catch((error: unknown) => { throw atLine(error, stage.line, stage.text); }).then((it) => {
      bases.set(stage.index, it);
      return work.run(it, stage.index === plan.target ? labels : []);
    }).finally(() => own.end());
  };
  for (const [place, [index, planned]] of [...plan.stages].entries()) {
    const state = start(planned, place);
    running.set(index, state);
    state.catch((error: unknown) => abort.abort(error));
  }
  try {
    await Promise.all(running.values());
  } finally {
    // Nothing of it goes on when the build is over.
    await Promise.allSettled(running.values());
  }
  const unused = args.unused();
  if (unused.length > 0) options.output.write(`[Warning] One or more build-args [${unused.join(" ")}] were not consumed\n`);
  const { image, ...state } = await running.get(plan.target)!;
  if (image === null) throw new InvalidArgument("No image was generated. Is your Dockerfile empty?");
  const built = { ...state, image }, others = await Promise.all([...running].flatMap(([index, stage]) => (index === plan.target ? [] : [stage])));
  const result = options.squash ? await squash(needs, host, steps, built, bases.get(plan.target)!) : built;
  return { image: result.image, stages: [built, ...others] };
}

/** `--label`s are the last instructions. */
function labelSteps(labels: Readonly<Record<string, string>>, line: number): Instruction[] {
  const quoted = (text: string): string => `'${text.replaceAll("'", "'\"'\"'")}'`;
  return Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]): Instruction => ({ kind: "LABEL", line, text: `LABEL ${name}=${value}`, pairs: [[quoted(name), quoted(value)]] }));
}

function epochOf(args: ReadonlyMap<string, string | null>): { epoch?: number } {
  const text = args.get("SOURCE_DATE_EPOCH");
  if (text === undefined || text === null || text === "") return {};
  if (!/^\d+$/.test(text)) throw new InvalidArgument(`SOURCE_DATE_EPOCH is a number of seconds, not ${text}`);
  return { epoch: Number(text) };
}

function platformNamed(text: string): Platform {
  const platform = parsePlatform(text);
  if (platform === undefined) throw new InvalidArgument(`--platform: ${JSON.stringify(text)} is no platform`);
  return platform;
}
