import { createHash, randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join, posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { RunConfig } from "@strata/oci";
import type { Found } from "../archive/context/select.js";
import type { Place } from "../archive/context/place-job.js";
import type { Placement } from "../archive/context/layer-job.js";
import { type ModeChange, parseMode } from "../archive/context/mode.js";
import { decompress } from "../archive/compress.js";
import { fileTar, singleFile } from "../archive/single-file.js";
import { InvalidArgument, type Layer, NotFound } from "../core/index.js";
import type { Expand } from "./configure.js";
import { BuildContext, isArchive, isTar, type ReadOptions, SourceTooLarge } from "./context.js";
import type { CopyInstruction, Heredoc } from "./dockerfile.js";
import { isGitUrl } from "./git-url.js";
import type { StageOutput } from "./output.js";
import type { StageShared } from "./shared.js";
import { noOperation, type StepState } from "./steps.js";
import { expandHeredoc, type Lookup } from "./words.js";

/** How words and here-documents are expanded. */
export interface Words {
  readonly expand: Expand;
  readonly lookup: Lookup;
}

/** Sources that lie in one context. */
interface Part {
  readonly context: BuildContext;
  readonly sources: readonly string[];
  readonly exclude: readonly string[];
  /** An archive that is unpacked. */
  readonly unpacked: boolean;
  /** Owners stay what they are: of archives, and of what other stages made. */
  readonly owners: boolean;
  readonly found: Found;
}

const REMOTE = /^https?:\/\//i;

/** COPY and ADD: from a context straight into a layer tar. */
export class Copier {
  constructor(private readonly shared: StageShared) {}

  async copy(state: StepState, instruction: CopyInstruction, words: Words, output: StageOutput): Promise<StepState> {
    const opened: BuildContext[] = [], { expand } = words;
    try {
      const destination = expand(instruction.destination), chown = instruction.chown === undefined ? undefined : expand(instruction.chown);
      const chmod = instruction.chmod === undefined ? undefined : expand(instruction.chmod), mode = chmod === undefined ? undefined : modeOf(chmod);
      const parts = await this.parts(instruction, words, destination, opened);
      const matches = parts.reduce((sum, { found }) => sum + found.matches, 0);
      if (matches === 0) throw new InvalidArgument(`${instruction.kind} failed: no source files were specified`);
      if (matches > 1 && !/\/\.?$|^\.$/.test(destination)) throw new InvalidArgument(`When using ${instruction.kind} with more than one source file, the destination must be a directory and end with a /`);
      const hash = describe(parts);
      const what = JSON.stringify(["copy", hash, parts.map(({ unpacked, owners }) => [unpacked, owners]), destination, chown ?? null, mode ?? null, instruction.parents, state.config.config?.WorkingDir ?? ""]);
      const said = `${instruction.kind} ${chown === undefined ? "" : `--chown=${chown} `}${chmod === undefined ? "" : `--chmod=${chmod} `}${hash} in ${destination} `;
      const createdBy = noOperation(state.config.config, said);
      const known = this.shared.steps.cached(state, what, { createdBy }, !instruction.parents);
      if (known !== undefined) {
        output.write(" ---> Using cache\n");
        return known;
      }
      const layer = await this.layer(state, parts, instruction, destination, chown, mode);
      return this.shared.steps.make(state, what, instruction.text, { layer, createdBy });
    } finally {
      await Promise.all(opened.map((context) => context.remove()));
    }
  }

  /** WORKDIR: a directory that is made where there is none. */
  async directory(state: StepState, config: RunConfig, comment: string, description: string, output: StageOutput): Promise<StepState> {
    const { steps, host, needs } = this.shared, what = JSON.stringify(["workdir", comment]);
    const step = { config, createdBy: noOperation(state.config.config, comment) };
    const known = steps.cached(state, what, step);
    if (known !== undefined) {
      output.write(" ---> Using cache\n");
      return known;
    }
    const place = await host.tree(state.top, steps.lease, (root) => this.placeIn(root, posix.resolve("/", config.WorkingDir!)));
    if (place.kind === "other") throw new InvalidArgument(`cannot mkdir: ${config.WorkingDir!} is not a directory`);
    const made = place.missing.length === 0 ? {} : {
      layer: await needs.layers.register(needs.workers.produce("contextLayer", { selection: null, place: { path: place.path, into: true, missing: place.missing }, owner: ROOT, now: steps.now }), state.top, steps.lease),
    };
    return steps.make(state, what, description, { ...made, ...step });
  }

  private placeIn(root: string, path: string): Promise<Place> { return this.shared.needs.workers.run("treePlace", { root, path }); }

  private async layer(state: StepState, parts: readonly Part[], instruction: CopyInstruction, destination: string, chown: string | undefined, mode: ModeChange | undefined): Promise<Layer> {
    const { steps, host, needs } = this.shared;
    const path = posix.resolve(state.config.config?.WorkingDir || "/", destination);
    const { place, owner } = await host.tree(state.top, steps.lease, async (root) => ({
      place: await this.placeIn(root, path), owner: chown === undefined ? ROOT : await host.owner(root, chown),
    }));
    const whole = parts.some(({ found, unpacked }) => found.directory || unpacked), into = whole || /\/\.?$|^\.$/.test(destination) || place.kind === "directory" || instruction.parents;
    if (place.kind === "other" && into) throw new InvalidArgument(`cannot copy to non-directory: ${destination}`);
    const where: Placement = { path: place.path, into, missing: into ? place.missing : place.missing.slice(0, -1) };
    const tars = parts.map((part, i) => {
      const own = part.owners && chown === undefined;
      return part.context.layer({ sources: part.sources, exclude: part.exclude, parents: instruction.parents, owners: own }, {
        place: where, now: steps.now, ...(own ? {} : { owner }), ...(mode === undefined || part.unpacked ? {} : { mode }), ...(steps.epoch === undefined ? {} : { newest: steps.epoch }), open: i < parts.length - 1,
      });
    });
    return needs.layers.register(tars.length === 1 ? tars[0]! : joined(tars), state.top, steps.lease);
  }

  private async parts(instruction: CopyInstruction, words: Words, destination: string, opened: BuildContext[]): Promise<Part[]> {
    const { expand } = words;
    const exclude = instruction.exclude.map(expand), parts: Part[] = [], plain: string[] = [];
    for (const source of instruction.sources) {
      if (typeof source !== "string") {
        parts.push(await this.fileOf(source, words, opened));
        continue;
      }
      const text = expand(source);
      if (instruction.kind === "ADD" && isGitUrl(text)) parts.push(await this.repository(text, instruction, opened));
      else if (instruction.kind === "ADD" && REMOTE.test(text)) parts.push(await this.download(text, { ...instruction, ...(instruction.checksum === undefined ? {} : { checksum: expand(instruction.checksum) }) }, destination, opened));
      else plain.push(text);
    }
    if (instruction.checksum !== undefined && (plain.length > 0 || !instruction.sources.every((source) => typeof source === "string" && REMOTE.test(expand(source)) && !isGitUrl(expand(source))))) {
      throw new InvalidArgument("--checksum is for files of http and https only");
    }
    if (plain.length === 0) return parts;
    if (instruction.from !== undefined) return [...await this.fromStage(instruction.from, plain, exclude, instruction.parents, opened), ...parts];
    const { context } = this.shared;
    if (context === null) throw new InvalidArgument(`${instruction.kind} failed: the build has no context`);
    if (instruction.kind === "ADD" && instruction.unpack !== false) return [...await this.unpacked(context, plain, exclude, opened), ...parts];
    return [await part(context, plain, exclude, "context", instruction.kind, instruction.parents), ...parts];
  }

  /** Archives by themselves, what stands between them together: of one name, the last counts. */
  private async unpacked(context: BuildContext, sources: readonly string[], exclude: readonly string[], opened: BuildContext[]): Promise<Part[]> {
    const parts: Part[] = [];
    let plain: string[] = [];
    const flush = async (): Promise<void> => {
      if (plain.length > 0) parts.push(await part(context, plain, exclude, "context", "ADD"));
      plain = [];
    };
    for (const source of sources) {
      const { files, matches } = await finding(context, [source], exclude, "ADD");
      const inside = files.length === matches ? await Promise.all(files.map((file) => this.archive(context, file, opened))) : [];
      if (inside.every((one) => one === undefined)) plain.push(source);
      else {
        await flush();
        for (const [i, one] of inside.entries()) parts.push(one ?? await part(context, [files[i]!], exclude, "context", "ADD"));
      }
    }
    await flush();
    return parts;
  }

  /** The content of a file, when it is a tar, packed or not. */
  private async archive(context: BuildContext, file: string, opened: BuildContext[]): Promise<Part | undefined> {
    const head = await firstBytes(context.member(file), 512);
    if (!isArchive(head)) return undefined;
    try {
      const inside = await this.open(context.member(file), opened);
      return await part(inside, ["."], [], "archive", "ADD");
    } catch (error) {
      // Packed, but no tar: copied as it is. A tar that is broken is no file that anybody wants.
      if (error instanceof InvalidArgument && !(error instanceof SourceTooLarge) && !(await beginsTar(context.member(file)))) return undefined;
      if (error instanceof SourceTooLarge) throw new SourceTooLarge(error.limit, file);
      throw error;
    }
  }

  private async fromStage(from: string, sources: readonly string[], exclude: readonly string[], parents: boolean, opened: BuildContext[]): Promise<Part[]> {
    const { steps, host } = this.shared, { top } = await this.shared.source(from);
    return host.tree(top, steps.lease, (root) => Promise.all(sources.map(async (source) => {
      // A pattern is looked for in the directory before its first part that is one.
      const parts = posix.resolve("/", source).split("/").slice(1), wild = parts.findIndex((one) => /[*?[\\]/.test(one));
      const path = `/${(wild < 0 ? parts : parts.slice(0, wild)).join("/")}`;
      const place = await this.placeIn(root, path);
      if (place.kind === "none") throw new NotFound(`COPY failed: stat ${source.replace(/^\//, "")}: file does not exist`);
      // A symlink's content has the symlink's name.
      const inside = await this.open(host.tar(root, `/${place.text}`), opened, { prefix: posix.dirname(path).slice(1), top: posix.basename(path), limit: Infinity });
      const [before, behind] = source.split(/\/\.\/(.*)/s, 2) as [string, string | undefined], whole = `/${parts.join("/")}`;
      return part(inside, [parents && behind !== undefined ? `${posix.resolve("/", before)}/./${behind}` : whole], exclude, "stage", "COPY", parents);
    })));
  }

  private async fileOf({ name, content, expand: variables }: Heredoc, words: Words, opened: BuildContext[]): Promise<Part> {
    const text = variables ? expandHeredoc(content, words.lookup) : content;
    return part(await this.open(singleFile(name, Buffer.from(text), 0o644, 0), opened), [name], [], "context", "COPY");
  }

  private async download(url: string, { checksum, unpack }: CopyInstruction, destination: string, opened: BuildContext[]): Promise<Part> {
    const { body, modified, filename } = await this.shared.host.download(url, this.shared.signal);
    const path = new URL(url).pathname, given = path.endsWith("/") ? filename ?? "" : posix.basename(path);
    if (given === "" && destination.endsWith("/")) {
      body.destroy();
      throw new InvalidArgument(`cannot determine filename for source ${url}`);
    }
    const name = given === "" ? "unnamed" : decoded(given), file = join(this.shared.needs.temporary, `download-${randomUUID()}`);
    let context: BuildContext;
    try {
      await pipeline(body, createWriteStream(file, { mode: 0o600 }));
      context = await this.open(fileTar(name, file, 0o600, Math.floor((modified ?? 0) / 1000)), opened);
    } finally { await rm(file, { force: true }); }
    if (checksum !== undefined) {
      const digest = (await context.stat(name))!.digest;
      if (checksum !== `sha256:${digest}`) throw new InvalidArgument(`digest mismatch of ${url}: sha256:${digest}, not ${checksum}`);
    }
    const archive = unpack === true ? await this.archive(context, name, opened) : undefined;
    return archive ?? await part(context, [name], [], "context", "ADD");
  }

  private async repository(url: string, { keepGitDir }: CopyInstruction, opened: BuildContext[]): Promise<Part> {
    const context = await this.shared.host.git(url, keepGitDir, this.shared.signal, (tar) => this.open(tar, opened));
    return part(context, ["."], [], "context", "ADD");
  }

  private async open(tar: Readable, opened: BuildContext[], place: Partial<ReadOptions> = {}): Promise<BuildContext> {
    const { needs } = this.shared;
    const context = await BuildContext.read(tar, join(needs.temporary, `build-${randomUUID()}`), needs.workers, { limit: needs.largestSource(), ...place });
    opened.push(context);
    return context;
  }
}

const ROOT = { uid: 0, gid: 0 };

async function part(context: BuildContext, sources: readonly string[], exclude: readonly string[], origin: "context" | "archive" | "stage", kind: string, parents = false): Promise<Part> {
  const owners = origin !== "context";
  return { context, sources, exclude, unpacked: origin === "archive", owners, found: await finding(context, sources, exclude, kind, { owners, parents }) };
}
async function finding(context: BuildContext, sources: readonly string[], exclude: readonly string[], kind: string, how = { owners: false, parents: false }): Promise<Found> {
  try { return await context.find({ sources, exclude, ...how }); }
  catch (error) {
    if (error instanceof NotFound) throw new NotFound(`${kind} failed: file not found in build context or excluded by .dockerignore: ${error.message}`, { cause: error });
    throw error;
  }
}

/** `file:…`, `dir:…` or `multi:…`, as history names what was copied. */
function describe(parts: readonly Part[]): string {
  const [first] = parts;
  if (parts.length === 1 && first!.found.matches === 1) return `${first!.found.directory && !first!.unpacked ? "dir" : "file"}:${first!.found.digest}`;
  return `multi:${createHash("sha256").update(parts.map(({ found }) => found.digest).join(",")).digest("hex")}`;
}

function decoded(name: string): string {
  try { return decodeURIComponent(name).replaceAll("/", "_"); } catch { return name; }
}

function modeOf(text: string): ModeChange {
  const mode = parseMode(text);
  if (mode === undefined) throw new InvalidArgument(`--chmod takes octal digits, or changes such as u=rwX,go=rX, not ${JSON.stringify(text)}`);
  return mode;
}

/** Whether what is packed begins as a tar does. */
async function beginsTar(packed: Readable): Promise<boolean> {
  return isTar(await firstBytes(decompress(packed), 512).catch(() => Buffer.alloc(0)));
}
async function firstBytes(stream: Readable, count: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    parts.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length >= count) break;
  }
  return Buffer.concat(parts).subarray(0, count);
}
function joined(streams: readonly Readable[]): Readable {
  return Readable.from((async function* () { for (const stream of streams) yield* stream; })(), { objectMode: false });
}
