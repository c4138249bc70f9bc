import { readFileSync, statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { CliError, messageOf } from "../cli.js";
import { csvFields } from "../run/mounts.js";

/** `key=value,…`, only with these keys. */
export function readFields<K extends string>(flag: string, text: string, keys: readonly K[]): { readonly [P in K]?: string } {
  const bad = (why: string): CliError => new CliError(`invalid argument ${JSON.stringify(text)} for "--${flag}" flag: ${why}`);
  let fields: string[];
  try { fields = csvFields(text); } catch (cause) { throw bad(messageOf(cause)); }
  return Object.fromEntries(fields.map((field) => {
    const at = field.indexOf("="), key = field.slice(0, at);
    if (at < 0) throw bad(`field ${JSON.stringify(field)} must be a key=value pair`);
    if (!keys.includes(key as K)) throw bad(`unexpected key ${JSON.stringify(key)}`);
    return [key, field.slice(at + 1)];
  })) as { [P in K]?: string };
}

/** `id=NAME,src=FILE`, `id=NAME,env=VARIABLE`; the name alone is both. */
export function readSecrets(flags: readonly string[], env: NodeJS.ProcessEnv): Record<string, Buffer> {
  return Object.fromEntries(flags.map((text) => {
    const { id, src, source = src, env: variable, type } = readFields("secret", text, ["id", "src", "source", "env", "type"]);
    const name = id ?? (source === undefined ? variable : basename(source));
    if (name === undefined || name === "") throw new CliError(`invalid argument ${JSON.stringify(text)} for "--secret" flag: id is missing`);
    const taken = variable ?? (type === "env" || (source === undefined && env[name] !== undefined) ? source ?? name : undefined);
    if (taken !== undefined) {
      const value = env[taken];
      if (value === undefined) throw new CliError(`secret ${name}: there is no variable ${taken}`);
      return [name, Buffer.from(value)];
    }
    try { return [name, readFileSync(source ?? name)]; } catch (cause) { throw new CliError(`secret ${name}: ${messageOf(cause)}`, 1, { cause }); }
  }));
}

/** `default`, or `NAME=SOCKET`. The daemon takes the socket itself, so it has to be on this machine. */
export function readAgents(flags: readonly string[], env: NodeJS.ProcessEnv, host: string | undefined): Record<string, string> {
  if (flags.length > 0 && host !== undefined && host !== "" && !host.startsWith("unix://")) throw new CliError(`--ssh: only a daemon on this machine can use an ssh agent of it, not ${host}`);
  return Object.fromEntries(flags.map((text) => {
    const at = text.indexOf("="), id = at < 0 ? text : text.slice(0, at), path = at < 0 ? env["SSH_AUTH_SOCK"] : text.slice(at + 1);
    if (path === undefined || path === "") throw new CliError(`--ssh ${text}: no agent: SSH_AUTH_SOCK is not set`);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) throw new CliError(`--ssh ${text}: ${path} is not there`);
    if (!stats.isSocket()) throw new CliError(`--ssh ${text}: ${path} is no agent's socket; add the key to an agent (ssh-add)`);
    return [id === "" ? "default" : id, resolve(path)];
  }));
}
