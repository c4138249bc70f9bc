import type { RunConfig } from "@strata/oci";
import { type ConfigInstruction, configure, variableOf } from "../builder/configure.js";
import { parseInstructions } from "../builder/parse.js";
import { expandWord } from "../builder/words.js";
import { InvalidArgument } from "../core/index.js";

const ALLOWED: readonly string[] = ["CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"];

/**
 * Applies Dockerfile instructions (`--change` of import and commit) to an image's run-time defaults and returns new
 * ones. Only instructions that change the configuration are allowed. InvalidArgument names what is wrong.
 */
export function applyChanges(config: RunConfig, changes: readonly string[]): RunConfig {
  const instructions = parseInstructions(changes.join("\n"), (keyword) => {
    if (!ALLOWED.includes(keyword)) throw new InvalidArgument(`${keyword} is not a valid change command`);
  }) as ConfigInstruction[];
  let changed = config, cmdGiven = false;
  for (const instruction of instructions) {
    const before = changed;
    changed = configure(before, instruction, (word) => expandWord(word, (name) => variableOf(before, name)), cmdGiven).config;
    cmdGiven ||= instruction.kind === "CMD";
  }
  return changed;
}
