import { buffer } from "node:stream/consumers";
import { CliError, messageOf } from "../cli.js";
import { defineCommand } from "../command.js";
import { openInput } from "../files.js";

export const command = defineCommand({
  usage: "[set FILE|reset]",
  args: [0, 2],
  async run(cli, [verb, file]) {
    const { gc } = cli.client;
    if (verb === "set" && file !== undefined) await gc.setPolicies(parse(file, (await buffer(await openInput(cli, file))).toString()));
    else if (verb === "reset" && file === undefined) await gc.resetPolicies();
    else if (verb !== undefined) throw new CliError("'strata gc policies' takes nothing, 'set FILE' (- for standard input), or 'reset'");
    cli.print(JSON.stringify(await gc.policies(), undefined, 2));
  },
});

/** The `gc` of a daemon.json, or a whole one. */
function parse(file: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CliError(`${file}: ${messageOf(cause)}`, 1, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new CliError(`${file}: a JSON object is expected`);
  const { gc, source: _shown, ...rest } = value as Record<string, unknown>;
  return typeof gc === "object" && gc !== null ? (gc as Record<string, unknown>) : rest;
}
