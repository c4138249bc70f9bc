import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, run, which } from "../helpers/index.js";

/** This machine cannot run a suite; the message is the reason that it is skipped with. */
export class Unavailable extends Error {}

export interface Project {
  readonly name: string;
  readonly version: string;
  readonly url: string;
  /** Command lines that make a checkout ready to run, one after the other, in it. */
  readonly prepare: readonly (readonly [string, ...string[]])[];
}

/**
 * A checkout that is ready to run, outside of this repository. It is made once and kept. `STRATA_CLIENTS` names a folder with
 * git repositories, bare or not, by the projects' names, for machines that do not reach their origin.
 */
export async function checkout({ name, version, url, prepare }: Project): Promise<string> {
  const folder = join(cacheFolder, "clients", `${name}-${version}`);
  if (existsSync(folder)) return folder;
  const local = process.env["STRATA_CLIENTS"];
  const source = local !== undefined && existsSync(join(local, name)) ? join(local, name) : url;
  // A second run at the same time makes its own, under another name.
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(join(cacheFolder, "clients"), { recursive: true });
  try {
    await step(["git", "clone", "--quiet", "--branch", version, source, unfinished], join(cacheFolder, "clients"));
    for (const command of prepare) await step(command, unfinished);
    // Programs of a virtual environment know its place: what is prepared stays where it is.
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
}

async function step([program, ...args]: readonly [string, ...string[]], cwd: string): Promise<void> {
  const path = program.includes("/") ? join(cwd, program) : which(program);
  if (path === undefined) throw new Unavailable(`no ${program} on this machine`);
  const { code, stdout, stderr } = await run(path, args, { cwd, timeoutMs: 300_000, env: { ...process.env, GIT_TERMINAL_PROMPT: "0" } });
  if (code !== 0) throw new Unavailable(`${program} ${args[0]!}: ${(stderr || stdout).trim().split("\n").at(-1)!}`);
}
