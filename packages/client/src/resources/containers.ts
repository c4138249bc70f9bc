import type { Readable } from "node:stream";
import type { Api } from "../api.js";
import { encodeFilters, type Filters } from "../query.js";
import type { Output, Session, TerminalSize } from "../session.js";
import type {
  CallSignal, ContainerCreateRequest, ContainerCreateResponse, ContainerInspect, ContainersPruneReport, ContainerStats, ContainerSummary, ContainerTopResponse, ContainerUpdateRequest,
  ContainerUpdateResponse,
  ContainerWaitResponse, ExecConfig, ExecInspect, FilesystemChange,
} from "../types.js";
import { Archives, type ArchiveWriteOptions, type PathStat } from "./archives.js";
import { Images, type CommitOptions } from "./images.js";

export interface CreateOptions extends CallSignal {
  readonly name?: string;
  /** `os[/arch[/variant]]` that the image must have. */
  readonly platform?: string;
}

export interface ListOptions extends CallSignal {
  readonly all?: boolean;
  readonly limit?: number;
  readonly size?: boolean;
  readonly filters?: Filters;
}

export interface AttachOptions extends CallSignal {
  readonly stdin?: boolean;
  /** By default true. */
  readonly stdout?: boolean;
  /** By default true. */
  readonly stderr?: boolean;
  /** First what was written before. */
  readonly logs?: boolean;
  readonly detachKeys?: string;
  /** Whether the container has a terminal; asked of the daemon when not given. */
  readonly tty?: boolean;
}

export interface LogsOptions extends CallSignal {
  readonly follow?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  /** Unix seconds, RFC 3339, or a duration back from now (`10m`). */
  readonly since?: string;
  readonly until?: string;
  readonly timestamps?: boolean;
  readonly tail?: number | "all";
  readonly tty?: boolean;
}

export interface StopOptions extends CallSignal {
  /** Instead of the container's stop signal. */
  readonly stopSignal?: string;
  /** Seconds before it is killed; -1 waits for ever. */
  readonly timeout?: number;
}

export type WaitCondition = "not-running" | "next-exit" | "removed";

/** A further process, with its end. */
export interface ExecSession {
  readonly id: string;
  readonly session: Session;
  /** Resolves with the exit code once the output is complete. */
  exitCode(): Promise<number>;
}

