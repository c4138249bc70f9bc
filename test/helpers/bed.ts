import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Daemon, type DaemonOptions } from "./daemon.js";
import { type Ground, groundFor } from "./ground.js";
import { busyboxTar } from "./images.js";
import { Netns } from "./netns.js";
import { Registry } from "./registry.js";

/** Gives a daemon `busybox:latest`, made on this machine. */
export async function importBusybox(daemon: Daemon): Promise<void> {
  await daemon.dockerOk("import", "--change", 'CMD ["sh"]', "--change", "ENV PATH=/bin", await busyboxTar(), "busybox:latest");
}

/** What one test file works in: a network namespace, a folder on disk, and the daemons and registries made from it. */
export class TestBed {
  private readonly daemons: Daemon[] = [];
  private readonly registries: Registry[] = [];
  private readonly groundOf = new Map<Daemon, Ground>();
  private constructor(readonly netns: Netns, readonly folder: string) {}

  static async create(): Promise<TestBed> {
    // Short: paths of Unix sockets end at 108 bytes.
    return new TestBed(await Netns.create(), mkdtempSync(join(tmpdir(), "st-")));
  }

  path(name: string): string { return join(this.folder, name); }

  /** A daemon that was not started yet. */
  prepare(options?: DaemonOptions): Daemon {
    const daemon = new Daemon(this.netns, this.path(`d${this.daemons.length}`), options);
    this.daemons.push(daemon);
    return daemon;
  }
  /** A daemon whose data root can have all of these storage drivers; it begins with the first. Not started yet. */
  async prepareFor(drivers: readonly string[], options: DaemonOptions = {}): Promise<Daemon> {
    const ground = await groundFor(drivers, this.path(`d${this.daemons.length}`));
    const daemon = this.prepare({ ...ground.options, ...options, flags: [...(ground.options.flags ?? []), ...(options.flags ?? [])], storageDriver: drivers[0]! });
    this.groundOf.set(daemon, ground);
    return daemon;
  }
  async daemon(options?: DaemonOptions): Promise<Daemon> {
    const daemon = this.prepare(options);
    await daemon.start();
    return daemon;
  }
  /** A daemon that holds `busybox:latest`. */
  async daemonWithBusybox(options?: DaemonOptions): Promise<Daemon> {
    const daemon = await this.daemon(options);
    await importBusybox(daemon);
    return daemon;
  }
  /** Ends a daemon for good. A further call does nothing. */
  async end(daemon: Daemon): Promise<void> {
    await daemon.destroy();
    await this.groundOf.get(daemon)?.release();
    this.groundOf.delete(daemon);
  }
  async registry(more?: readonly string[]): Promise<Registry> {
    const registry = await Registry.start(this.netns, this.path(`r${this.registries.length}`), 5000 + this.registries.length, more);
    this.registries.push(registry);
    return registry;
  }

  async close(): Promise<void> {
    for (const daemon of this.daemons) await this.end(daemon);
    for (const registry of this.registries) await registry.stop();
    await this.netns.remove();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The hooks of a file that works in one bed: `make` goes before its tests, and the bed goes after them. */
export function setUp(make: (bed: TestBed) => void | Promise<void>, makeMs = 120_000): void {
  let bed: TestBed | undefined;
  beforeAll(async () => {
    bed = await TestBed.create();
    await make(bed);
  }, makeMs);
  afterAll(() => bed?.close(), 120_000);
}
