import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorkerPool } from "./archive/workers/pool.js";
import { DataRoot, InvalidArgument, silentLogger, type SnapshotId, type StorageDriver } from "./core/index.js";
import { openStorage, parseStorageOptions, type Storage } from "./storage.js";

let directory: string, root: DataRoot, workers: WorkerPool;
beforeAll(() => { workers = new WorkerPool({ size: 1 }); });
afterAll(() => workers.close());
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "strata-storage-"));
  root = new DataRoot(directory);
  mkdirSync(root.trash);
});
afterEach(() => rmSync(directory, { recursive: true }));

const open = (wanted: string, inUse: readonly string[] = []): Promise<Storage> => openStorage({ wanted, inUse, root, options: new Map(), report: () => undefined, workers, logger: silentLogger });
const names = (drivers: ReadonlyMap<string, StorageDriver>): string[] => [...drivers.keys()];

test("a data root gets the driver that is wanted, and each that the ledger or the disk knows of", async () => {
  expect(names((await open("vfs")).drivers)).toEqual(["vfs"]);
  expect(existsSync(root.driver("overlay2"))).toBe(false);
  const vfs = (await open("vfs")).drivers.get("vfs")!;
  await vfs.create("left" as SnapshotId, []);
  mkdirSync(root.driver("overlay2"));
  mkdirSync(join(root.driver("overlay2"), "l"));
  expect(names((await open("vfs")).drivers)).toEqual(["vfs"]);
  mkdirSync(join(root.driver("overlay2"), "garbage", "diff"), { recursive: true });
  const both = await open("vfs");
  expect({ drivers: names(both.drivers), chosen: both.defaultDriver, absent: names(both.absent), warnings: both.warnings }).toEqual({ drivers: ["vfs", "overlay2"], chosen: "vfs", absent: [], warnings: [] });
  expect((await both.status()).at(-1)).toEqual(["Former Drivers", "overlay2"]);
});

test("one that cannot be opened has a stand-in that says why, and a warning in info; the daemon goes on", async () => {
  const storage = await open("vfs", ["vfs", "floppy"]);
  expect({ drivers: names(storage.drivers), absent: names(storage.absent), warnings: storage.warnings }).toEqual({
    drivers: ["vfs"], absent: ["floppy"], warnings: ["WARNING: the storage driver floppy, which holds layers, does not work here: this version does not have it"],
  });
  await expect(storage.absent.get("floppy")!.mounts("x" as SnapshotId, [], "rw")).rejects.toThrow("the storage driver floppy, on which this lies, does not work here: this version does not have it");
});

test("options are of the form name=value and known to a driver", () => {
  for (const text of ["size", "=1", "no.such=1"]) expect(() => parseStorageOptions([text])).toThrow(InvalidArgument);
  expect(parseStorageOptions([])).toEqual(new Map());
});
