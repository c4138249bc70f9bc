import { randomBytes } from "node:crypto";
import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { Readable } from "node:stream";
import { IgnoreRules, MalformedPattern, parseIgnoreFile } from "@strata/oci";
import { CliError, messageOf } from "../cli.js";
import { type Extra, packContext } from "./pack.js";
import { TAR_END, tarHeader, tarPadding } from "./tar.js";

/** What is sent: a tar, or a URL for the daemon to fetch; and the Dockerfile's path in it. */
export type BuildContext = { readonly dockerfile: string } & ({ readonly tar: Readable } | { readonly remote: string });

/** What `strata build [-f FILE] PATH|URL|-` names. */
export async function openContext(where: string, file: string | undefined, stdin: Readable, directory = process.cwd()): Promise<BuildContext> {
  if (where === "-") {
    if (file === "-") throw new CliError("invalid argument: can't use stdin for both build context and dockerfile");
    return fromStdin(stdin, file);
  }
  if (statSync(resolve(directory, where), { throwIfNoEntry: false }) !== undefined) return fromDirectory(resolve(directory, where), file, stdin, directory);
  if (!isUrl(where)) throw new CliError(`unable to prepare context: path "${where}" not found`);
  if (file === "-") throw new CliError("invalid argument: the Dockerfile of a remote context is in it, and cannot come from stdin");
  return { remote: where, dockerfile: file ?? "Dockerfile" };
}

/** HTTP, and what git takes. */
function isUrl(text: string): boolean {
  return /^(?:https?|git|ssh):\/\//.test(text) || /^(?:github\.com\/|git@)/.test(text);
}

async function fromDirectory(given: string, file: string | undefined, stdin: Readable, directory: string): Promise<BuildContext> {
  const root = realpathSync(given);
  if (!statSync(root).isDirectory()) throw new CliError(`unable to prepare context: context must be a directory: ${root}`);
  const found = file === "-" ? undefined : locate(root, file, directory);
  const patterns = readPatterns(root, found?.path);
  // From elsewhere it goes along under a name of its own, which the .dockerignore then keeps out of what is copied.
  if (found === undefined) return withOutside(root, patterns, Buffer.concat(await stdin.toArray()));
  if (found.inside === undefined) return withOutside(root, patterns, readFileSync(found.path));
  return { tar: packContext(root, kept(patterns, [".dockerignore", found.inside])), dockerfile: found.inside };
}

/** The Dockerfile, and its path in the context if it is there. A path given is relative to the working directory. */
function locate(root: string, file: string | undefined, directory: string): { path: string; inside?: string } {
  const given = file === undefined ? usualDockerfile(root) : resolve(directory, file);
  let path: string;
  try {
    path = realpathSync(given);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new CliError(`unable to prepare context: ${missing ? `cannot locate Dockerfile: "${given}"` : messageOf(cause)}`, 1, { cause });
  }
  const inside = relative(root, path);
  return inside === ".." || inside.startsWith("../") ? { path } : { path, inside };
}

function usualDockerfile(root: string): string {
  const there = (name: string): boolean => lstatSync(join(root, name), { throwIfNoEntry: false }) !== undefined;
  return join(root, !there("Dockerfile") && there("dockerfile") ? "dockerfile" : "Dockerfile");
}

/** `<Dockerfile>.dockerignore` beside the Dockerfile counts in place of the context's own. */
function readPatterns(root: string, dockerfile: string | undefined): string[] {
  const own = dockerfile === undefined ? undefined : readIfThere(join(dirname(dockerfile), `${dockerfile.slice(dirname(dockerfile).length).replace(/^\//, "")}.dockerignore`));
  const patterns = parseIgnoreFile(own ?? readIfThere(join(root, ".dockerignore")) ?? "");
  try {
    new IgnoreRules(patterns);
  } catch (e) {
    throw e instanceof MalformedPattern ? new CliError(`error reading .dockerignore: ${e.message}`, 1, { cause: e }) : e;
  }
  return patterns;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new CliError(`error reading .dockerignore: ${messageOf(cause)}`, 1, { cause });
  }
}

/** The daemon needs these files even where they are ignored; it leaves them out itself of what is copied. */
function kept(patterns: readonly string[], files: readonly string[]): string[] {
  const rules = new IgnoreRules(patterns);
  return [...patterns, ...files.filter((f) => rules.ignores(f)).map((f) => `!${literally(f)}`)];
}

/** A pattern for exactly this path. */
const literally = (path: string): string => path.replace(/[*?[\\]/g, "\\$&");

function withOutside(root: string, patterns: readonly string[], content: Buffer): BuildContext {
  const dockerfile = `.dockerfile.${randomBytes(10).toString("hex")}`;
  const ignore = readIfThere(join(root, ".dockerignore")) ?? ".dockerignore";
  const extras: Extra[] = [{ name: ".dockerignore", content: Buffer.from(`${ignore}\n${dockerfile}\n`) }, { name: dockerfile, content }];
  return { tar: packContext(root, patterns, extras), dockerfile };
}

/** A tar, or a Dockerfile alone. */
async function fromStdin(stdin: Readable, file: string | undefined): Promise<BuildContext> {
  const { head, all } = await peek(stdin, 1024);
  if (isArchive(head)) return { tar: all, dockerfile: file ?? "Dockerfile" };
  if (file !== undefined) throw new CliError("unable to prepare context from STDIN: ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles");
  const content = Buffer.concat(await all.toArray());
  const header = tarHeader({ name: "Dockerfile", type: "file", mode: 0o600, mtime: Math.trunc(Date.now() / 1000), size: content.length });
  return { tar: Readable.from([Buffer.concat([header, content, tarPadding(content.length), TAR_END])], { objectMode: false }), dockerfile: "Dockerfile" };
}

/** The first bytes of a stream, and a stream of all of them. */
async function peek(stream: Readable, count: number): Promise<{ head: Buffer; all: Readable }> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let head = Buffer.alloc(0);
  while (head.length < count) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  async function* whole(): AsyncGenerator<Buffer> {
    if (head.length > 0) yield head;
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
  }
  return { head, all: Readable.from(whole(), { objectMode: false }) };
}

const PACKED: readonly (readonly number[])[] = [[0x1f, 0x8b], [0x42, 0x5a, 0x68], [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], [0x28, 0xb5, 0x2f, 0xfd]];

/** Packed by something that the daemon unpacks, or a tar's first block. */
function isArchive(head: Buffer): boolean {
  if (PACKED.some((magic) => magic.every((byte, i) => head[i] === byte))) return true;
  if (head.length < 512) return false;
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 0x20 : head[i]!;
  return head.subarray(0, 512).some((byte) => byte !== 0) ? parseInt(head.toString("latin1", 148, 156).replace(/\0.*$/, "").trim(), 8) === sum : head.length >= 1024;
}
