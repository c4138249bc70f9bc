import { existsSync } from "node:fs";
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { Conflict, type Container, type ContainerId, InvalidArgument, runtimeJson, type LogDriver, type LogWriter, type Mounted, type Moment, type MountPoint, messageOf, type Process, type ProcessIo, type Runtime } from "../core/index.js";
import { devicesFor, limitedDevicesOf } from "./containers-devices.js";
import type { Hub } from "./containers-hub.js";
import type { Launched } from "./containers-live.js";
import { copiesUp } from "./containers-mounts.js";
import { isLive, type ContainerParts } from "./containers-parts.js";
import { VolumeHolder } from "./containers-volumes.js";
import { modeOf } from "./networks-parts.js";
import { Deferred, once } from "./deferred.js";
import type { RuntimeSpec } from "./spec/model.js";
import type { BlockDevices } from "./spec/resources.js";
import { runtimeSpec } from "./spec/spec.js";
import { resolveUser, type ResolvedUser } from "./spec/users.js";
import { Turns } from "./turns.js";
import { UndoStack } from "./undo.js";
import { makeDirectories } from "../core/make-directories.js";

/** What a start has in hand. */
interface Held {
  root: Mounted | null;
  log: LogWriter | null;
  releaseNetwork(): Promise<void>;
}

/** How a container's first process is wired. */
export function ioOf(container: Container): ProcessIo {
  const { Tty, OpenStdin, StdinOnce } = container.config;
  return { tty: Tty === true, stdin: OpenStdin === true, stdinOnce: StdinOnce === true };
}

/** Puts up everything a container needs and starts its process; or takes it all down again. */
export class Launcher {
  /** Volumes of those that run. */
  readonly volumes: VolumeHolder;
  private readonly turns = new Turns(4);

  constructor(private readonly parts: ContainerParts) {
    this.volumes = new VolumeHolder(parts);
  }

  bundle(id: ContainerId): string {
    return join(this.parts.config.execRoot, "containers", id);
  }

  runtimeOf(container: Container): Runtime {
    const name = container.hostConfig.Runtime || this.parts.config.defaults.runtime;
    const runtime = this.parts.runtimes.get(name);
    if (runtime === undefined) throw new InvalidArgument(`unknown or invalid runtime name: ${name}`);
    return runtime;
  }

  logDriverOf(container: Container): LogDriver {
    const name = container.hostConfig.LogConfig?.Type || this.parts.config.defaults.logDriver;
    const driver = this.parts.logs.get(name);
    if (driver === undefined) throw new InvalidArgument(`logger: no log driver named '${name}' is registered`);
    return driver;
  }

  logFile(container: Container): string {
    return join(this.parts.containers.directory(container.id), this.logDriverOf(container).file(container.id));
  }

  async openLog(container: Container, resuming?: { readonly taken: Moment | undefined }): Promise<LogWriter> {
    try {
      return await this.logDriverOf(container).open(this.logFile(container), container.hostConfig.LogConfig?.Config ?? {}, container, resuming);
    } catch (e) {
      throw new Error(`failed to create task for container: failed to initialize logging driver: ${messageOf(e)}`, { cause: e });
    }
  }

  async launch(container: Container, hub: Hub): Promise<Launched> {
    const { parts } = this;
    const { id } = container;
    const runtime = this.runtimeOf(container);
    const bundle = this.bundle(id);
    const undo = new UndoStack(parts.logger, { container: id });
    const held: Held = { root: null, log: null, releaseNetwork: async () => undefined };
    try {
      await rm(bundle, { recursive: true, force: true });
      await makeDirectories(bundle, 0o700);
      // The monitor loads while everything else is put up.
      const ready = new Deferred();
      const creating = runtime.create(id, bundle, ioOf(container), ready.promise);
      creating.catch(() => undefined);
      try {
        await writeFile(join(bundle, "config.json"), runtimeJson(await this.putUp(container, bundle, undo, held)), { mode: 0o600 });
        ready.resolve();
      } catch (e) {
        ready.reject(e);
        await creating.catch(() => undefined);
        throw e;
      }
      let process: Process;
      try {
        process = await creating;
      } catch (e) {
        throw startFailure(`failed to create task for container: failed to create shim task: OCI runtime create failed: ${aboutCommand(messageOf(e), container.path)}: unknown`, e);
      }
      undo.push("the process", () => runtime.delete(id));
      const drained = this.drain(container, hub, process, held.log!);
      try {
        await runtime.start(id);
      } catch (e) {
        throw startFailure(`failed to start task for container: OCI runtime start failed: ${messageOf(e)}: unknown`, e);
      }
      return { process, runtime, rootfs: held.root!.path, releaseNetwork: () => held.releaseNetwork(), dismantle: () => this.dismantle(undo, bundle), drained };
    } catch (e) {
      await undo.undo();
      await rm(bundle, { recursive: true, force: true });
      throw e;
    }
  }

