/**
 * A Dockerfile as data. Words are as they stand in the file (quotes, escapes and variables in them): they are expanded
 * when their instruction is carried out, as that depends on what went before. Lines count from 1.
 * https://docs.docker.com/reference/dockerfile/
 */
export interface Dockerfile {
  readonly escape: "\\" | "`";
  /** What the `syntax` directive names; accepted, never fetched. */
  readonly syntax?: string;
  /** ARG before the first FROM. */
  readonly globals: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
  readonly warnings: readonly string[];
}

export interface Stage {
  readonly index: number;
  /** Lower case, of `AS name`. */
  readonly name?: string;
  /** The word after FROM. */
  readonly from: string;
  /** The word of `--platform`. */
  readonly platform?: string;
  readonly line: number;
  /** `FROM busybox AS base`: the whole instruction in one line, as progress shows it. */
  readonly text: string;
  readonly instructions: readonly Instruction[];
}

interface At {
  readonly line: number;
  /** The whole instruction in one line, as progress shows it: keyword in upper case, continuations joined. */
  readonly text: string;
}

/** `["a", "b"]` (args) or the text for a shell. */
export type Command = { readonly exec: readonly string[] } | { readonly shell: string };

/** `<<EOF`: the lines up to EOF. `expand`: the word was not quoted, so variables count; `<<-` has taken leading tabs off already. */
export interface Heredoc {
  readonly name: string;
  readonly content: string;
  readonly expand: boolean;
}

export interface ArgInstruction extends At {
  readonly kind: "ARG";
  readonly args: readonly { readonly name: string; readonly value?: string }[];
}
/** `pairs`: words of name and value. */
export interface PairsInstruction extends At {
  readonly kind: "ENV" | "LABEL";
  readonly pairs: readonly (readonly [name: string, value: string])[];
}
export interface RunInstruction extends At {
  readonly kind: "RUN";
  readonly command: Command;
  /** Of the shell form: a single one with nothing else on the line is the script itself. */
  readonly heredocs: readonly Heredoc[];
  /** Each `--mount`: its keys in lower case with their words (`type=cache,target=/x,ro` → ro: "true"). */
  readonly mounts: readonly ReadonlyMap<string, string>[];
  readonly network?: string;
  readonly security?: string;
}
export interface CopyInstruction extends At {
  readonly kind: "COPY" | "ADD";
  /** Words of paths (and URLs, for ADD), and files that stand in the Dockerfile itself. */
  readonly sources: readonly (string | Heredoc)[];
  readonly destination: string;
  /** Words of flags. */
  readonly from?: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly checksum?: string;
  readonly exclude: readonly string[];
  readonly link: boolean;
  readonly parents: boolean;
  readonly keepGitDir: boolean;
  /** ADD only: whether archives are unpacked; undefined where nothing was said. */
  readonly unpack?: boolean;
}
export interface CommandInstruction extends At {
  readonly kind: "CMD" | "ENTRYPOINT";
  readonly command: Command;
}
export interface ShellInstruction extends At {
  readonly kind: "SHELL";
  readonly args: readonly string[];
}
/** One value: the rest of the line. */
export interface Value<K extends string> extends At {
  readonly kind: K;
  readonly value: string;
}
export type ValueInstruction = Value<"WORKDIR"> | Value<"USER"> | Value<"STOPSIGNAL"> | Value<"MAINTAINER">;
export interface WordsInstruction extends At {
  readonly kind: "EXPOSE" | "VOLUME";
  readonly words: readonly string[];
}
export interface HealthcheckInstruction extends At {
  readonly kind: "HEALTHCHECK";
  /** Null for NONE. Times in nanoseconds. */
  readonly check: { readonly command: Command; readonly interval?: number; readonly timeout?: number; readonly startPeriod?: number; readonly startInterval?: number; readonly retries?: number } | null;
}
export interface OnbuildInstruction extends At {
  readonly kind: "ONBUILD";
  /** The instruction, as it will be parsed later. */
  readonly trigger: string;
}
export type Instruction = ArgInstruction | PairsInstruction | RunInstruction | CopyInstruction | CommandInstruction | ShellInstruction | ValueInstruction | WordsInstruction | HealthcheckInstruction | OnbuildInstruction;
