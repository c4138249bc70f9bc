import { type Clock, type Logger, messageOf, type Mounted, NotFound, type Told, type Volume, type VolumePlugin, type VolumePlugins } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";

/** Volumes whose files plugins keep; the ledger has their rows. */
export class PluginVolumes {
  /** Where files were when a plugin last told. */
  private readonly places = new Map<string, string>();

  constructor(private readonly ledger: Ledger, private readonly plugins: VolumePlugins, private readonly clock: Clock, private readonly logger: Logger) {}

  /** For a volume that is to be made: NotFound when there is no plugin of that name. */
  async check(name: string, driver: string): Promise<void> {
    try {
      await this.plugins.get(driver);
    } catch (e) {
      if (e instanceof NotFound) throw new NotFound(`create ${name}: ${messageOf(e)}`, { cause: e });
      throw e;
    }
  }

  /** Empty while a volume is not mounted, or nobody asked yet. */
  place(name: string): string { return this.places.get(name) ?? ""; }

  async create({ name, driver, options }: Volume): Promise<void> {
    const plugin = await this.plugins.get(driver);
    if (!(await knows(plugin, name))) await plugin.create(name, options);
    this.places.set(name, (await plugin.get(name)).mountpoint);
  }

  async attach({ name, driver }: Volume, owner: string): Promise<Mounted> {
    const plugin = await this.plugins.get(driver);
    this.note(name, owner);
    try {
      const path = await plugin.mount(name, owner);
      this.places.set(name, path);
      return { path, release: () => this.release(name, driver, owner) };
    } catch (e) {
      this.forget(name, owner);
      throw e;
    }
  }

  /** What is mounted stays so while the daemon is away. */
  async resume({ name, driver }: Volume, owner: string): Promise<Mounted> {
    const path = await (await this.plugins.get(driver)).path(name);
    this.places.set(name, path);
    return { path, release: () => this.release(name, driver, owner) };
  }

  async told({ name, driver }: Volume): Promise<Told> {
    const plugin = await this.plugins.get(driver);
    const [{ status, mountpoint }, scope] = await Promise.all([plugin.get(name), plugin.scope()]);
    this.places.set(name, mountpoint);
    return { scope, ...(status === undefined ? {} : { status }) };
  }

  /** `force`: also when the plugin refuses, or is gone. */
  async remove({ name, driver }: Volume, force: boolean): Promise<void> {
    try {
      await (await this.plugins.get(driver)).remove(name);
    } catch (err) {
      if (!force) throw err;
      this.logger.warn({ err, volume: name }, "a plugin did not remove its volume");
    }
    this.places.delete(name);
  }

  /** Volumes that were made or removed past us. A plugin that does not answer is passed over. */
  async discover(): Promise<void> {
    const recorded = this.ledger.sql<[], { driver: string }>("SELECT DISTINCT driver FROM volume WHERE driver <> 'local'").all().map((row) => row.driver);
    await Promise.all([...new Set([...this.plugins.names(), ...recorded])].map(async (driver) => {
      try {
        const found = await (await this.plugins.get(driver)).list();
        this.agree(driver, found.map((v) => v.name));
        for (const { name, mountpoint } of found) this.places.set(name, mountpoint);
      } catch (err) {
        this.logger.warn({ plugin: driver, reason: messageOf(err) }, "a plugin does not tell its volumes");
      }
    }));
  }

  private agree(driver: string, names: readonly string[]): void {
    const known = this.ledger.sql<[string], { name: string }>("SELECT name FROM volume WHERE driver = ?").all(driver).map((row) => row.name);
    this.ledger.transaction(() => {
      for (const name of names.filter((n) => !known.includes(n))) {
        this.ledger.sql<[string, string, number]>("INSERT INTO volume (name, driver, anonymous, labels, options, created_at) VALUES (?, ?, 0, '{}', '{}', ?) ON CONFLICT DO NOTHING").run(name, driver, this.clock.now());
      }
      for (const name of known.filter((n) => !names.includes(n))) {
        this.ledger.sql<[string, string]>("DELETE FROM volume WHERE name = ? AND NOT EXISTS (SELECT 1 FROM volume_use WHERE volume = ?)").run(name, name);
      }
    }, { durable: false });
  }

  /** Has plugins unmount what a former daemon had them mount. One that does not answer is asked again at the next start. */
  async unmountLeft(which: (owner: string) => boolean): Promise<void> {
    const left = this.ledger.sql<[], { volume: string; driver: string; mount: string }>("SELECT volume, driver, mount FROM plugin_mount JOIN volume ON name = volume").all();
    await Promise.all(left.filter(({ mount }) => which(mount)).map(async ({ volume, driver, mount }) => {
      try {
        await this.release(volume, driver, mount);
      } catch (err) {
        this.logger.warn({ err, volume }, "a plugin did not unmount a volume that a former daemon used");
      }
    }));
  }

  private async release(name: string, driver: string, owner: string): Promise<void> {
    await (await this.plugins.get(driver)).unmount(name, owner);
    this.forget(name, owner);
    this.places.delete(name);
  }
  private note(name: string, owner: string): void {
    this.ledger.transaction(() => this.ledger.sql<[string, string]>("INSERT INTO plugin_mount (volume, mount) VALUES (?, ?) ON CONFLICT DO NOTHING").run(name, owner), { durable: false });
  }
  private forget(name: string, owner: string): void {
    this.ledger.transaction(() => this.ledger.sql<[string, string]>("DELETE FROM plugin_mount WHERE volume = ? AND mount = ?").run(name, owner), { durable: false });
  }
}

async function knows(plugin: VolumePlugin, name: string): Promise<boolean> {
  try {
    await plugin.get(name);
    return true;
  } catch {
    return false; // each plugin has words of its own for that
  }
}

/** No plugins. */
export const noPlugins: VolumePlugins = {
  names: () => [],
  get: async (name) => { throw new NotFound(`error looking up volume plugin ${name}: plugin ${JSON.stringify(name)} not found`); },
};
