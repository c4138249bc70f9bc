import { randomBytes, randomUUID } from "node:crypto";
import { chmod, chown, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { BuildContext } from "../builder/context.js";
import type { BuildNeeds, RunCache, RunRequest } from "../builder/needs.js";
import type { StageOutput } from "../builder/output.js";
import { type BuildContainers, type HostConfig, type ImageStore, type Layer, type LayerStore, type Logger, messageOf, StrataError } from "../core/index.js";
import type { CacheVolumes, HeldMount } from "./build-mounts.js";
import { removeMountPoints } from "./build-stubs.js";
import type { AttachClient, ContainerService } from "./types.js";
import { makeDirectories } from "../core/make-directories.js";

export interface BuildRunParts {
  readonly containers: Pick<ContainerService, "create" | "attach" | "wait" | "start" | "remove">;
  readonly images: ImageStore;
  readonly layers: LayerStore;
  readonly names: BuildContainers;
  readonly caches: CacheVolumes;
  readonly workers: BuildNeeds["workers"];
  readonly temporary: string;
  readonly execRoot: string;
  readonly logger: Logger;
}
export interface BuildRunOptions {
  readonly hostConfig: HostConfig;
  readonly remove: boolean;
  readonly forceRemove: boolean;
  /** Seconds since the epoch: no file of the layer is newer. */
  readonly newest?: number;
}

/** A command of a build that did not succeed. */
export class CommandFailed extends StrataError {
  constructor(command: readonly string[], readonly status: number) {
    super("InvalidArgument", `The command '${command.join(" ")}' returned a non-zero code: ${status}`);
  }
}

/** Where secrets lie while a command may see them: below the exec root, which a reboot loses, never in the data root. */
export const secretsFolder = (execRoot: string): string => join(execRoot, "build-secrets");

/** Runs a command in a container of its own, like any other, and keeps what it changed as a layer. */
export async function runStep(parts: BuildRunParts, request: RunRequest, { hostConfig, remove, forceRemove, newest }: BuildRunOptions): Promise<Layer> {
  const name = `build_${randomBytes(6).toString("hex")}`, secrets = join(secretsFolder(parts.execRoot), name), held: HeldMount[] = [];
  parts.names.announce(name);
  let id: string | undefined, succeeded = false;
  try {
    for (const cache of request.caches) {
      const one = await parts.caches.hold(cache, request.signal);
      held.push(one);
      if (one.fresh) await setOwner(one.mountpoint, cache);
    }
    const files = await writeSecrets(secrets, request);
    ({ id } = await parts.containers.create({
      name, networks: {},
      config: { Image: request.image, Cmd: withSecrets(request, files), Entrypoint: [], Env: [...request.env], Healthcheck: { Test: ["NONE"] } },
      hostConfig: {
        ...hostConfig, ...(request.network === undefined ? {} : { NetworkMode: request.network }), LogConfig: { Type: "none", Config: {} },
        Mounts: [
          ...request.binds.map(({ source, target, readonly }) => ({ Type: "bind" as const, Source: source, Target: target, ReadOnly: readonly })),
          ...files.map(({ path, target }) => ({ Type: "bind" as const, Source: path, Target: target, ReadOnly: true })),
          ...request.caches.map(({ target, readonly }, i) => ({ Type: "volume" as const, Source: held[i]!.volume, Target: target, ReadOnly: readonly, VolumeOptions: { NoCopy: true } })),
        ],
        Tmpfs: Object.fromEntries(request.tmpfs.map(({ target, size }) => [target, size === undefined ? "" : `size=${size}`])),
      },
    }));
    request.started(id);
    const status = await runToEnd(parts, id, request, held);
    if (status !== 0) throw new CommandFailed(request.command, status);
    await removeMountPoints(parts.layers, id, [...request.binds, ...request.caches, ...request.secrets, ...request.tmpfs].map(({ target }) => target));
    const layer = await layerOf(parts, id, request, newest);
    succeeded = true;
    return layer;
  } finally {
    const goes = forceRemove || (remove && succeeded) || request.signal.aborted;
    if (id !== undefined && goes) {
      await parts.containers.remove(id, { force: true, volumes: true, link: false }).catch((err: unknown) => parts.logger.warn({ err, container: id }, `a build's container could not be removed: ${messageOf(err)}`));
      if (succeeded) request.removed(id);
    }
    await rm(secrets, { recursive: true, force: true });
    for (const one of held) one.release();
    parts.names.forget(name);
  }
}

async function setOwner(path: string, { uid, gid, mode }: Pick<RunCache, "uid" | "gid" | "mode">): Promise<void> {
  await chown(path, uid, gid);
  await chmod(path, mode);
}

interface SecretFile {
  readonly path: string;
  readonly target: string;
  readonly env?: string;
}

async function writeSecrets(folder: string, { secrets }: RunRequest): Promise<SecretFile[]> {
  if (secrets.length === 0) return [];
  await makeDirectories(folder, 0o700);
  return Promise.all(secrets.map(async (secret, i) => {
    const path = join(folder, String(i)), { target, env } = secret;
    await writeFile(path, secret.content, { mode: 0o600 });
    await setOwner(path, secret);
    return { path, target, ...(env === undefined ? {} : { env }) };
  }));
}

/** The shell reads a secret's variable from its file: what a container is made with is in the ledger. */
function withSecrets({ command }: RunRequest, files: readonly SecretFile[]): string[] {
  const reading = files.flatMap(({ env, target }) => (env === undefined ? [] : [`export ${env}="$(cat '${target.replaceAll("'", "'\\''")}')"\n`]));
  return reading.length === 0 ? [...command] : [...command.slice(0, -1), reading.join("") + command.at(-1)!];
}

async function runToEnd({ containers, logger }: BuildRunParts, id: string, request: RunRequest, held: readonly HeldMount[]): Promise<number> {
  const client = new Relay(request.output, held.map(({ wanted }) => wanted));
  const session = containers.attach(id, { stdin: false, stdout: true, stderr: true, stream: true, logs: false }, client);
  session.catch(() => undefined);
  const { exit } = containers.wait(id, "next-exit", request.signal);
  exit.catch(() => undefined);
  const stop = (): void => {
    client.leave();
    containers.remove(id, { force: true, volumes: true, link: false }).catch((err: unknown) => logger.debug({ err, container: id }, "a build was cancelled"));
  };
  request.signal.throwIfAborted();
  request.signal.addEventListener("abort", stop, { once: true });
  try {
    await containers.start(id);
    const { code } = await exit;
    request.signal.throwIfAborted();
    await session;
    return code;
  } finally {
    request.signal.removeEventListener("abort", stop);
    client.leave();
  }
}

async function layerOf({ images, layers, workers, temporary }: BuildRunParts, id: string, request: RunRequest, newest: number | undefined): Promise<Layer> {
  const { top } = images.get(request.image), changed = await layers.tar({ owner: id });
  if (newest === undefined) return layers.register(changed, top, request.lease);
  const context = await BuildContext.read(changed, join(temporary, `build-${randomUUID()}`), workers, { limit: Infinity });
  try {
    const place = { path: "", into: true, missing: [] };
    return await layers.register(context.layer({ sources: ["."], exclude: [], parents: false, owners: true }, { place, now: newest, newest }), top, request.lease);
  } finally { await context.remove(); }
}

/** Passes output on as it comes, errors in red: clients tell them by that. */
class Relay implements AttachClient {
  readonly input = null;
  readonly closed: Promise<void>;
  leave!: () => void;
  private readonly decoders = { stdout: new StringDecoder("utf8"), stderr: new StringDecoder("utf8") };
  /** `hurry`: who waits for us must not wait for our turn to speak. */
  constructor(private readonly output: StageOutput, private readonly hurry: readonly Promise<void>[]) { this.closed = new Promise((resolve) => { this.leave = resolve; }); }
  write(stream: "stdout" | "stderr", data: Buffer): boolean {
    const text = this.decoders[stream].write(data);
    return text === "" || this.output.write(stream === "stderr" ? `\u001b[91m${text}\u001b[0m` : text);
  }
  async drained(): Promise<void> { await Promise.race([this.output.drained(), ...this.hurry]); }
  end(): void {}
}
