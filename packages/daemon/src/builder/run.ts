import { join, posix } from "node:path";
import { InvalidArgument, parseSize } from "../core/index.js";
import { type Expand, withVariable } from "./configure.js";
import type { RunInstruction } from "./dockerfile.js";
import type { RunBind, RunTmpfs } from "./needs.js";
import type { StageOutput } from "./output.js";
import type { StageShared } from "./shared.js";
import type { StepState } from "./steps.js";

export interface RunWords {
  readonly command: readonly string[];
  /** Build arguments that the command sees, and is known by. */
  readonly args: readonly (readonly [name: string, value: string])[];
  /** Those that it sees only. */
  readonly proxies: readonly (readonly [name: string, value: string])[];
  readonly shell: boolean;
  readonly expand: Expand;
}

/** RUN. */
export class Runner {
  constructor(private readonly shared: StageShared) {}

  async run(state: StepState, instruction: RunInstruction, words: RunWords, output: StageOutput): Promise<StepState> {
    const { steps } = this.shared;
    const mounts = instruction.mounts.map((mount) => new Map([...mount].map(([key, value]) => [key, words.expand(value)])));
    this.refuse(instruction, mounts);
    const what = JSON.stringify(["run", words.command, words.args, mounts.map((mount) => [...mount]), await this.sources(mounts), instruction.network ?? null]);
    const known = steps.cached(state, what);
    if (known !== undefined) {
      output.write(" ---> Using cache\n");
      return known;
    }
    const layer = await this.withMounts(mounts, state, (binds, tmpfs) => this.shared.host.run({
      image: this.imageOf(state), command: words.command, env: [...words.args, ...words.proxies].reduce<string[]>((env, [name, value]) => withVariable(env, name, value), []),
      ...this.network(instruction), binds, tmpfs, lease: steps.lease, signal: this.shared.signal,
      started: (id) => output.write(` ---> Running in ${id.slice(0, 12)}\n`), output: (text) => output.write(text),
      removed: (id) => output.write(` ---> Removed intermediate container ${id.slice(0, 12)}\n`),
    }));
    const prefix = words.args.length === 0 ? [] : [`|${words.args.length}`, ...words.args.map(([name, value]) => `${name}=${value}`)];
    return steps.make(state, what, instruction.text, { layer, createdBy: [...prefix, ...words.command].join(" ") });
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

  private refuse({ network, security }: RunInstruction, mounts: readonly ReadonlyMap<string, string>[]): void {
    if (network !== undefined && !["default", "none", "host"].includes(network)) throw new InvalidArgument(`--network of RUN is default, none or host, not ${network}`);
    if (security !== undefined && security !== "sandbox") throw new InvalidArgument(`--security=${security} is not allowed here`);
    for (const mount of mounts) {
      const type = mount.get("type") ?? "bind";
      if (!["bind", "cache", "tmpfs", "secret", "ssh"].includes(type)) throw new InvalidArgument(`--mount: unsupported mount type ${type}`);
      if ((type === "secret" || type === "ssh") && isTrue(mount.get("required"))) throw new InvalidArgument(`--mount=type=${type}: the client sent none, and it is required`);
      if (type !== "secret" && type !== "ssh" && targetOf(mount) === undefined) throw new InvalidArgument("--mount: no target");
    }
  }

  /** What bind mounts show, so that a change of it counts. */
  private async sources(mounts: readonly ReadonlyMap<string, string>[]): Promise<string[]> {
    return Promise.all(mounts.filter((mount) => (mount.get("type") ?? "bind") === "bind").map(async (mount) => {
      const from = mount.get("from");
      if (from !== undefined) return (await this.shared.source(from)).image ?? "";
      const { context } = this.shared;
      if (context === null) throw new InvalidArgument("--mount=type=bind: the build has no context");
      return (await context.find({ sources: [mount.get("source") ?? mount.get("src") ?? "."], exclude: [], parents: false, owners: true })).digest;
    }));
  }

  private async withMounts<T>(mounts: readonly ReadonlyMap<string, string>[], state: StepState, work: (binds: RunBind[], tmpfs: RunTmpfs[]) => Promise<T>): Promise<T> {
    const binds: RunBind[] = [], tmpfs: RunTmpfs[] = [];
    const workingDir = state.config.config?.WorkingDir || "/";
    const next = async ([mount, ...rest]: readonly ReadonlyMap<string, string>[]): Promise<T> => {
      if (mount === undefined) return work(binds, tmpfs);
      const type = mount.get("type") ?? "bind", target = posix.resolve(workingDir, targetOf(mount) ?? "");
      if (type === "tmpfs") {
        const size = mount.get("size");
        tmpfs.push({ target, ...(size === undefined ? {} : { size: parseSize("--mount size", size) }) });
      } else if (type === "cache") {
        binds.push({ source: await this.shared.host.cacheDirectory(mount.get("id") ?? target), target, readonly: isReadOnly(mount, false) });
      } else if (type === "bind") {
        return this.inTree(mount, async (root) => {
          // Symlinks in it must not lead out of it.
          const { text, kind } = await this.shared.needs.workers.run("treePlace", { root, path: mount.get("source") ?? mount.get("src") ?? "/" });
          if (kind === "none") throw new InvalidArgument(`--mount: ${mount.get("source") ?? mount.get("src")!} is not there`);
          binds.push({ source: join(root, text), target, readonly: isReadOnly(mount, true) });
          return next(rest);
        });
      }
      return next(rest);
    };
    return next(mounts);
  }

  private async inTree<T>(mount: ReadonlyMap<string, string>, work: (root: string) => Promise<T>): Promise<T> {
    const { shared } = this, from = mount.get("from"), { lease } = shared.steps;
    if (from !== undefined) return shared.host.tree((await shared.source(from)).top, lease, work);
    const place = { path: "", into: true, missing: [] };
    const tar = shared.context!.layer({ sources: ["."], exclude: [], parents: false, owners: true }, { place, now: shared.steps.now });
    const layer = await shared.needs.layers.register(tar, null, lease);
    return shared.host.tree(layer.chainId, lease, work);
  }
}

const targetOf = (mount: ReadonlyMap<string, string>): string | undefined => mount.get("target") ?? mount.get("dst") ?? mount.get("destination");
const isTrue = (text: string | undefined): boolean => text === "" || text === "true" || text === "1";
function isReadOnly(mount: ReadonlyMap<string, string>, otherwise: boolean): boolean {
  for (const key of ["ro", "readonly"]) if (mount.has(key)) return isTrue(mount.get(key));
  for (const key of ["rw", "readwrite"]) if (mount.has(key)) return !isTrue(mount.get(key));
  return otherwise;
}
