import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, mkdirSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageConfig, ImageId, RunConfig } from "@strata/oci";
import { Trees } from "../../archive/trees.js";
import { WorkerPool } from "../../archive/workers/pool.js";
import { type Container, DataRoot, newId, type NetworkId, noMetrics, type Runtime, type StrataEvent, silentLogger, systemClock } from "../../core/index.js";
import { JsonFileLogs } from "../../drivers/log/json-file.js";
import { NoLogs } from "../../drivers/log/none.js";
import { CgroupMeters } from "../../drivers/runtime/meters.js";
import { OciRuntime } from "../../drivers/runtime/oci-runtime.js";
import { ProcProcesses } from "../../drivers/runtime/process-table.js";
import { Bench } from "../../drivers/runtime/testing.js";
import { ConfinedFiles } from "../../kernel/confined.js";
import { KernelMounter } from "../../kernel/mounter.js";
import { unmountAll } from "../../kernel/mount.js";
import { mountsBelow } from "../../kernel/mount-table.js";
import { openStores, type Stores } from "../../open-stores.js";
import { openStorage, type Storage } from "../../storage.js";
import { Containers } from "../containers.js";
import { LocalEvents } from "../events.js";
import type { ContainerNetworking, CreateContainer } from "../types.js";
import { TestClient } from "./test-client.js";

/** Networking that gives every container the host's. */
class HostOnly implements ContainerNetworking {
  readonly calls: string[] = [];
  validate(): void {}
  async attach(c: Container) { this.calls.push(`attach ${c.name}`); return { endpoints: [], ports: [] }; }
  async release(c: Container): Promise<void> { this.calls.push(`release ${c.name}`); }
  async relink(): Promise<void> {}
  environment(): readonly string[] { return []; }
  async files(c: Container) { return { hosts: "127.0.0.1\tlocalhost\n", hostname: `${c.config.Hostname}\n`, resolvConf: "nameserver 192.0.2.1\n" }; }
  async recover(): Promise<void> {}
}

/** The container service over real stores, a real storage driver and a real runtime; its own network is the host's. */
export class ContainerRig {
  readonly stores: Stores;
  readonly events = new LocalEvents(systemClock);
  readonly seen: StrataEvent[] = [];
  readonly networking = new HostOnly();
  readonly runtime: OciRuntime;
  readonly containers: Containers;

