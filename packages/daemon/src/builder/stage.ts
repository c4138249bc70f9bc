import { type ImageConfig, type ImageId, type Platform, type RunConfig } from "@strata/oci";
import type { BuildArgs } from "./args.js";
import { atLine } from "./at-line.js";
import { commandOf, configure, type Expand, variableOf, type ConfigInstruction } from "./configure.js";
import { Copier } from "./copy.js";
import type { ArgInstruction, Instruction, RunInstruction, Stage, Value } from "./dockerfile.js";
import type { StageOutput } from "./output.js";
import { parseTrigger } from "./parse.js";
import { Runner } from "./run.js";
import type { StageShared } from "./shared.js";
import { noOperation, type StepState } from "./steps.js";
import { expandWord, type Lookup } from "./words.js";

/** Carries a stage out, one instruction after the other. */
export class StageBuild {
  private state!: StepState;
  private cmdGiven = false;
  private readonly copier: Copier;
  private readonly runner: Runner;

  constructor(private readonly shared: StageShared, private readonly stage: Stage, private readonly args: BuildArgs, private readonly output: StageOutput) {
    this.copier = new Copier(shared);
    this.runner = new Runner(shared);
  }

  async run(base: StepState, more: readonly Instruction[]): Promise<StepState> {
    const { shared, stage, output } = this;
    this.state = withPath(base);
    shared.step(output, stage.text);
    if (base.image !== null) output.write(` ---> ${short(base.image)}\n`);
    const triggers = base.config.config?.OnBuild ?? [];
    if (triggers.length > 0) {
      output.write(`# Executing ${triggers.length} build trigger${triggers.length === 1 ? "" : "s"}\n`);
      this.state = { ...this.state, config: { ...this.state.config, config: { ...this.state.config.config, OnBuild: null } } };
      for (const trigger of triggers) await this.carryOut(parseTrigger(trigger, shared.escape), stage.line);
    }
    for (const instruction of [...stage.instructions, ...more]) {
      shared.step(output, instruction.text);
      await this.carryOut(instruction, instruction.line);
      output.write(` ---> ${short(this.state.image!)}\n`);
    }
    return this.state;
  }

  private async carryOut(instruction: Instruction, line: number): Promise<void> {
    this.shared.signal.throwIfAborted();
    try { this.state = await this.next(instruction); }
    catch (error) { throw atLine(error, line, instruction.text); }
  }

  private next(instruction: Instruction): Promise<StepState> | StepState {
    const { copier, state, output } = this;
    switch (instruction.kind) {
      case "ARG": return this.arg(instruction);
      case "MAINTAINER": return this.plain(instruction.text, { author: instruction.value, comment: `MAINTAINER ${instruction.value}` });
      case "RUN": return this.command(instruction);
      case "COPY": case "ADD": return copier.copy(state, instruction, { expand: this.expand, lookup: this.lookup }, output);
      case "WORKDIR": return this.workdir(instruction);
      default: return this.configured(instruction);
    }
  }

  private readonly lookup: Lookup = (name) => variableOf(this.config, name) ?? this.args.value(name);
  private readonly expand: Expand = (word) => expandWord(word, this.lookup, this.shared.escape);
  private get config(): RunConfig { return this.state.config.config ?? {}; }

  private arg({ args, text }: ArgInstruction): StepState {
    const said: string[] = [];
    for (const { name, value } of args) {
      const given = value === undefined ? undefined : this.expand(value);
      this.args.declare(this.expand(name), given);
      said.push(given === undefined ? name : `${name}=${given}`);
    }
    return this.plain(text, { comment: `ARG ${said.join(" ")}` });
  }

  private configured(instruction: ConfigInstruction): StepState {
    if (instruction.kind === "CMD") this.cmdGiven = true;
    const { config, comment } = configure(this.config, instruction, this.expand, this.cmdGiven);
    return this.plain(instruction.text, { config, comment });
  }

  /** A step that changes the configuration at most. */
  private plain(description: string, made: { config?: RunConfig; author?: string; comment: string }): StepState {
    const { steps } = this.shared, { comment, ...rest } = made;
    const what = JSON.stringify(["plain", comment, this.config.Shell ?? null]);
    const step = { ...rest, createdBy: noOperation(made.config ?? this.config, comment, true) };
    const known = steps.cached(this.state, what, step);
    if (known !== undefined) this.output.write(" ---> Using cache\n");
    return known ?? steps.make(this.state, what, description, step);
  }

  private async workdir(instruction: Value<"WORKDIR">): Promise<StepState> {
    const { config, comment } = configure(this.config, instruction, this.expand, false);
    return this.copier.directory(this.state, config, comment, instruction.text, this.output);
  }

  private command(instruction: RunInstruction): Promise<StepState> {
    const { args, config } = this;
    const own = args.values().filter(([name]) => variableOf(config, name) === undefined);
    return this.runner.run(this.state, instruction, {
      command: commandOf(withHeredocs(instruction), config), ...(isProgram(instruction) ? { program: instruction.heredocs[0]!.content } : {}), args: own, proxies: args.proxies(), shell: "shell" in instruction.command, expand: this.expand,
    }, this.output);
  }
}

/** A here-document by itself is the script; with a command on its line, the shell reads it. */
function withHeredocs({ command, heredocs }: RunInstruction): RunInstruction["command"] {
  if ("exec" in command || heredocs.length === 0) return command;
  if (isScript({ command, heredocs })) return { shell: heredocs[0]!.content };
  return { shell: `${command.shell}\n${heredocs.map(({ name, content }) => `${content}${name}\n`).join("")}` };
}

type Written = Pick<RunInstruction, "command" | "heredocs">;
const isScript = ({ command, heredocs }: Written): boolean => "shell" in command && heredocs.length === 1 && /^<<-?\s*(["']?)[^\s"'<]+\1$/.test(command.shell.trim());
/** A script that names its interpreter. */
const isProgram = (written: Written): boolean => isScript(written) && written.heredocs[0]!.content.startsWith("#!");

export const short = (id: ImageId): string => id.slice(7, 19);

/** Every built image says where its programs are. */
function withPath(state: StepState): StepState {
  const config = state.config.config ?? {};
  return variableOf(config, "PATH") !== undefined ? state : { ...state, config: { ...state.config, config: { ...config, Env: [...(config.Env ?? []), `PATH=${DEFAULT_PATH}`] } } };
}
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Where a build on `scratch` begins. */
export function scratch({ os, architecture, variant }: Platform): StepState {
  const config: ImageConfig = { architecture, ...(variant ? { variant } : {}), os, config: {}, rootfs: { type: "layers", diff_ids: [] } };
  return { image: null, config, top: null, keys: [] };
}
