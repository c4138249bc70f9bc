import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { InvalidArgument, messageOf, NotImplemented } from "../core/errors.js";
import type { GitRequest, GitTrees } from "../core/git.js";
import { makeDirectories } from "../core/make-directories.js";
import { findProgram, run } from "./spawn.js";

/** Nobody's settings count, nothing of the repository is run, nobody is asked for a password. */
const ENVIRONMENT = {
  PATH: process.env["PATH"], LC_ALL: "C.UTF-8", HOME: process.env["HOME"] ?? "/root", GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null", GIT_TERMINAL_PROMPT: "0", GIT_ALLOW_PROTOCOL: "http:https:git:ssh",
  GIT_SSH_COMMAND: "ssh -o BatchMode=yes -o ConnectTimeout=30",
};
const SETTINGS = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false", "-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60", "-c", "gc.auto=0"];
/** Files have the same modes whatever the daemon's umask. */
const SHELL = ["-c", 'umask 022; exec "$0" "$@"'];
/** A server that serves no single commit, or no part of a history: all of it is fetched. */
const NOT_SHALLOW = /shallow|unadvertised object|not our ref|couldn't find remote ref|dumb http/i;

/** Never through a proxy. */
const LOOPBACK = "localhost,127.0.0.1,127.0.0.0/8,::1";

export interface GitProxies {
  readonly http?: string;
  readonly https?: string;
  readonly none?: string;
}

/** git(1). */
export class GitProgram implements GitTrees {
  /** `proxies`: asked each time. */
  constructor(private readonly proxies: () => GitProxies) {}

  async checkout(request: GitRequest, directory: string): Promise<void> {
    const { url, ref, keepGit, agent, signal } = request;
    for (const word of [url, ref]) if (word.startsWith("-")) throw new InvalidArgument(`git: ${word} is neither a repository nor a reference`);
    const program = findProgram("git");
    if (program === undefined) throw new NotImplemented(`${shown(url)}: fetching from a repository needs the program git, which is not installed`);
    const { http = "", https = "", none = "" } = this.proxies();
    const env = { ...ENVIRONMENT, http_proxy: http, https_proxy: https, no_proxy: `${none},${LOOPBACK}`, ...(agent === undefined ? {} : { SSH_AUTH_SOCK: agent }) };
    const git = (...args: string[]): Promise<unknown> => run("/bin/sh", [...SHELL, program, ...SETTINGS, "-C", directory, ...args], { env, signal, group: true });
    await makeDirectories(directory, 0o755);
    try {
      await git("init", "--quiet", "--template=");
      await git("remote", "add", "origin", url);
      await fetchAndCheckOut(git, ref);
      if (existsSync(join(directory, ".gitmodules"))) await submodules(git);
    } catch (cause) {
      signal.throwIfAborted();
      throw new InvalidArgument(`cannot fetch ${shown(url)}${ref === "" ? "" : `#${ref}`}: ${words(messageOf(cause), url)}`, { cause });
    }
    if (!keepGit) await removeGit(directory);
  }
}

type Git = (...args: string[]) => Promise<unknown>;

async function fetchAndCheckOut(git: Git, ref: string): Promise<void> {
  try {
    await git("fetch", "--quiet", "--no-tags", "--depth=1", "origin", ref === "" ? "HEAD" : ref);
    await git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD");
  } catch (error) {
    if (!NOT_SHALLOW.test(messageOf(error))) throw error;
    await git("fetch", "--quiet", "--tags", "origin", "HEAD", "+refs/heads/*:refs/remotes/origin/*");
    try {
      await git("checkout", "--quiet", "--force", "--detach", ref === "" ? "FETCH_HEAD" : `origin/${ref}`);
    } catch {
      // No branch: a tag or a commit.
      await git("checkout", "--quiet", "--force", "--detach", ref);
    }
  }
}

async function submodules(git: Git): Promise<void> {
  const update = ["submodule", "--quiet", "update", "--init", "--recursive"];
  try {
    await git(...update, "--depth=1");
  } catch (error) {
    if (!NOT_SHALLOW.test(messageOf(error))) throw error;
    await git(...update);
  }
}

/** Of submodules, too. Nothing else can have that name: git refuses it. */
async function removeGit(directory: string): Promise<void> {
  await rm(join(directory, ".git"), { recursive: true, force: true });
  if (!existsSync(join(directory, ".gitmodules"))) return;
  for (const { name, parentPath } of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (name === ".git") await rm(join(parentPath, name), { recursive: true, force: true });
  }
}

/** Without credentials. */
const shown = (url: string): string => url.replace(/\/\/[^@/]*@/, "//");
function words(message: string, url: string): string {
  const text = message.replace(/^\/bin\/sh: /, "").replaceAll(url, shown(url)).trim();
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "").join("; ");
}
