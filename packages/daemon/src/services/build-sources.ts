import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { BuildContext } from "../builder/context.js";
import { isGitUrl, parseGitUrl } from "../builder/git-url.js";
import type { BuildNeeds, Download } from "../builder/needs.js";
import { type GitTrees, InvalidArgument, NotFound, type TreePorter } from "../core/index.js";
import type { RegistryClient } from "../distribution/client.js";
import type { BuildRequest } from "./build-types.js";

export interface SourceParts extends Pick<BuildNeeds, "temporary" | "workers" | "largestSource"> {
  readonly porter: TreePorter;
  readonly git: GitTrees;
  readonly registry: Pick<RegistryClient, "fetch">;
}

/** Bytes of a Dockerfile at most. */
export const LARGEST_FILE = 4 << 20;

/** Where what is built comes from. */
export class BuildSources {
  constructor(private readonly parts: SourceParts) {}

  async context({ context, remote, dockerfile, args, agents }: BuildRequest, signal: AbortSignal): Promise<BuildContext> {
    const { temporary, workers, largestSource } = this.parts;
    const directory = join(temporary, `context-${randomUUID()}`), limit = largestSource();
    if (remote === undefined) return BuildContext.read(context!, directory, workers, { limit });
    try {
      if (isGitUrl(remote)) {
        const keep = ["1", "true"].includes(args.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR")?.toLowerCase() ?? "");
        return await this.git(remote, keep, agents.get("default"), signal, (tar) => BuildContext.read(tar, directory, workers, { limit }));
      }
      const { body } = await this.download(remote, signal);
      return await BuildContext.fetched(body, dockerfile, directory, workers, { limit, largestFile: LARGEST_FILE });
    } catch (error) {
      if (error instanceof NotFound || error instanceof InvalidArgument) throw new InvalidArgument(`remote: ${error.message}`, { cause: error });
      throw error;
    }
  }

  download(url: string, signal: AbortSignal): Promise<Download> { return this.parts.registry.fetch(url, { signal, limit: this.parts.largestSource() }); }

  async git<T>(text: string, keepGit: boolean, agent: string | undefined, signal: AbortSignal, work: (tar: Readable) => Promise<T>): Promise<T> {
    const { url, ref, subdirectory } = parseGitUrl(text), { temporary, git, porter } = this.parts;
    const root = join(temporary, `git-${randomUUID()}`);
    try {
      await git.checkout({ url, ref, keepGit, signal, ...(agent === undefined ? {} : { agent }) }, root);
      return await work(porter.read({ root, writable: false, mounts: [] }, `/${subdirectory}/.`));
    } finally { await rm(root, { recursive: true, force: true }); }
  }
}