  /** The bundle goes last: while it is there, something may be left of the run. */
  private dismantle(undo: UndoStack, bundle: string): Promise<void> {
    return this.turns.run(async () => {
      await undo.undoAtOnce();
      await rm(bundle, { recursive: true, force: true });
    });
  }

  /** Mounts, networks, files and devices; what they come to as a runtime-spec document. */
  private async putUp(container: Container, bundle: string, undo: UndoStack, held: Held): Promise<RuntimeSpec> {
    const { parts } = this;
    const { id } = container;
    const placed = new Map<MountPoint, string>();
    let root!: Mounted, user!: ResolvedUser, devices!: Awaited<ReturnType<typeof devicesFor>>, limited!: BlockDevices, netns: string | undefined, etcFiles: Record<string, string> = {};
    await parts.containers.makeDirectory(id);
    await undo.together(
      async () => {
        root = held.root = await parts.layers.mount(id);
        undo.push("the root file system", () => root.release());
        user = await this.user(container, root.path, container.config.User ?? "");
      },
      async () => {
        const attached = await parts.networking.attach(container);
        held.releaseNetwork = once(() => parts.networking.release(container));
        undo.push("the network", () => held.releaseNetwork());
        netns = attached.netns;
        etcFiles = await this.etcFiles(container);
      },
      async () => {
        const log = (held.log = await this.openLog(container));
        undo.push("the log", () => log.close());
      },
      ...container.mounts.map((point) => async () => {
        if (point.Type === "bind") await this.bindSource(container, point);
        if (point.Type !== "volume") return;
        const mounted = await this.volumes.hold(container, point);
        undo.push(`volume ${point.Name}`, () => mounted.release());
        placed.set(point, mounted.path);
      }),
      async () => { devices = await devicesFor(container); },
      async () => { limited = await limitedDevicesOf(container); },
    );
    container = { ...container, mounts: container.mounts.map((point) => ({ ...point, Source: placed.get(point) ?? point.Source })) };
    if (container.state.startedAt === undefined) {
      await this.copyUp(container, root.path);
      // A runtime would make them with other permissions. Not before: volumes take those of what the image has.
      for (const { Type, Destination, subpath } of container.mounts) if (Type === "volume" && subpath === undefined) await parts.files.makeDirectory(root.path, Destination);
    }
    const joined = await this.join(container, bundle, undo);
    return runtimeSpec({
      container: this.withLinks(container), host: parts.host, files: await filesOf(container), rootfs: root.path, user, ...(netns === undefined ? {} : { netns }), ...joined, etcFiles, devices, limitedDevices: limited, tmpfsModes: await this.tmpfsModes(container, root.path), hostname: this.hostname(container),
      cgroupsPath: join("/", container.hostConfig.CgroupParent || parts.config.cgroupParent, id),
    });
  }

  /** A tmpfs has the mode of the directory that it hides. */
  private async tmpfsModes({ hostConfig }: Container, rootfs: string): Promise<Map<string, number>> {
    const modes = new Map<string, number>();
    for (const path of [...Object.keys(hostConfig.Tmpfs ?? {}), ...(hostConfig.Mounts ?? []).filter((m) => m.Type === "tmpfs").map((m) => m.Target)]) {
      const mode = await this.parts.files.directoryMode(rootfs, path);
      if (mode !== null) modes.set(path, mode);
    }
    return modes;
  }