export class Containers {
  readonly #api: Api;
  constructor(api: Api) { this.#api = api; }

  create(spec: ContainerCreateRequest, { name, platform, signal }: CreateOptions = {}): Promise<ContainerCreateResponse> {
    return this.#api.call("post", "/containers/create", { query: { name, platform }, json: spec, signal });
  }

  list({ all, limit, size, filters, signal }: ListOptions = {}): Promise<ContainerSummary[]> {
    return this.#api.call("get", "/containers/json", { query: { all, limit, size, filters: encodeFilters(filters) }, signal });
  }

  inspect(id: string, { size, signal }: CallSignal & { readonly size?: boolean } = {}): Promise<ContainerInspect> {
    return this.#api.call("get", "/containers/{id}/json", { path: { id }, query: { size }, signal });
  }

  /** Success also when it runs already. */
  async start(id: string, { detachKeys, signal }: CallSignal & { readonly detachKeys?: string } = {}): Promise<void> {
    await this.#api.send("post", "/containers/{id}/start", { path: { id }, query: { detachKeys }, signal });
  }

  /** Success also when it does not run. */
  async stop(id: string, { stopSignal, timeout, signal }: StopOptions = {}): Promise<void> {
    await this.#api.send("post", "/containers/{id}/stop", { path: { id }, query: { signal: stopSignal, t: timeout }, signal });
  }

  async restart(id: string, { stopSignal, timeout, signal }: StopOptions = {}): Promise<void> {
    await this.#api.send("post", "/containers/{id}/restart", { path: { id }, query: { signal: stopSignal, t: timeout }, signal });
  }

  async kill(id: string, killSignal?: string, { signal }: CallSignal = {}): Promise<void> {
    await this.#api.send("post", "/containers/{id}/kill", { path: { id }, query: { signal: killSignal }, signal });
  }

  async pause(id: string, { signal }: CallSignal = {}): Promise<void> {
    await this.#api.send("post", "/containers/{id}/pause", { path: { id }, signal });
  }

  async unpause(id: string, { signal }: CallSignal = {}): Promise<void> {
    await this.#api.send("post", "/containers/{id}/unpause", { path: { id }, signal });
  }

  async rename(id: string, name: string, { signal }: CallSignal = {}): Promise<void> {
    await this.#api.send("post", "/containers/{id}/rename", { path: { id }, query: { name }, signal });
  }

  async resize(id: string, size: TerminalSize, { signal }: CallSignal = {}): Promise<void> {
    await this.#api.send("post", "/containers/{id}/resize", { path: { id }, query: { h: size.rows, w: size.columns }, signal });
  }

  async remove(id: string, { force, volumes, link, signal }: CallSignal & { readonly force?: boolean; readonly volumes?: boolean; readonly link?: boolean } = {}): Promise<void> {
    await this.#api.send("delete", "/containers/{id}", { path: { id }, query: { force, v: volumes, link }, signal });
  }

  prune({ filters, signal }: CallSignal & { readonly filters?: Filters } = {}): Promise<ContainersPruneReport> {
    return this.#api.call("post", "/containers/prune", { query: { filters: encodeFilters(filters) }, signal });
  }

  async wait(id: string, options: CallSignal & { readonly condition?: WaitCondition } = {}): Promise<ContainerWaitResponse> {
    return (await this.waiting(id, options)).exit;
  }

  /**
   * Resolves once the daemon is watching, so that an end that follows cannot be missed: wait for this before `start`.
   * `exit` resolves when the container has ended.
   */
  async waiting(id: string, { condition, signal }: CallSignal & { readonly condition?: WaitCondition } = {}): Promise<{ exit: Promise<ContainerWaitResponse> }> {
    const { value } = await this.#api.deferred("post", "/containers/{id}/wait", { path: { id }, query: { condition }, signal });
    return { exit: value };
  }

  /** Connects to the process's streams. Attach before `start` to miss nothing. */
  async attach(id: string, options: AttachOptions = {}): Promise<Session> {
    const { stdin = false, stdout = true, stderr = true, logs, detachKeys, signal } = options;
    const tty = options.tty ?? (await this.#hasTty(id, signal));
    return this.#api.session("post", "/containers/{id}/attach", tty, (size) => this.resize(id, size), {
      path: { id }, query: { stream: true, stdin, stdout, stderr, logs, detachKeys }, signal,
    });
  }