  private constructor(readonly directory: string, readonly bench: Bench | null, runtimePath: string, conmon: string, private readonly workers: WorkerPool, root: DataRoot, private readonly storage: Storage) {
    this.stores = openStores({ root, drivers: storage.drivers, defaultDriver: storage.defaultDriver, workers: this.workers, clock: systemClock, logger: silentLogger });
    this.runtime = new OciRuntime({ name: "runc", path: runtimePath, conmon, directory: join(directory, "exec/runc"), logger: silentLogger });
    const trees = new Trees(this.workers);
    this.events.on((event) => this.seen.push(event));
    const logs = [new JsonFileLogs(), new NoLogs()];
    const { containers, images, layers, volumes, leases, networks, collector } = this.stores;
    this.containers = new Containers({
      containers, images, layers, volumes, leases, networks, collector, networking: this.networking, runtimes: new Map<string, Runtime>([["runc", this.runtime]]),
      logs: new Map(logs.map((l) => [l.name, l])), mounter: new KernelMounter(), files: new ConfinedFiles(), copier: trees, archiver: trees, porter: trees, processes: new ProcProcesses(), meters: new CgroupMeters(),
      events: this.events, metrics: noMetrics, clock: systemClock, logger: silentLogger, builds: this.stores.buildCache,
      host: { cgroupVersion: 1, capabilities: ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID"], seccomp: true, controllers: [], kernel: [5, 10], arch: process.arch, cpuset: { cpus: "0-1", mems: "0" }, blockIoWeights: true, recursiveReadOnly: new Set() },
      config: {
        execRoot: join(directory, "exec"), cgroupParent: `/strata-test-${process.pid}`,
        defaults: { runtime: "runc", logDriver: "json-file", logOptions: {}, init: false, shmSize: 64 << 20, ulimits: [], cgroupVersion: 1, maskedPaths: [] },
      },
    });
  }

  private static async make(directory: string, bench: Bench | null, runtimePath: string): Promise<ContainerRig> {
    const root = new DataRoot(join(directory, "root")), workers = new WorkerPool({ size: 2 });
    mkdirSync(root.root, { recursive: true });
    const storage = await openStorage({ wanted: "", inUse: [], options: new Map(), root, report: () => undefined, workers, logger: silentLogger });
    return new ContainerRig(directory, bench, runtimePath, "conmon", workers, root, storage);
  }

  static async open(runtime = "runc"): Promise<ContainerRig> {
    const bench = new Bench(runtime);
    const directory = realpathSync(mkdtempSync(join(tmpdir(), "strata-ct-")));
    const rig = await ContainerRig.make(directory, bench, bench.runtime.path);
    await rig.stores.collector.recover();
    for (const name of ["bridge", "host", "none"]) {
      rig.stores.networks.create({ id: newId<NetworkId>(), name, driver: name, createdAt: 0, internal: false, attachable: false, ipv6: false, ipam: [], options: {}, labels: {} });
    }
    return rig;
  }

  /** As the next daemon on the same directories would. */
  static async reopen(directory: string, runtimePath: string): Promise<ContainerRig> {
    const rig = await ContainerRig.make(directory, null, runtimePath);
    await rig.stores.collector.recover();
    return rig;
  }

  /** An image of busybox with these defaults, and files made by a shell script in the tree. */
  async image(ref: string, config: RunConfig = {}, script = ""): Promise<ImageId> {
    const { rootfs } = this.bench!;
    execFileSync("sh", ["-ec", `mkdir -p etc; printf 'root:x:0:0:root:/root:/bin/sh\\nuser:x:1000:1000::/home/user:/bin/sh\\n' > etc/passwd; printf 'root:x:0:\\nuser:x:1000:\\nteam:x:2000:user\\n' > etc/group; ${script}`], { cwd: rootfs });
    const tar = spawn("tar", ["-C", rootfs, "--numeric-owner", "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
    return this.stores.leases.with("import", async (lease) => {
      const layer = await this.stores.layers.register(tar.stdout, null, lease);
      const made: ImageConfig = { architecture: process.arch === "x64" ? "amd64" : process.arch, os: "linux", config: { Cmd: ["sh"], Env: ["PATH=/bin"], ...config }, rootfs: { type: "layers", diff_ids: [layer.diffId] }, history: [{ created_by: "base" }] };
      const id = this.stores.images.create(Buffer.from(JSON.stringify(made)), lease);
      this.stores.images.tag(id, `docker.io/library/${ref}`);
      return id;
    });
  }

  async create(args: readonly string[] | null, spec: Partial<Omit<CreateContainer, "config" | "hostConfig">> & { config?: CreateContainer["config"]; hostConfig?: CreateContainer["hostConfig"] } = {}): Promise<string> {
    const { id } = await this.containers.create({
      networks: {}, ...spec, config: { Image: "busybox", ...(args === null ? {} : { Cmd: [...args] }), ...spec.config }, hostConfig: { NetworkMode: "host", ...spec.hostConfig },
    });
    return id;
  }

  /** Creates, starts, and waits for the end. */
  async run(args: readonly string[], spec: Parameters<ContainerRig["create"]>[1] = {}): Promise<{ id: string; code: number; stdout: string; stderr: string }> {
    const id = await this.create(args, spec);
    const client = new TestClient();
    const attached = this.containers.attach(id, { stdin: false, stdout: true, stderr: true, stream: true, logs: false }, client);
    const { exit } = this.containers.wait(id, "next-exit", new AbortController().signal);
    await this.containers.start(id);
    await attached;
    return { id, code: (await exit).code, stdout: client.stdout, stderr: client.stderr };
  }

  async exit(id: string): Promise<number> {
    return (await this.containers.wait(id, "not-running", new AbortController().signal).exit).code;
  }

  async logs(id: string, options: { follow?: boolean; tail?: number } = {}): Promise<string> {
    let text = "";
    for await (const batch of await this.containers.logs(id, { stdout: true, stderr: true, follow: false, ...options }, new AbortController().signal)) text += batch.map((l) => l.data.toString()).join("");
    return text;
  }

  state(id: string) {
    return this.stores.containers.get(this.stores.containers.resolve(id)).state;
  }

  actions(id: string): string[] {
    return this.seen.filter((e) => e.id === id).map((e) => e.action);
  }

  /** What is left of containers: mounts (layers' own stay for a while), bundles, monitors' records. */
  leftovers(): string[] {
    const names = (path: string): string[] => readdirSync(join(this.directory, path), { encoding: "utf8" });
    return [...mountsBelow(join(this.directory, "root")).filter((m) => m.type !== "erofs").map((m) => m.target), ...names("exec/containers"), ...names("exec/runc/exits"), ...names("exec/runc/holders"), ...names("root/containers")];
  }

  async close(): Promise<void> {
    for (const { id } of [...this.stores.containers.list()]) await this.containers.remove(id, { force: true, volumes: true, link: false });
    await this.detach();
    for (const target of await new KernelMounter().under(this.directory)) await unmountAll(target);
    this.bench?.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Lets go of everything, and leaves it as it is. */
  async detach(): Promise<void> {
    await this.containers.close({ stop: false });
    this.runtime.close();
    await this.stores.close();
    await this.storage.close();
    await this.workers.close();
  }
}
