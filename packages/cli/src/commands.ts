import { createRequire } from "node:module";
import type { AnyCommand } from "./command.js";

/** A command; its file is loaded only when it is called, to keep start-up short. */
export interface Entry {
  readonly summary: string;
  readonly load: () => AnyCommand;
}
/** Commands about one kind of thing. */
export interface Group {
  readonly summary: string;
  readonly commands: Readonly<Record<string, Entry | Group>>;
}

const requireFile = createRequire(__filename);
const command = (file: string, summary: string): Entry => ({ summary, load: () => (requireFile(`./commands/${file}.js`) as { command: AnyCommand }).command });

const attach = command("attach", "Join the streams of a running container");
const build = command("build", "Make an image from a Dockerfile");
const commit = command("commit", "Make an image of what a container changed");
const create = command("create", "Make a container without starting it");
const diff = command("diff", "Show which paths a container changed");
const exec = command("exec", "Run a further command in a container");
const exportContainer = command("export", "Write a container's whole tree as a tar");
const history = command("history", "Show the steps that made an image");
const images = command("images", "Show the images on this machine");
const importImage = command("import", "Make an image of a root file system's tar");
const kill = command("kill", "Send a signal to containers, SIGKILL unless told otherwise");
const load = command("load", "Take images from an archive");
const logs = command("logs", "Show what a container wrote");
const cp = command("cp", "Copy files between a container and here");
const pause = command("pause", "Freeze the processes of containers");
const port = command("port", "Show where a container's ports are published");
const ps = command("ps", "Show containers");
const pull = command("pull", "Fetch an image from its registry");
const push = command("push", "Send an image to its registry");
const rename = command("rename", "Give a container another name");
const restart = command("restart", "Stop containers and start them again");
const rm = command("rm", "Remove containers");
const rmi = command("rmi", "Remove images, or one of their names");
const run = command("run", "Make a container and start it");
const save = command("save", "Write images to an archive");
const search = command("search", "Look for images by a word at a registry");
const start = command("start", "Start containers");
const stop = command("stop", "Ask containers to end, then make them");
const tag = command("tag", "Give an image one more name");
const top = command("top", "Show the processes of a container");
const stats = command("stats", "Show what containers use of the machine");
const unpause = command("unpause", "Let frozen containers go on");
const update = command("update", "Change limits and restart policies of containers");
const wait = command("wait", "Wait for containers to end and show their exit codes");
const events = command("events", "Follow what happens in the daemon");
const info = command("info", "Show the daemon's settings and counts");

/** Everything the CLI can do, by name. */
export const commands: Readonly<Record<string, Entry | Group>> = {
  cp, stats, update,
  run, exec, ps, build, pull, push, images, history, logs, create, start, stop, restart, kill, pause, unpause, rm, rmi, rename, wait, top, diff, port, attach, commit,
  export: exportContainer, import: importImage, load, save, search, tag, events, info,
  check: command("check", "Look for what is lost, damaged or belongs to nothing, and repair it"),
  inspect: command("inspect", "Show everything known about any object"),
  doctor: command("doctor", "Examine a data root of Docker's: what holds its bytes, and what nothing refers to"),
  df: command("df", "Show what occupies the data root, to the byte"),
  why: command("why", "Show what holds an image, layer, blob, volume or container"),
  layers: command("layers", "Show the layers as a tree: what they occupy, who shares them"),
  login: command("login", "Keep credentials for a registry"),
  pin: command("pin", "Keep images from policies and prunes, or show which are kept"),
  unpin: command("unpin", "Let policies and prunes have images again"),
  logout: command("logout", "Forget the credentials for a registry"),
  version: command("version", "Show the versions of client and daemon"),
  container: {
    summary: "Everything about containers",
    commands: {
      attach, commit, cp, create, diff, exec, export: exportContainer, kill, logs, pause, port, rename, restart, rm, run, start, stats, stop, top, unpause, update, wait, ls: ps,
      inspect: command("container-inspect", "Show everything known about containers"),
      prune: command("container-prune", "Remove every container that does not run"),
    },
  },
  image: {
    summary: "Everything about images",
    commands: {
      build, history, import: importImage, load, ls: images, pull, push, rm: rmi, save, tag,
      inspect: command("image-inspect", "Show everything known about images"),
      prune: command("image-prune", "Remove images that nothing needs"),
    },
  },
  builder: {
    summary: "Everything about builds",
    commands: {
      build,
      prune: command("builder-prune", "Empty the build cache"),
    },
  },
  gc: {
    summary: "Collection by policy",
    commands: {
      plan: command("gc-plan", "Show what the policies would take away now"),
      policies: command("gc-policies", "Show the policies, or set them from a file"),
      run: command("gc-run", "Do what a plan says, or make one and do it"),
      runs: command("gc-runs", "Show what runs have taken away"),
      undo: command("gc-undo", "Bring back the images that a run took away"),
    },
  },
  volume: {
    summary: "Everything about volumes",
    commands: {
      create: command("volume-create", "Make a volume"),
      inspect: command("volume-inspect", "Show everything known about volumes"),
      ls: command("volume-ls", "Show volumes"),
      prune: command("volume-prune", "Remove volumes that no container uses"),
      rm: command("volume-rm", "Remove volumes with what is in them"),
      update: command("volume-update", "Give a volume another size"),
    },
  },
  network: {
    summary: "Everything about networks",
    commands: {
      connect: command("network-connect", "Put a container on a network"),
      create: command("network-create", "Make a network"),
      disconnect: command("network-disconnect", "Take a container off a network"),
      inspect: command("network-inspect", "Show everything known about networks"),
      ls: command("network-ls", "Show networks"),
      prune: command("network-prune", "Remove networks that no container is on"),
      rm: command("network-rm", "Remove networks"),
    },
  },
  system: {
    summary: "The daemon as a whole",
    commands: {
      df: command("system-df", "Show what occupies the disk"),
      events, info,
      prune: command("system-prune", "Remove everything that is not in use"),
    },
  },
};

/** Other names of the commands within groups. */
const ALIASES: Readonly<Record<string, string>> = { list: "ls", ps: "ls", remove: "rm" };

/** Follows words into the groups as far as they lead. */
export function findCommand(words: readonly string[]): { path: string[]; entry: Entry | Group; rest: readonly string[] } {
  let entry: Entry | Group = { summary: "", commands };
  const path: string[] = [];
  let at = 0;
  while (!("load" in entry) && at < words.length) {
    const word: string = words[at]!;
    const name: string = Object.hasOwn(entry.commands, word) || path.length === 0 ? word : (ALIASES[word] ?? word);
    const next: Entry | Group | undefined = Object.hasOwn(entry.commands, name) ? entry.commands[name] : undefined;
    if (!next) break;
    entry = next;
    path.push(name);
    at++;
  }
  return { path, entry, rest: words.slice(at) };
}

/** The commands of a group, one a line; single commands before groups. */
export function groupHelp(path: string, group: Group): string {
  const names = Object.keys(group.commands).sort();
  const width = Math.max(...names.map((name) => name.length)) + 3;
  const lines = (of: string[]): string[] => of.map((name) => `  ${name.padEnd(width)}${group.commands[name]!.summary}`);
  const groups = names.filter((name) => "commands" in group.commands[name]!);
  const singles = names.filter((name) => !groups.includes(name));
  return [
    `Usage:  ${path} COMMAND`, "", group.summary, "",
    ...(groups.length > 0 ? ["Management Commands:", ...lines(groups), ""] : []),
    "Commands:", ...lines(singles), "", `'${path} COMMAND --help' tells more about one.`,
  ].join("\n");
}
