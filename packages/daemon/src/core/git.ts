export interface GitRequest {
  readonly url: string;
  /** Branch, tag or commit; "" for what the repository says itself. */
  readonly ref: string;
  /** Leave `.git` in place. */
  readonly keepGit: boolean;
  /** Socket of an ssh agent. */
  readonly agent?: string;
  readonly signal: AbortSignal;
}

/** Working trees of git repositories elsewhere. */
export interface GitTrees {
  /** Fetches what is asked for, submodules with it, into a directory that is made for it. InvalidArgument, with git's words, when that cannot be; NotImplemented where there is no git. */
  checkout(request: GitRequest, directory: string): Promise<void>;
}