  /** Takes a container that outlived a former daemon: what was put up is there, and is held again. */
  async resume(container: Container, hub: Hub): Promise<Launched | undefined> {
    const { parts } = this;
    const { id } = container;
    const runtime = this.runtimeOf(container);
    const bundle = this.bundle(id);
    const found = await runtime.adopt(id, bundle, ioOf(container));
    if (found === undefined || !("output" in found)) return undefined;
    const undo = new UndoStack(parts.logger, { container: id });
    const root = await parts.layers.mount(id);
    undo.push("the root file system", () => root.release());
    const log = await this.openLog(container, { taken: found.taken });
    undo.push("the log", () => log.close());
    for (const point of container.mounts) {
      if (point.Type !== "volume") continue;
      const mounted = await this.volumes.resume(container, point);
      undo.push(`volume ${point.Name}`, () => mounted.release());
    }
    if (existsSync(join(bundle, "shm"))) undo.push("/dev/shm", () => parts.mounter.unmount(join(bundle, "shm")));
    undo.push("the process", () => runtime.delete(id));
    return { process: found, runtime, rootfs: root.path, drained: this.drain(container, hub, found, log), releaseNetwork: () => parts.networking.release(container), dismantle: () => this.dismantle(undo, bundle) };
  }

  private drain(container: Container, hub: Hub, process: Process, log: LogWriter): Promise<void> {
    return hub.run(process, log).catch((err: unknown) => this.parts.logger.error({ err, container: container.id }, "output of a container was lost"));
  }

  /** Removes what a run that nobody looks after may have left. */
  async clean(container: Container): Promise<void> {
    const bundle = this.bundle(container.id);
    await this.runtimeOf(container).delete(container.id);
    await this.parts.mounter.unmount(join(bundle, "shm"));
    await this.volumes.clear(container.id);
    await rm(bundle, { recursive: true, force: true });
  }

  async user(container: Container, rootfs: string, user: string): Promise<ResolvedUser> {
    const [passwd, group] = await Promise.all(["/etc/passwd", "/etc/group"].map(async (path) => (await this.parts.files.read(rootfs, path))?.toString("utf8") ?? null));
    return resolveUser(user, container.hostConfig.GroupAdd ?? [], passwd!, group!);
  }

  /** What the first process and execs have as their host's name. */
  hostname(container: Container): string {
    const mode = modeOf(container);
    if (container.config.Hostname) return container.config.Hostname;
    if (mode.kind === "host" || container.hostConfig.UTSMode === "host") return hostname();
    if (mode.kind === "container") return this.hostname(this.parts.containers.get(this.parts.containers.resolve(mode.container)));
    return container.id.slice(0, 12);
  }

  /** With the variables that its links bring; its own count for more. */
  withLinks(container: Container): Container {
    const links = this.parts.networking.environment(container);
    return links.length === 0 ? container : { ...container, config: { ...container.config, Env: [...links, ...(container.config.Env ?? [])] } };
  }

  private async etcFiles(container: Container): Promise<Record<string, string>> {
    const directory = this.parts.containers.directory(container.id);
    const files = await this.parts.networking.files(container);
    const contents: readonly (readonly [string, string])[] = [["hosts", files.hosts], ["hostname", files.hostname], ["resolv.conf", files.resolvConf]];
    await Promise.all(contents.map(([name, text]) => writeFile(join(directory, name), text, { mode: 0o644 })));
    return Object.fromEntries(contents.map(([name]) => [`/etc/${name}`, join(directory, name)]));
  }

  /** `-v` makes a missing source; `--mount` refuses it. Mounts can be shared only where the source's own are. */
  private async bindSource(container: Container, { Source: source, Destination: target, Propagation }: MountPoint): Promise<void> {
    await this.madeSource(container, source, target);
    if (!/shared|slave/.test(Propagation)) return;
    const holding = this.parts.mounter.holding(source);
    if (!holding.shared && !(Propagation.includes("slave") && holding.slave)) {
      throw new InvalidArgument(`path ${source} is mounted on ${holding.target} but it is not a shared ${Propagation.includes("slave") ? "or slave " : ""}mount`);
    }
  }

