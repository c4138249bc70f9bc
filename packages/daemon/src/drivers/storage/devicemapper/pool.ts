import { mkdirSync, statSync, truncateSync, writeFileSync, existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { errnoOf, InvalidArgument, Unavailable } from "../../../core/errors.js";
import { deviceNode, deviceSize } from "../../../kernel/block-device.js";
import { dmCreate, dmInfo, dmMessage, dmReload, dmRemove, dmStatus, dmStatusFlushed, dmTable, type DmTarget } from "../../../kernel/device-mapper.js";
import { attachLoop, growLoop, loopBacking, type LoopDevice } from "../../../kernel/loop.js";
import { findProgram, run } from "../../../kernel/spawn.js";
import { readPoolFormat } from "../../../kernel/thin-metadata.js";
import type { Layout } from "./layout.js";
import { DEFAULTS, type DmOptions, type PoolPlace } from "./options.js";

const METADATA_BLOCK = 4096, LOW_WATER_BLOCKS = 32768;

export interface PoolStatus {
  readonly transactionId: number;
  /** Bytes. */
  readonly metadataUsed: number;
  readonly metadataTotal: number;
  readonly dataUsed: number;
  readonly dataTotal: number;
  /** Block of the metadata snapshot, if one is held. */
  readonly held: number | undefined;
  /** `full`: no data block is left. `read-only`: the metadata are full or damaged. `failed`: not even read. */
  readonly state: "ok" | "full" | "read-only" | "failed";
  readonly needsCheck: boolean;
}

/** A thin pool in use, whatever it is made of. */
export class ThinPool {
  constructor(readonly name: string, private readonly layout: Layout, private readonly place: PoolPlace["kind"]) {}

  /** The daemon made it, so that it may grow it and take it down. */
  get own(): boolean { return this.place === "loop" || this.place === "devices"; }
  get loops(): { readonly data: string; readonly metadata: string } | undefined {
    return this.place === "loop" ? { data: this.layout.dataFile, metadata: this.layout.metadataFile } : undefined;
  }
  get blockSize(): number { return this.parts().blockSectors * 512; }
  /** `7:0` of what lies below. */
  parts(): { readonly metadata: string; readonly data: string; readonly blockSectors: number } {
    const [metadata, data, blocks] = this.table().parameters.split(" ");
    return { metadata: metadata!, data: data!, blockSectors: Number(blocks) };
  }
  /** Where its metadata can be read. */
  get metadataPath(): string { return this.loops?.metadata ?? deviceNode(this.parts().metadata); }

  status(): PoolStatus { return this.parse(dmStatus(this.name)); }
  async exactStatus(): Promise<PoolStatus> { return this.parse(await dmStatusFlushed(this.name)); }
  message(text: string): Promise<void> { return dmMessage(this.name, text); }
  thin(device: number, bytes: number): DmTarget { return { sectors: Math.floor(bytes / 512), type: "thin", parameters: `/dev/mapper/${this.name} ${device}` }; }

  /** Bytes that the file system below the loop files has left for them; undefined where there are none. */
  async below(): Promise<number | undefined> {
    if (this.loops === undefined) return undefined;
    const { bavail, bsize } = await statfs(this.loops.data);
    return bavail * bsize;
  }

  /** Takes over what its devices have become larger by. Writers wait meanwhile, and go on. */
  async fit(): Promise<void> {
    if (!this.own) return;
    const { data, metadata } = this.parts(), table = this.table();
    const sectors = Math.floor(deviceSize(deviceNode(data)) / 512);
    const metadataBlocks = Math.floor(deviceSize(deviceNode(metadata)) / METADATA_BLOCK);
    const { metadataTotal, state } = this.status();
    // The kernel uses 255 × 16448 metadata blocks at most, whatever the device has.
    if (sectors <= table.sectors && Math.min(metadataBlocks, 255 * 16448) * METADATA_BLOCK <= metadataTotal && state === "ok") return;
    await dmReload(this.name, { ...table, sectors: Math.max(sectors, table.sectors) });
  }

  /** Larger files for a pool on loop devices; what is not given, or no larger, stays. */
  async grow(dataSize: number | undefined, metadataSize: number | undefined): Promise<void> {
    if (this.loops === undefined) return;
    const { data, metadata } = this.parts();
    for (const [file, device, size] of [[this.loops.data, data, dataSize], [this.loops.metadata, metadata, metadataSize]] as const) {
      if (size === undefined || size <= statSync(file).size) continue;
      truncateSync(file, size);
      growLoop(deviceNode(device));
    }
    await this.fit();
  }

  /** Takes the pool down once nothing uses it; false when something does. */
  async close(): Promise<boolean> { return this.own && dmInfo(this.name)?.openCount === 0 && dmRemove(this.name, { deferred: false }); }

  private table(): DmTarget {
    const table = dmTable(this.name);
    if (table === undefined) throw new Unavailable(`the thin pool ${this.name} is gone`);
    return table;
  }

  private parse(target: DmTarget | undefined): PoolStatus {
    if (target === undefined) throw new Unavailable(`the thin pool ${this.name} is gone`);
    const failed = { transactionId: 0, metadataUsed: 0, metadataTotal: 0, dataUsed: 0, dataTotal: 0, held: undefined, state: "failed", needsCheck: true } as const;
    const [transaction, metadata, data, held, mode, , , check] = target.parameters.split(" ");
    if (transaction === undefined || metadata === undefined || data === undefined || !/^\d+$/.test(transaction)) return failed;
    const [metadataUsed, metadataTotal] = metadata.split("/").map((n) => Number(n) * METADATA_BLOCK);
    const [dataUsed, dataTotal] = data.split("/").map((n) => Number(n) * this.blockSize);
    return {
      transactionId: Number(transaction), metadataUsed: metadataUsed!, metadataTotal: metadataTotal!, dataUsed: dataUsed!, dataTotal: dataTotal!,
      held: held === "-" ? undefined : Number(held), state: mode === "out_of_data_space" ? "full" : mode === "ro" ? "read-only" : "ok", needsCheck: check === "needs_check",
    };
  }
}

/** Sizes that would make files smaller: InvalidArgument. */
export function refuseSmallerFiles(layout: Layout, options: DmOptions): void {
  for (const [name, file, size] of [["dm.loopdatasize", layout.dataFile, options.loopDataSize], ["dm.loopmetadatasize", layout.metadataFile, options.loopMetadataSize]] as const) {
    const now = statSync(file, { throwIfNoEntry: false })?.size;
    if (size !== undefined && now !== undefined && size < now) throw new InvalidArgument(`${name}: ${file} has ${now} bytes and cannot be made smaller (${size})`);
  }
}

/** Makes the pool, or takes over the one that is active already. */
export async function openPool(layout: Layout, options: DmOptions): Promise<ThinPool> {
  const { place } = options;
  if (place.kind === "pool") return givenPool(layout, place.name);
  if (place.kind === "lvm") return givenPool(layout, "docker-thinpool");
  const pool = new ThinPool(layout.poolName, layout, place.kind);
  if (place.kind === "loop") {
    refuseSmallerFiles(layout, options);
    mkdirSync(layout.loops, { recursive: true, mode: 0o700 });
    sparse(layout.dataFile, options.loopDataSize ?? DEFAULTS.loopDataSize);
    sparse(layout.metadataFile, options.loopMetadataSize ?? DEFAULTS.loopMetadataSize);
    const active = dmTable(pool.name);
    if (active === undefined) await startOnLoops(pool.name, layout, options);
    else if (loopBacking(pool.parts().data) !== layout.dataFile) throw new Unavailable(`the thin pool ${pool.name} is active and does not stand on ${layout.dataFile}`);
    await pool.grow(options.loopDataSize, options.loopMetadataSize);
  } else {
    if (dmTable(pool.name) === undefined) await start(pool.name, place.metadata, place.data, options);
    await pool.fit();
  }
  return pool;
}

function givenPool(layout: Layout, name: string): ThinPool {
  // LVM puts a device of its own in front of a pool that has volumes of LVM's making.
  const found = [name, `${name}-tpool`].find((one) => dmTable(one)?.type === "thin-pool");
  if (found === undefined) throw new Unavailable(`there is no thin pool /dev/mapper/${name}`);
  return new ThinPool(found, layout, "pool");
}

function sparse(file: string, size: number): void {
  if (existsSync(file)) return;
  writeFileSync(file, "", { mode: 0o600 });
  truncateSync(file, size);
}

async function startOnLoops(name: string, layout: Layout, options: DmOptions): Promise<void> {
  const loops: LoopDevice[] = [];
  try {
    // Larger before it starts: a pool whose metadata ran out needs the room to start at all.
    if (options.loopMetadataSize !== undefined && options.loopMetadataSize > statSync(layout.metadataFile).size) truncateSync(layout.metadataFile, options.loopMetadataSize);
    for (const file of [layout.metadataFile, layout.dataFile]) loops.push(attachLoop(file, { writable: true }));
    await start(name, loops[0]!.path, loops[1]!.path, options);
  } finally { for (const loop of loops) loop.close(); }
}

async function start(name: string, metadata: string, data: string, options: DmOptions): Promise<void> {
  const format = await readPoolFormat(metadata);
  if (format !== undefined && options.blockSectors !== undefined && options.blockSectors !== format.blockSectors) {
    throw new InvalidArgument(`dm.blocksize: the pool has blocks of ${format.blockSectors * 512} bytes, which cannot be changed`);
  }
  const blockSectors = format?.blockSectors ?? options.blockSectors ?? DEFAULTS.blockSectors;
  const table = { sectors: Math.floor(deviceSize(data) / 512), type: "thin-pool", parameters: `${metadata} ${data} ${blockSectors} ${LOW_WATER_BLOCKS} 1 skip_block_zeroing` };
  await createPool(name, table);
  if (!dmStatus(name)!.parameters.includes("needs_check")) return;
  // Only without a pool on them can metadata be checked; afterwards the flag is off.
  await dmRemove(name, { deferred: false });
  const check = findProgram("thin_check");
  if (check === undefined) throw new Unavailable(`the thin pool ${name} needs a check of its metadata, and there is no thin_check (package thin-provisioning-tools)`);
  try { await run(check, ["--clear-needs-check-flag", metadata]); }
  catch (error) { throw new Unavailable(`the metadata of the thin pool ${name} are damaged: thin_repair may mend them`, { cause: error }); }
  await createPool(name, table);
}

async function createPool(name: string, table: DmTarget): Promise<void> {
  try { await dmCreate(name, table); } catch (error) {
    if (errnoOf(error) === "EBUSY") throw new Unavailable(`the thin pool ${name} cannot start: its devices are in use`, { cause: error });
    throw new Unavailable(`the thin pool ${name} cannot start (${String(errnoOf(error))}): the kernel's log says why`, { cause: error });
  }
}
