import { randomUUID } from "node:crypto";
import { chmod, rm, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { InvalidArgument, parseSize } from "../core/index.js";
import { type Expand, withVariable } from "./configure.js";
import type { RunInstruction } from "./dockerfile.js";
import type { RunBind, RunCache, RunSecret, RunTmpfs } from "./needs.js";
import type { StageOutput } from "./output.js";
import type { StageShared } from "./shared.js";
import type { StepState } from "./steps.js";

export interface RunWords {
  /** What it is known by; and what runs, unless there is a program. */
  readonly command: readonly string[];
  /** Text of a file that the shell is to run. */
  readonly program?: string;
  /** Build arguments that the command sees, and is known by. */
  readonly args: readonly (readonly [name: string, value: string])[];
  /** Those that it sees only. */
  readonly proxies: readonly (readonly [name: string, value: string])[];
  readonly shell: boolean;
  readonly expand: Expand;
}

type Mount = ReadonlyMap<string, string>;

/** RUN. */
export class Runner {
  constructor(private readonly shared: StageShared) {}

  async run(state: StepState, instruction: RunInstruction, words: RunWords, output: StageOutput): Promise<StepState> {
    const { steps } = this.shared;
    const mounts = instruction.mounts.map((mount) => new Map([...mount].map(([key, value]) => [key, words.expand(value)])));
    this.refuse(instruction, mounts);
    const what = JSON.stringify(["run", words.command, words.args, mounts.map((mount) => [...mount]), await this.sources(mounts), instruction.network ?? null]);
    const prefix = words.args.length + words.proxies.length === 0 ? [] : [`|${words.args.length}`, ...words.args.map(([name, value]) => `${name}=${value}`)];
    const createdBy = [...prefix, ...words.command].join(" ");
    const known = steps.cached(state, what, { createdBy }, mounts.length === 0 && instruction.network === undefined);
    if (known !== undefined) {
      output.write(" ---> Using cache\n");
      return known;
    }
    const secrets = this.secrets(mounts, state, words), agents = this.agents(mounts, state);
    const env = [...words.args, ...words.proxies, ...agents.slice(0, 1).map(({ target }) => ["SSH_AUTH_SOCK", target] as const)].reduce<string[]>((all, [name, value]) => withVariable(all, name, value), []);
    const layer = await this.withProgram(words, (command, program) => this.withMounts(mounts, state, (binds, tmpfs) => this.shared.host.run({
      image: this.imageOf(state), command, env, ...this.network(instruction), binds: [...binds, ...agents, ...program], tmpfs, caches: this.caches(mounts, state), secrets,
      lease: steps.lease, signal: this.shared.signal, output,
      started: (id) => { output.write(` ---> Running in ${id.slice(0, 12)}\n`); },
      removed: (id) => { output.write(` ---> Removed intermediate container ${id.slice(0, 12)}\n`); },
    })));
    return steps.make(state, what, instruction.text, { layer, createdBy });
  }

  /** The program lies in a file for as long as it runs. */
  private async withProgram<T>({ command, program }: RunWords, work: (command: readonly string[], program: readonly RunBind[]) => Promise<T>): Promise<T> {
    if (program === undefined) return work(command, []);
    const source = join(this.shared.needs.temporary, `program-${randomUUID()}`), target = "/dev/pipes/program";
    try {
      await writeFile(source, program);
      await chmod(source, 0o755);
      return await work([...command.slice(0, -1), target], [{ source, target, readonly: true }]);
    } finally { await rm(source, { force: true }); }
  }

  /** A command needs an image, and `scratch` is none yet. */
  private imageOf(state: StepState): NonNullable<StepState["image"]> {
    if (state.image !== null) return state.image;
    return this.shared.needs.images.create(Buffer.from(JSON.stringify(state.config)), this.shared.steps.lease);
  }
  private network({ network }: RunInstruction): { network?: string } {
    const wanted = network === undefined || network === "default" ? this.shared.network : network;
    return wanted === undefined ? {} : { network: wanted };
  }

  private refuse({ network, security }: RunInstruction, mounts: readonly Mount[]): void {
    if (network !== undefined && !["default", "none", "host"].includes(network)) throw new InvalidArgument(`--network of RUN is default, none or host, not ${network}`);
    if (security !== undefined && security !== "sandbox") throw new InvalidArgument(`--security=${security} is not allowed here`);
    for (const mount of mounts) {
      const type = mount.get("type") ?? "bind";
      if (!["bind", "cache", "tmpfs", "secret", "ssh"].includes(type)) throw new InvalidArgument(`--mount: unsupported mount type ${type}`);
      if (type !== "secret" && type !== "ssh" && targetOf(mount) === undefined) throw new InvalidArgument("--mount: no target");
      if (type === "cache" && (mount.has("from") || sourceOf(mount) !== undefined)) throw new InvalidArgument("--mount=type=cache: one that begins with files of elsewhere (from, source) is not supported");
      const sharing = mount.get("sharing");
      if (sharing !== undefined && !["shared", "private", "locked"].includes(sharing)) throw new InvalidArgument(`--mount: sharing is shared, private or locked, not ${sharing}`);
    }
  }

  /** Files of the client's secrets. One that it did not send is left out, unless it is required. */
  private secrets(mounts: readonly Mount[], state: StepState, words: RunWords): RunSecret[] {
    return ofType(mounts, "secret").flatMap((mount) => {
      const id = mount.get("id") ?? sourceOf(mount) ?? posix.basename(targetOf(mount) ?? ""), env = mount.get("env");
      if (id === "") throw new InvalidArgument("--mount=type=secret: neither id nor target");
      const content = this.shared.host.secrets.get(id);
      if (content === undefined) {
        if (isTrue(mount.get("required"))) throw new InvalidArgument(`secret ${id}: not found`);
        return [];
      }
      if (env !== undefined && !words.shell) throw new InvalidArgument("--mount=type=secret: env needs the shell form of RUN");
      if (env !== undefined && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(env)) throw new InvalidArgument(`--mount=type=secret: env: "${env}" is no name of a variable`);
      const target = resolveTarget(targetOf(mount) ?? `/run/secrets/${posix.basename(id)}`, state);
      return [{ content, target, ...ownerOf(mount, 0o400), ...(env === undefined ? {} : { env }) }];
    });
  }

  /** Sockets of the client's ssh agents. */
  private agents(mounts: readonly Mount[], state: StepState): RunBind[] {
    return ofType(mounts, "ssh").flatMap((mount, n) => {
      const id = mount.get("id") ?? "default", source = this.shared.host.agents.get(id);
      if (source === undefined && isTrue(mount.get("required"))) throw new InvalidArgument(`unset ssh forward key ${id}`);
      return source === undefined ? [] : [{ source, target: resolveTarget(targetOf(mount) ?? `/run/buildkit/ssh_agent.${n}`, state), readonly: false }];
    });
  }

  private caches(mounts: readonly Mount[], state: StepState): RunCache[] {
    return ofType(mounts, "cache").map((mount) => {
      const target = resolveTarget(targetOf(mount)!, state);
      return { id: mount.get("id") ?? target, target, readonly: isReadOnly(mount, false), sharing: (mount.get("sharing") ?? "shared") as RunCache["sharing"], ...ownerOf(mount, 0o755) };
    });
  }

  /** What bind mounts show, so that a change of it counts. */
  private async sources(mounts: readonly Mount[]): Promise<string[]> {
    return Promise.all(ofType(mounts, "bind").map(async (mount) => {
      const from = mount.get("from");
      if (from !== undefined) return (await this.shared.source(from)).image ?? "";
      const { context } = this.shared;
      if (context === null) throw new InvalidArgument("--mount=type=bind: the build has no context");
      return (await context.find({ sources: [sourceOf(mount) ?? "."], exclude: [], parents: false, owners: true })).digest;
    }));
  }

  private async withMounts<T>(mounts: readonly Mount[], state: StepState, work: (binds: RunBind[], tmpfs: RunTmpfs[]) => Promise<T>): Promise<T> {
    const binds: RunBind[] = [], tmpfs: RunTmpfs[] = [];
    const next = async ([mount, ...rest]: readonly Mount[]): Promise<T> => {
      if (mount === undefined) return work(binds, tmpfs);
      const type = mount.get("type") ?? "bind", target = resolveTarget(targetOf(mount) ?? "", state);
      if (type === "tmpfs") {
        const size = mount.get("size");
        tmpfs.push({ target, ...(size === undefined ? {} : { size: parseSize("--mount size", size) }) });
      } else if (type === "bind") {
        return this.inTree(mount, async (root) => {
          // Symlinks in it must not lead out of it.
          const { text, kind } = await this.shared.needs.workers.run("treePlace", { root, path: sourceOf(mount) ?? "/" });
          if (kind === "none") throw new InvalidArgument(`--mount: ${sourceOf(mount)!} is not there`);
          binds.push({ source: join(root, text), target, readonly: isReadOnly(mount, true) });
          return next(rest);
        });
      }
      return next(rest);
    };
    return next(mounts);
  }

  private async inTree<T>(mount: Mount, work: (root: string) => Promise<T>): Promise<T> {
    const { shared } = this, from = mount.get("from"), { lease } = shared.steps;
    if (from !== undefined) return shared.host.tree((await shared.source(from)).top, lease, work);
    const place = { path: "", into: true, missing: [] };
    const tar = shared.context!.layer({ sources: ["."], exclude: [], parents: false, owners: true }, { place, now: shared.steps.now });
    const layer = await shared.needs.layers.register(tar, null, lease);
    return shared.host.tree(layer.chainId, lease, work);
  }
}

const ofType = (mounts: readonly Mount[], type: string): Mount[] => mounts.filter((mount) => (mount.get("type") ?? "bind") === type);
const sourceOf = (mount: Mount): string | undefined => mount.get("source") ?? mount.get("src");
const resolveTarget = (target: string, { config }: StepState): string => posix.resolve("/", config.config?.WorkingDir ?? "", target);
function ownerOf(mount: Mount, otherwise: number): { uid: number; gid: number; mode: number } {
  const id = (key: string): number => {
    const text = mount.get(key) ?? "0";
    if (!/^\d{1,9}$/.test(text)) throw new InvalidArgument(`--mount: ${key} is a number, not ${text}`);
    return Number(text);
  };
  const mode = mount.get("mode") ?? otherwise.toString(8);
  if (!/^0?[0-7]{3,4}$/.test(mode)) throw new InvalidArgument(`--mount: mode takes octal digits, not ${mode}`);
  return { uid: id("uid"), gid: id("gid"), mode: Number.parseInt(mode, 8) };
}
const targetOf = (mount: Mount): string | undefined => mount.get("target") ?? mount.get("dst") ?? mount.get("destination");
const isTrue = (text: string | undefined): boolean => text === "" || text === "true" || text === "1";
function isReadOnly(mount: Mount, otherwise: boolean): boolean {
  for (const key of ["ro", "readonly"]) if (mount.has(key)) return isTrue(mount.get(key));
  for (const key of ["rw", "readwrite"]) if (mount.has(key)) return !isTrue(mount.get(key));
  return otherwise;
}
