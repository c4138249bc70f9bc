import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { BuildContext } from "../builder/context.js";
import type { BuildNeeds, RunRequest } from "../builder/needs.js";
import { type BuildContainers, type HostConfig, type ImageStore, type Layer, type LayerStore, type Logger, messageOf, StrataError } from "../core/index.js";
import type { AttachClient, ContainerService } from "./types.js";

export interface BuildRunParts {
  readonly containers: Pick<ContainerService, "create" | "attach" | "wait" | "start" | "remove">;
  readonly images: ImageStore;
  readonly layers: LayerStore;
  readonly names: BuildContainers;
  readonly workers: BuildNeeds["workers"];
  readonly temporary: string;
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

/** Runs a command in a container of its own, like any other, and keeps what it changed as a layer. */
export async function runStep(parts: BuildRunParts, request: RunRequest, { hostConfig, remove, forceRemove, newest }: BuildRunOptions): Promise<Layer> {
  const name = `build_${randomBytes(6).toString("hex")}`;
  parts.names.announce(name);
  let id: string | undefined, succeeded = false;
  try {
    ({ id } = await parts.containers.create({
      name, networks: {},
      config: { Image: request.image, Cmd: [...request.command], Entrypoint: [], Env: [...request.env], Healthcheck: { Test: ["NONE"] } },
      hostConfig: {
        ...hostConfig, ...(request.network === undefined ? {} : { NetworkMode: request.network }), LogConfig: { Type: "none", Config: {} },
        Mounts: request.binds.map(({ source, target, readonly }) => ({ Type: "bind", Source: source, Target: target, ReadOnly: readonly })),
        Tmpfs: Object.fromEntries(request.tmpfs.map(({ target, size }) => [target, size === undefined ? "" : `size=${size}`])),
      },
    }));
    request.started(id);
    const status = await runToEnd(parts, id, request);
    if (status !== 0) throw new CommandFailed(request.command, status);
    const layer = await layerOf(parts, id, request, newest);
    succeeded = true;
    return layer;
  } finally {
    const goes = forceRemove || (remove && succeeded) || request.signal.aborted;
    if (id !== undefined && goes) {
      await parts.containers.remove(id, { force: true, volumes: true, link: false }).catch((err: unknown) => parts.logger.warn({ err, container: id }, `a build's container could not be removed: ${messageOf(err)}`));
      if (succeeded) request.removed(id);
    }
    parts.names.forget(name);
  }
}

async function runToEnd({ containers, logger }: BuildRunParts, id: string, request: RunRequest): Promise<number> {
  const client = new Relay((text) => request.output(text));
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
  const context = await BuildContext.read(changed, join(temporary, `build-${randomUUID()}`), workers);
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
  constructor(private readonly take: (text: string) => void) { this.closed = new Promise((resolve) => { this.leave = resolve; }); }
  write(stream: "stdout" | "stderr", data: Buffer): boolean {
    const text = this.decoders[stream].write(data);
    if (text !== "") this.take(stream === "stderr" ? `\u001b[91m${text}\u001b[0m` : text);
    return true;
  }
  async drained(): Promise<void> {}
  end(): void {}
}
