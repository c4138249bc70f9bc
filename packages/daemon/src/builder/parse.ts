import { InvalidArgument } from "../core/index.js";
import type { ArgInstruction, Dockerfile, Heredoc, Instruction, Stage } from "./dockerfile.js";
import { Flags } from "./parse-flags.js";
import { checkTrigger, parseInstruction, type Source } from "./parse-instructions.js";
import { errorAt, LineReader, type LogicalLine } from "./parse-lines.js";
import { heredocMarks, parseJsonForm, type Parts, plainWords, splitInstruction } from "./parse-words.js";

/**
 * Reads a Dockerfile by the rules of the classic builder and of BuildKit's newer syntax. Whatever is wrong with it is
 * an InvalidArgument that names the line and shows it.
 */
export function parseDockerfile(text: string): Dockerfile {
  const reader = new LineReader(text);
  const globals: ArgInstruction[] = [];
  const stages: Mutable[] = [];
  let read: LogicalLine | undefined, any = false;
  while ((read = reader.next()) !== undefined) {
    const line = read;
    any = true;
    withLine(reader, line, () => add(readInstruction(reader, line), globals, stages));
  }
  if (stages.length === 0) {
    const message = any ? "no build stage in current context: a Dockerfile needs a FROM" : "file with no instructions";
    throw errorAt(Math.max(reader.line, 1), reader.source(Math.max(reader.line, 1)), message);
  }
  const { escape, syntax, warnings } = reader;
  return { escape, ...(syntax === undefined ? {} : { syntax }), globals, stages, warnings };
}

/** One instruction by itself: a trigger of a base image. FROM, ONBUILD and MAINTAINER are none. */
export function parseTrigger(text: string, escape: Dockerfile["escape"] = "\\"): Instruction {
  const reader = new LineReader(text, escape);
  const line = reader.next();
  if (line === undefined) throw errorAt(1, text, "an ONBUILD trigger is empty");
  const instruction = withLine(reader, line, () => single(reader, line, checkTrigger));
  const second = reader.next();
  if (second !== undefined) throw errorAt(second.line, second.text, "an ONBUILD trigger is a single instruction");
  return instruction;
}

/** Instructions without a stage, as `--change` gives them; messages name no line. `check` throws for a keyword (in upper case) that may not be there. */
export function parseInstructions(text: string, check: (keyword: string) => void): Instruction[] {
  const reader = new LineReader(text, "\\");
  const instructions: Instruction[] = [];
  let line: LogicalLine | undefined;
  while ((line = reader.next()) !== undefined) instructions.push(single(reader, line, check));
  return instructions;
}

function single(reader: LineReader, line: LogicalLine, check: (keyword: string) => void): Instruction {
  const source = readInstruction(reader, line);
  check(source.keyword);
  return parseInstruction(source);
}

type Mutable = Omit<Stage, "instructions"> & { readonly instructions: Instruction[] };

function withLine<T>(reader: LineReader, { line }: LogicalLine, work: () => T): T {
  try {
    return work();
  } catch (e) {
    if (!(e instanceof InvalidArgument)) throw e;
    throw errorAt(line, reader.source(line), e.message);
  }
}

function readInstruction(reader: LineReader, line: LogicalLine): Source {
  const parts = splitInstruction(line.text, reader.escape);
  const keyword = parts.keyword.toUpperCase();
  return {
    ...parts, keyword, line: line.line, escape: reader.escape,
    text: keyword + line.text.trim().slice(parts.keyword.length),
    heredocs: readHeredocs(reader, line, { ...parts, keyword }),
  };
}

/** Only RUN, COPY and ADD have files behind them, and none in the JSON form. */
function readHeredocs(reader: LineReader, line: LogicalLine, parts: Parts): Heredoc[] {
  const inTrigger = parts.keyword === "ONBUILD";
  const { keyword, args } = inTrigger ? splitInstruction(parts.args, reader.escape) : parts;
  if (!["RUN", "COPY", "ADD"].includes(keyword.toUpperCase()) || parseJsonForm(args) !== undefined) return [];
  return heredocMarks(line.text).map(({ name, tabs, expand }) => {
    // A trigger is parsed again: there `<<-` takes the tabs.
    const content = reader.heredoc(name, tabs && !inTrigger, tabs);
    if (content === undefined) throw new InvalidArgument(`unterminated heredoc: no line is ${name} alone`);
    return { name, content, expand };
  });
}

function add(source: Source, globals: ArgInstruction[], stages: Mutable[]): void {
  if (source.keyword === "FROM") {
    stages.push(parseFrom(source, stages));
    return;
  }
  const instruction = parseInstruction(source);
  const stage = stages.at(-1);
  if (stage !== undefined) stage.instructions.push(instruction);
  else if (instruction.kind === "ARG") globals.push(instruction);
  else throw new InvalidArgument(`no build stage in current context: ${instruction.kind} stands before the first FROM`);
}

/** `FROM [--platform=word] image [AS name]`. */
function parseFrom(source: Source, earlier: readonly Stage[]): Mutable {
  const words = plainWords(source.args);
  const [from, as, given] = words;
  if (from === undefined || (words.length !== 1 && (words.length !== 3 || as!.toUpperCase() !== "AS"))) {
    throw new InvalidArgument("FROM requires either one or three arguments");
  }
  const flags = new Flags(source.flags, { platform: "value" });
  const name = given?.toLowerCase(), platform = flags.value("platform");
  if (name !== undefined && !/^[a-z][a-z0-9_.-]*$/.test(name)) {
    throw new InvalidArgument(`invalid name for build stage: "${given!}", name can't start with a number or contain symbols`);
  }
  if (name !== undefined && earlier.some((s) => s.name === name)) throw new InvalidArgument(`${name} stage name already used`);
  return {
    index: earlier.length, from, line: source.line, text: source.text, instructions: [],
    ...(name === undefined ? {} : { name }), ...(platform === undefined ? {} : { platform }),
  };
}
