import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WorkerPool } from "../../../../archive/workers/pool.js";
import { silentLogger } from "../../../../core/logger.js";
import type { SnapshotId } from "../../../../core/ids.js";
import type { OpenedDriver } from "../../../../core/storage.js";
import { dmNames } from "../../../../kernel/device-mapper.js";
import { mountsBelow } from "../../../../kernel/mount-table.js";
import type { Subject } from "../../testing/rig.js";
import { openDevicemapper } from "../devicemapper.js";
import { Layout } from "../layout.js";

/** Why this machine cannot run the driver, if so. */
export function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  spawnSync("modprobe", ["-q", "dm_thin_pool"]);
  const targets = existsSync("/dev/mapper/control") ? spawnSync("dmsetup", ["targets"], { encoding: "utf8" }).stdout : "";
  return targets.includes("thin-pool") ? undefined : "the kernel has no device-mapper with thin-pool; runs in the VM";
}

export interface Report { readonly action: string; readonly attributes: Readonly<Record<string, string>> }

/** Opens the driver on a data root. */
export function openOn(dataRoot: string, workers: WorkerPool, options: Readonly<Record<string, string>>, reports: Report[] = []): Promise<OpenedDriver> {
  return openDevicemapper({
    root: join(dataRoot, "devicemapper"), trash: join(dataRoot, "trash"), workers, options: new Map(Object.entries(options)), report: (action, attributes) => reports.push({ action, attributes }), logger: silentLogger,
  });
}

/** What a data root holds once its pool is made: a start for others, which spares each the making of file systems. */
export class Template {
  private readonly dataRoot = mkdtempSync(join(tmpdir(), "strata-template-"));

  static async make(workers: WorkerPool, options: Readonly<Record<string, string>>): Promise<Template> {
    const template = new Template();
    await (await openOn(template.dataRoot, workers, options)).close();
    return template;
  }
  lay(dataRoot: string): void {
    mkdirSync(join(dataRoot, "devicemapper"));
    for (const name of ["metadata", "devicemapper"]) {
      const from = join(this.dataRoot, "devicemapper", name);
      if (existsSync(from)) execFileSync("cp", ["-r", "--sparse=always", "--reflink=auto", from, join(dataRoot, "devicemapper")]);
    }
  }
  forget(): void { rmSync(this.dataRoot, { recursive: true }); }
}

/** One pool for a whole file of tests: mkfs and the start of a pool cost more than most of them. */
export class Kept {
  private constructor(private readonly driver: OpenedDriver, readonly dataRoot: string) {}

  static async open(workers: WorkerPool, options: Readonly<Record<string, string>>): Promise<Kept> {
    const dataRoot = mkdtempSync(join(tmpdir(), "strata-kept-"));
    return new Kept(await openOn(dataRoot, workers, options), dataRoot);
  }
  subject(): Subject { return { ...subjectOf(this.driver, this.dataRoot), dataRoot: this.dataRoot }; }
  async close(): Promise<void> {
    await this.driver.close();
    rmSync(this.dataRoot, { recursive: true });
  }
}

/** The driver as the conformance suite wants it. */
export function subjectOf(driver: OpenedDriver, dataRoot: string): Subject {
  const root = join(dataRoot, "devicemapper"), layout = new Layout(root);
  const record = (id: string, more: object = {}): void => writeFileSync(join(root, "metadata", id), JSON.stringify({ device_id: 9_000_000, size: 2 ** 30, transaction_id: 1, ...more }));
  return {
    driver,
    tree: (id) => {
      const point = layout.mountPoint(id), name = layout.deviceName(id);
      const { device_id: device, size } = layout.device(id)!;
      mkdirSync(point, { recursive: true });
      if (!dmNames().includes(name)) execFileSync("dmsetup", ["create", name, "--table", `0 ${size / 512} thin /dev/mapper/${poolOf(root)} ${device}`]);
      if (mountsBelow(point).length === 0) execFileSync("mount", ["-o", "rw", `/dev/mapper/${name}`, point]);
      return join(point, "rootfs");
    },
    stays: (name) => /^devicemapper\/(devicemapper\/(data|metadata)|metadata\/(base|deviceset-metadata|transaction-metadata))$/.test(name),
    // A layer takes whole blocks of 64K, of which the file system's own structures fill a few; XFS clears 2M of its log at every mount.
    slack: (2 << 20) + 12 * 65536,
    highestMinor: 2 ** 18 - 1,
    crashes: [
      (id) => record(id),
      (id) => writeFileSync(join(root, "metadata", id), ""),
      (id) => mkdirSync(join(root, "mnt", id)),
      (id) => { record(id, { committed: true }); mkdirSync(join(root, "mnt", id)); mkdirSync(join(root, "split"), { recursive: true }); writeFileSync(join(root, "split", `${id}.gz`), ""); },
    ],
  };
}
const poolOf = (root: string): string => dmNames().find((name) => name === new Layout(root).poolName) ?? "docker-thinpool";

/** Devices and loops that are there: what a test leaves must not be more. */
export function devicesThere(): string[] {
  const loops = readdirSync("/sys/block").filter((name) => name.startsWith("loop") && existsSync(`/sys/block/${name}/loop/backing_file`));
  return [...dmNames(), ...loops.map((name) => readFileSync(`/sys/block/${name}/loop/backing_file`, "utf8").trim())].sort();
}
export const ids = async (driver: OpenedDriver): Promise<SnapshotId[]> => { const found: SnapshotId[] = []; for await (const id of driver.list()) found.push(id); return found.sort(); };