  private async madeSource(container: Container, source: string, target: string): Promise<void> {
    if (existsSync(source)) return;
    const strict = (container.hostConfig.Mounts ?? []).some((m) => m.Type === "bind" && m.Target === target && m.BindOptions?.CreateMountpoint !== true);
    if (strict) throw new InvalidArgument(`invalid mount config for type "bind": bind source path does not exist: ${source}`);
    await makeDirectories(source, 0o755);
  }

  /** An empty volume takes over what the image has at its mount point. */
  private async copyUp(container: Container, rootfs: string): Promise<void> {
    await Promise.all(container.mounts.filter((point) => copiesUp(point, container.hostConfig)).map(async (point) => {
      if ((await readdir(point.Source)).length === 0) await this.parts.copier.copy(rootfs, point.Destination, point.Source);
    }));
  }

  /** Namespaces of other containers, and a /dev/shm that others may join. */
  private async join(container: Container, bundle: string, undo: UndoStack): Promise<{ join: { ipc?: string; pid?: string }; shmPath?: string }> {
    const { IpcMode = "", PidMode = "", ShmSize } = container.hostConfig;
    const shm = join(bundle, "shm");
    let shmPath: string | undefined;
    if (IpcMode === "shareable") {
      await mkdir(shm, { mode: 0o700 });
      await this.parts.mounter.mount({ target: shm, mounts: [{ type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", ["mode", "1777"], ["size", String(ShmSize)]] }] });
      undo.push("/dev/shm", () => this.parts.mounter.unmount(shm));
      shmPath = shm;
    }
    const ipc = this.donor(IpcMode, "IPC"), pid = this.donor(PidMode, "PID");
    if (ipc !== undefined) {
      if (ipc.hostConfig.IpcMode !== "shareable") throw new Conflict(`can't join IPC of container ${ipc.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`);
      shmPath = join(this.bundle(ipc.id), "shm");
    }
    return {
      join: { ...(ipc === undefined ? {} : { ipc: `/proc/${ipc.state.pid}/ns/ipc` }), ...(pid === undefined ? {} : { pid: `/proc/${pid.state.pid}/ns/pid` }) },
      ...(shmPath === undefined ? {} : { shmPath }),
    };
  }

  private donor(mode: string, what: string): Container | undefined {
    if (!mode.startsWith("container:")) return undefined;
    const { containers } = this.parts;
    const donor = containers.get(containers.resolve(mode.slice("container:".length)));
    if (!isLive(donor)) throw new Conflict(`cannot join ${what} namespace of a non running container: ${donor.id}`);
    return donor;
  }
}

/** Mount points whose sources are no directories. */
async function filesOf({ mounts }: Container): Promise<Set<string>> {
  const kinds = await Promise.all(mounts.filter(({ RW, Type }) => !RW && Type !== "tmpfs").map(async (m) => ({ at: m.Destination, directory: (await stat(m.Source)).isDirectory() })));
  return new Set(kinds.filter(({ directory }) => !directory).map(({ at }) => at));
}

/** Where the runtime says that the command is at fault, so is the request. */
function startFailure(message: string, cause: unknown): Error {
  return exitCodeOf(message) === 128 ? new Error(message, { cause }) : new InvalidArgument(message, { cause });
}

/** A runtime's message, with the command where it names none. */
export function aboutCommand(message: string, command: string): string {
  if (!message.includes("open executable: permission denied")) return message;
  return command === "" ? 'exec: "": executable file not found in $PATH' : message.replace("open executable:", `exec: "${command}":`);
}

/** A shell's code for a command that could not be run: 127 not found, 126 not executable, 128 for other failures. */
export function exitCodeOf(message: string): number {
  if (/executable file not found|no such file or directory|cannot find the file/i.test(message)) return 127;
  if (/permission denied|not a directory|is a directory/i.test(message)) return 126;
  return 128;
}