  async logs(id: string, options: LogsOptions = {}): Promise<Output> {
    const { follow, stdout = true, stderr = true, since, until, timestamps, tail, signal } = options;
    const tty = options.tty ?? (await this.#hasTty(id, signal));
    return this.#api.output("get", "/containers/{id}/logs", tty, {
      path: { id }, query: { follow, stdout, stderr, since, until, timestamps, tail: tail === undefined ? undefined : String(tail) }, signal,
    });
  }

  top(id: string, { psArgs, signal }: CallSignal & { readonly psArgs?: string } = {}): Promise<ContainerTopResponse> {
    return this.#api.call("get", "/containers/{id}/top", { path: { id }, query: { ps_args: psArgs }, signal });
  }

  /** Other limits, another restart policy; what is left out stays. */
  update(id: string, changes: ContainerUpdateRequest, { signal }: CallSignal = {}): Promise<ContainerUpdateResponse> {
    return this.#api.call("post", "/containers/{id}/update", { path: { id }, json: changes, signal });
  }

  /** What it uses: again and again until it is removed, or with `once` one sample. */
  stats(id: string, { once = false, signal }: CallSignal & { readonly once?: boolean } = {}): AsyncGenerator<ContainerStats, void, undefined> {
    return this.#api.lines("get", "/containers/{id}/stats", { path: { id }, query: { stream: !once }, signal });
  }

  /** What is at a path of its. */
  statPath(id: string, path: string, options?: CallSignal): Promise<PathStat> {
    return new Archives(this.#api).stat(id, path, options);
  }

  /** A file or a directory of its, as a tar. */
  readArchive(id: string, path: string, options?: CallSignal): Promise<{ stat: PathStat; tar: Readable }> {
    return new Archives(this.#api).read(id, path, options);
  }

  /** Unpacks a tar into a directory of its. */
  writeArchive(id: string, path: string, tar: Readable, options?: ArchiveWriteOptions): Promise<void> {
    return new Archives(this.#api).write(id, path, tar, options);
  }

  /** Paths it changed against its image. */
  async changes(id: string, { signal }: CallSignal = {}): Promise<FilesystemChange[]> {
    // Older daemons answer null for none.
    return (await this.#api.call("get", "/containers/{id}/changes", { path: { id }, signal })) ?? [];
  }

  /** Its whole tree as a tar. */
  export(id: string, { signal }: CallSignal = {}): Promise<Readable> {
    return this.#api.open("get", "/containers/{id}/export", { path: { id }, signal });
  }

  /** Makes an image of it. The answer is the image's ID. */
  commit(id: string, options: CommitOptions = {}): Promise<string> {
    return new Images(this.#api).commit(id, options);
  }

  /** Runs a further process with its output (and, with `AttachStdin`, its input) connected. */
  async exec(id: string, spec: ExecConfig, { size, signal }: CallSignal & { readonly size?: TerminalSize } = {}): Promise<ExecSession> {
    const config: ExecConfig = { AttachStdout: true, AttachStderr: true, ...spec };
    const { Id } = await this.#api.call("post", "/containers/{id}/exec", { path: { id }, json: config, signal });
    const tty = config.Tty === true;
    const session = await this.#api.session("post", "/exec/{id}/start", tty, (to) => this.resizeExec(Id, to), {
      path: { id: Id }, json: { Detach: false, Tty: tty, ...(size && tty ? { ConsoleSize: [size.rows, size.columns] } : {}) }, signal,
    });
    return {
      id: Id, session,
      exitCode: async () => {
        await session.done;
        return (await this.inspectExec(Id, { signal })).ExitCode ?? 0;
      },
    };
  }

  /** Starts a further process and leaves it. The answer is the exec's ID. */
  async execDetached(id: string, spec: ExecConfig, { signal }: CallSignal = {}): Promise<string> {
    const { Id } = await this.#api.call("post", "/containers/{id}/exec", { path: { id }, json: spec, signal });
    await this.#api.send("post", "/exec/{id}/start", { path: { id: Id }, json: { Detach: true, Tty: spec.Tty === true }, signal });
    return Id;
  }

  inspectExec(execId: string, { signal }: CallSignal = {}): Promise<ExecInspect> {
    return this.#api.call("get", "/exec/{id}/json", { path: { id: execId }, signal });
  }

  async resizeExec(execId: string, size: TerminalSize, { signal }: CallSignal = {}): Promise<void> {
    await this.#api.send("post", "/exec/{id}/resize", { path: { id: execId }, query: { h: size.rows, w: size.columns }, signal });
  }

  /** Creates, attaches, starts and waits: a program from an image, with its output as text. */
  async run(spec: ContainerCreateRequest, { name, platform, signal, keep = false }: CreateOptions & { readonly keep?: boolean } = {}): Promise<{ id: string; exitCode: number; stdout: string; stderr: string }> {
    const { Id: id } = await this.create({ AttachStdout: true, AttachStderr: true, ...spec }, { name, platform, signal });
    try {
      const session = await this.attach(id, { tty: spec.Tty === true, signal });
      const { exit } = await this.waiting(id, { condition: "next-exit", signal });
      const output = session.text();
      output.catch(() => undefined);
      exit.catch(() => undefined);
      await this.start(id, { signal });
      const { StatusCode } = await exit;
      return { id, exitCode: StatusCode, ...(await output) };
    } finally {
      if (!keep && spec.HostConfig?.AutoRemove !== true) await this.remove(id, { force: true, volumes: true });
    }
  }

  async #hasTty(id: string, signal: AbortSignal | undefined): Promise<boolean> {
    return (await this.inspect(id, { signal })).Config?.Tty === true;
  }
}
