import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CliError, type Cli } from "../cli.js";
import { openInput, writeOutput } from "../files.js";
import { readFields } from "./secrets.js";

/** What the daemon is told of caches, and what is done here for those of `type=local`: a folder has one as an archive of images. */
export class BuildCaches {
  readonly from: string[] = [];
  readonly to: string[] = [];
  readonly #loaded: string[] = [];
  readonly #saved: { readonly folder: string; readonly ref: string }[] = [];

  private constructor(private readonly cli: Cli) {}

  /** Reads `--cache-from` and `--cache-to`; the daemon gets what local folders have. */
  static async open(cli: Cli, from: readonly string[], to: readonly string[]): Promise<BuildCaches> {
    const caches = new BuildCaches(cli);
    for (const text of from) {
      if (!/(^|,)(type|ref|src)=/.test(text)) caches.from.push(...text.split(","));
      else await caches.#take(text);
    }
    for (const text of to) caches.#leave(text);
    return caches;
  }

  async #take(text: string): Promise<void> {
    const { type, src } = readFields("cache-from", text, ["type", "ref", "src"]);
    if (type !== "local") {
      this.from.push(text);
      return;
    }
    if (src === undefined) throw new CliError(`invalid argument ${JSON.stringify(text)} for "--cache-from" flag: src is missing`);
    const file = archiveIn(src);
    if (!existsSync(file)) {
      this.cli.warn(`WARNING: no cache in ${src}`);
      return;
    }
    for await (const { stream = "" } of this.cli.client.images.loadStream(await openInput(this.cli, file))) {
      const name = /^Loaded image: (\S+)/.exec(stream)?.[1];
      if (name !== undefined) this.#loaded.push(name);
    }
    this.from.push(...this.#loaded);
  }

  #leave(text: string): void {
    const { type, dest, mode } = readFields("cache-to", text, ["type", "ref", "dest", "mode"]);
    if (type !== "local") {
      this.to.push(text);
      return;
    }
    if (dest === undefined) throw new CliError(`invalid argument ${JSON.stringify(text)} for "--cache-to" flag: dest is missing`);
    const ref = `strata-build-cache:${randomBytes(8).toString("hex")}`;
    this.#saved.push({ folder: dest, ref });
    this.to.push(`type=image,ref=${ref}${mode === undefined ? "" : `,mode=${mode}`}`);
  }

  /** The build is over; `images` are those that it left for us. */
  async close(images: readonly string[]): Promise<void> {
    const ours = this.#saved.map(({ folder, ref }) => ({ folder, names: images.filter((name) => name === full(ref) || name.startsWith(`${full(ref)}-`)) }));
    try {
      for (const { folder, names } of ours) {
        if (names.length === 0) continue;
        await mkdir(folder, { recursive: true });
        await writeOutput(this.cli, archiveIn(folder), () => this.cli.client.images.save(names), "save");
      }
    } finally {
      for (const name of [...this.#loaded, ...ours.flatMap(({ names }) => names)]) await this.cli.client.images.remove(name).catch(() => undefined);
    }
  }
}

const archiveIn = (folder: string): string => join(folder, "cache.tar");
const full = (ref: string): string => `docker.io/library/${ref}`;
