import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorkerPool } from "../../../archive/workers/pool.js";
import { storageConformance } from "../conformance.js";
import { devicesThere, Kept, openOn, whyNot } from "./testing/bench.js";

const disk = process.env["STRATA_TEST_LVM_DISK"];
const reason = whyNot() ?? (disk === undefined ? "STRATA_TEST_LVM_DISK names no disk to spend" : undefined);
const LVM = { "dm.directlvm_device": disk ?? "", "dm.thinp_percent": "60", "dm.thinp_metapercent": "2", "dm.thinp_autoextend_threshold": "90", "dm.basesize": "512M" };
const POOL = { "dm.thinpooldev": "/dev/mapper/docker-thinpool", "dm.basesize": "256M", "dm.fs": "ext4" };

jest.setTimeout(300_000);
(reason === undefined ? describe : describe.skip)(`devicemapper makes LVM set a disk up${reason === undefined ? "" : ` (skipped: ${reason})`}`, () => {
  let workers: WorkerPool, dataRoot: string;
  beforeAll(() => { workers = new WorkerPool(); dataRoot = mkdtempSync(join(tmpdir(), "strata-lvm-")); });
  afterAll(async () => { rmSync(dataRoot, { recursive: true }); await workers.close(); });
  const lvs = (field: string): string => execFileSync("lvs", ["--noheadings", "--nosuffix", "--units", "m", "-o", field, "docker/thinpool"], { encoding: "utf8" }).trim();

  test("a disk that holds something is refused, unless forced; then the pool is there, with its thresholds", async () => {
    execFileSync("mkfs.ext4", ["-q", "-F", disk!]);
    await expect(openOn(dataRoot, workers, LVM)).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringMatching(/dm\.directlvm_device.*ext4/) });
    const driver = await openOn(dataRoot, workers, { ...LVM, "dm.directlvm_device_force": "true" });
    expect(JSON.parse(readFileSync(join(dataRoot, "devicemapper/setup-config.json"), "utf8"))).toEqual({ Device: disk, ThinpPercent: 60, ThinpMetaPercent: 2, AutoExtendPercent: 20, AutoExtendThreshold: 90 });
    expect(readFileSync("/etc/lvm/profile/docker-thinpool.profile", "utf8")).toContain("thin_pool_autoextend_threshold=90");
    expect(lvs("profile")).toBe("docker-thinpool");
    const lines = new Map(await driver.status());
    expect([...lines.keys()]).not.toContain("Data loop file");
    expect([lines.get("Pool Name"), lines.get("Data file"), lines.get("Metadata file"), lines.get("Pool Blocksize")]).toEqual(["docker-thinpool", "", "", "524.3kB"]);
    await driver.close();
  });
  test("the same again takes the pool as it is, another disk is refused; what lvextend adds is seen", async () => {
    await expect(openOn(dataRoot, workers, { ...LVM, "dm.directlvm_device": "/dev/vda" })).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringContaining("dm.directlvm_device") });
    const driver = await openOn(dataRoot, workers, LVM);
    const total = async (): Promise<string> => new Map(await driver.status()).get("Data Space Total")!;
    const was = await total();
    execFileSync("lvextend", ["-q", "-l", "+10%VG", "docker/thinpool"], { stdio: "ignore" });
    await driver.reconfigure(new Map(Object.entries(LVM)));
    expect(parseFloat(await total())).toBeGreaterThan(parseFloat(was));
    const id = "a".repeat(64) as never;
    await driver.create(id, []);
    await driver.remove(id);
    await driver.drainTrash();
    await driver.close();
  });
});

/** On the pool that the tests above have made. */
describe("on LVM's pool", () => {
  let pool: Kept, workers: WorkerPool;
  beforeAll(async () => {
    if (reason !== undefined) return;
    workers = new WorkerPool({ idleMs: 60_000 });
    pool = await Kept.open(workers, POOL);
  });
  afterAll(async () => {
    if (reason !== undefined) return;
    await pool.close();
    await workers.close();
  });
  /** Between tests no device of the driver's is there. */
  afterEach(() => { if (reason === undefined) expect(devicesThere().filter((name) => /^docker-\d/.test(name))).toEqual([]); });

  storageConformance("devicemapper, direct-lvm", () => ({ ...pool.subject(), slack: 12 * 524288, highestMinor: 2 ** 20 - 1 }), () => reason);
});
