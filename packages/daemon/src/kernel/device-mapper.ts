import { existsSync, mkdirSync, readlinkSync, symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { errnoOf, Unavailable } from "../core/errors.js";
import { AT_FDCWD, close, ioctl, ioctlAsync, makedev, mknodat, O_RDONLY, openat } from "./libc.js";
import { findProgram, run } from "./spawn.js";

/**
 * The kernel's device-mapper, through /dev/mapper/control (linux/dm-ioctl.h, version 4). Devices go by name; lengths
 * are sectors of 512 bytes. Errors carry the kernel's `code`: ENXIO no such device, EBUSY in use, EEXIST, ENODATA.
 */

/** One line of a device's table: these devices have one each. */
export interface DmTarget {
  readonly sectors: number;
  /** `thin-pool`, `thin`, `linear` … */
  readonly type: string;
  readonly parameters: string;
}
export interface DmInfo {
  readonly major: number;
  readonly minor: number;
  /** How many have it open: mounts, file descriptors, other devices. */
  readonly openCount: number;
  readonly suspended: boolean;
  /** It goes with its last user. */
  readonly deferredRemove: boolean;
}

const DIRECTORY = "/dev/mapper";
const CONTROL = join(DIRECTORY, "control");
const HEADER = 312, TARGET = 40;
const VERSION = 0, REMOVE = 4, CREATE = 3, SUSPEND = 6, INFO = 7, LOAD = 9, STATUS = 12, LIST = 2, TARGETS = 13, MESSAGE = 14;
const AT = { version: 0, dataSize: 12, dataStart: 16, targets: 20, open: 24, flags: 28, dev: 40, name: 48 } as const;
const FLAG = { suspend: 1 << 1, table: 1 << 4, full: 1 << 8, skipLockFs: 1 << 10, noFlush: 1 << 11, deferred: 1 << 17 } as const;

const sector = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** The structure of a call: header, then what it carries, then room for the answer. */
function request(name: string, flags: number, payload: Uint8Array, targets: number, room = 0): Buffer {
  const data = Buffer.alloc(HEADER + Math.max(payload.length, room));
  data.writeUInt32LE(4, AT.version);
  data.writeUInt32LE(data.length, AT.dataSize);
  data.writeUInt32LE(HEADER, AT.dataStart);
  data.writeUInt32LE(targets, AT.targets);
  data.writeUInt32LE(flags, AT.flags);
  data.write(name, AT.name, 127, "utf8");
  data.set(payload, HEADER);
  return data;
}

const code = (command: number): number => 0xc138fd00 + command;

function withControl<T>(use: (fd: number) => T): T {
  const fd = openat(AT_FDCWD, CONTROL, O_RDONLY);
  try { return use(fd); } finally { close(fd); }
}
/** For what the kernel answers from memory. */
function ask(command: number, name = "", flags = 0, room = 0): Buffer {
  for (let size = room; ; size *= 4) {
    const data = request(name, flags, new Uint8Array(0), 0, size);
    withControl((fd) => ioctl(fd, code(command), data));
    if ((data.readUInt32LE(AT.flags) & FLAG.full) === 0) return data;
  }
}
/** For what may wait for a disk. */
async function tell(command: number, name: string, flags = 0, payload: Uint8Array = new Uint8Array(0), targets = 0, room = 0): Promise<Buffer> {
  const data = request(name, flags, payload, targets, room);
  const fd = openat(AT_FDCWD, CONTROL, O_RDONLY);
  try { await ioctlAsync(fd, code(command), data); } catch (error) {
    const why = errnoOf(error) ?? "failed";
    throw Object.assign(new Error(`device-mapper, ${name}: ${why} for ${command === MESSAGE ? `the message "${textAt(Buffer.from(payload), 8)}"` : `command ${command}`}`, { cause: error }), { code: why });
  } finally { close(fd); }
  return data;
}

function tableOf({ sectors, type, parameters }: DmTarget): Buffer {
  const data = Buffer.alloc(sector(TARGET + Buffer.byteLength(parameters) + 1));
  data.writeBigUInt64LE(BigInt(sectors), 8);
  data.write(type, 24, 15, "latin1");
  data.write(parameters, TARGET, "utf8");
  return data;
}
function targetOf(answer: Buffer): DmTarget {
  const at = answer.readUInt32LE(AT.dataStart);
  return { sectors: Number(answer.readBigUInt64LE(at + 8)), type: textAt(answer, at + 24), parameters: textAt(answer, at + TARGET).trim() };
}
function textAt(data: Buffer, at: number): string { return data.toString("utf8", at, data.indexOf(0, at)); }

/** Loads what is needed and checks that each target is there: Unavailable otherwise. */
export async function needTargets(...names: readonly string[]): Promise<void> {
  const modprobe = findProgram("modprobe");
  const missing = (): string[] => {
    if (!existsSync(CONTROL)) return [...names];
    const known = targetNames();
    return names.filter((name) => !known.has(name));
  };
  // The modules of both targets of thin provisioning are one.
  if (missing().length > 0 && modprobe !== undefined) await run(modprobe, ["-q", `dm-${names[0]!}`], { allow: [0, 1] });
  if (!existsSync(CONTROL)) throw new Unavailable("the kernel has no device-mapper");
  const still = missing();
  if (still.length > 0) throw new Unavailable(`the kernel's device-mapper has no ${still.join(" and no ")} target`);
}

function targetNames(): Set<string> {
  const answer = ask(TARGETS, "", 0, 4096), found = new Set<string>();
  for (let at = answer.readUInt32LE(AT.dataStart); ;) {
    found.add(textAt(answer, at + 16));
    const next = answer.readUInt32LE(at);
    if (next === 0) return found;
    at += next;
  }
}

/** The version of the kernel's interface. */
export function dmVersion(): string {
  const answer = ask(VERSION);
  return [0, 4, 8].map((at) => answer.readUInt32LE(at)).join(".");
}

/** Names of all devices. */
export function dmNames(): string[] {
  const answer = ask(LIST, "", 0, 16384), found: string[] = [];
  for (let at = answer.readUInt32LE(AT.dataStart); at + 12 < answer.length && answer.readBigUInt64LE(at) !== 0n;) {
    found.push(textAt(answer, at + 12));
    const next = answer.readUInt32LE(at + 8);
    if (next === 0) break;
    at += next;
  }
  return found;
}

/** Undefined when there is no such device. */
export function dmInfo(name: string): DmInfo | undefined {
  const answer = present(() => ask(INFO, name));
  if (answer === undefined) return undefined;
  const dev = answer.readUInt32LE(AT.dev), flags = answer.readUInt32LE(AT.flags);
  return {
    major: (dev >> 8) & 0xfff, minor: (dev & 0xff) | ((dev >> 12) & 0xfff00), openCount: answer.readInt32LE(AT.open),
    suspended: (flags & FLAG.suspend) !== 0, deferredRemove: (flags & FLAG.deferred) !== 0,
  };
}

/** A device's table; undefined when there is no such device. */
export function dmTable(name: string): DmTarget | undefined {
  const answer = present(() => ask(STATUS, name, FLAG.table | FLAG.noFlush, 4096));
  return answer === undefined || answer.readUInt32LE(AT.targets) === 0 ? undefined : targetOf(answer);
}
/** Its status line, as the kernel has it in memory. */
export function dmStatus(name: string): DmTarget | undefined {
  const answer = present(() => ask(STATUS, name, FLAG.noFlush, 4096));
  return answer === undefined || answer.readUInt32LE(AT.targets) === 0 ? undefined : targetOf(answer);
}
/** The same once what is under way is written: exact. */
export async function dmStatusFlushed(name: string): Promise<DmTarget> { return targetOf(await tell(STATUS, name, 0, new Uint8Array(0), 0, 4096)); }

function present<T>(call: () => T): T | undefined {
  try { return call(); } catch (error) {
    if (errnoOf(error) === "ENXIO") return undefined;
    throw error;
  }
}

/** Makes a device and its node; when it throws, there is none. */
export async function dmCreate(name: string, target: DmTarget): Promise<void> {
  await tell(CREATE, name);
  try {
    await tell(LOAD, name, 0, tableOf(target), 1);
    await tell(SUSPEND, name);
    makeNode(name);
  } catch (error) {
    await dmRemove(name, { deferred: true });
    throw error;
  }
}

/** Another table for a device in use: whoever writes meanwhile waits. */
export async function dmReload(name: string, target: DmTarget): Promise<void> {
  await tell(LOAD, name, 0, tableOf(target), 1);
  // Resuming a device with a new table suspends it for the exchange. What waits for space must not be waited for.
  await tell(SUSPEND, name, FLAG.noFlush | FLAG.skipLockFs | FLAG.suspend);
  await tell(SUSPEND, name);
}
/** Runs with the device suspended: its file system frozen, everything written. */
export async function whileSuspended<T>(name: string, work: () => Promise<T>): Promise<T> {
  await tell(SUSPEND, name, FLAG.suspend);
  try { return await work(); } finally { await tell(SUSPEND, name); }
}

/** A message to a target (`create_thin 5`). */
export async function dmMessage(name: string, text: string): Promise<void> {
  const payload = Buffer.alloc(8 + Buffer.byteLength(text) + 1);
  payload.write(text, 8, "utf8");
  await tell(MESSAGE, name, 0, payload);
}

/**
 * Takes a device away; absent is success. True when it is gone; with `deferred` one in use goes with its last user,
 * otherwise EBUSY is waited out for a while (udev may be looking at it) and then false.
 */
export async function dmRemove(name: string, { deferred }: { readonly deferred: boolean }): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    try {
      const info = dmInfo(name);
      if (info === undefined) break;
      await tell(REMOVE, name, deferred ? FLAG.deferred : 0);
      if (dmInfo(name) !== undefined) return false;
      break;
    } catch (error) {
      if (errnoOf(error) === "ENXIO") break;
      if (errnoOf(error) !== "EBUSY") throw error;
      if (attempt === 10) return false;
      await delay(20);
    }
  }
  dropNode(name);
  return true;
}
/** Takes back a deferred removal. False when the device has gone already. */
export async function dmKeep(name: string): Promise<boolean> {
  try { await dmMessage(name, "@cancel_deferred_remove"); return true; }
  catch (error) {
    if (errnoOf(error) === "ENXIO") return false;
    throw error;
  }
}

export const dmNode = (name: string): string => join(DIRECTORY, name);

/** The node that udev would make, at once: with udev its own follows and is the same. */
function makeNode(name: string): void {
  const { major, minor } = dmInfo(name)!;
  mkdirSync(DIRECTORY, { recursive: true });
  const real = `dm-${minor}`, node = dmNode(name);
  if (linkOf(node) === `../${real}`) return;
  try { unlinkSync(node); } catch (error) { if (errnoOf(error) !== "ENOENT") throw error; }
  try {
    if (existsSync(`/dev/${real}`)) symlinkSync(`../${real}`, node);
    else mknodat(AT_FDCWD, node, 0o060600, makedev(major, minor));
  } catch (error) { if (errnoOf(error) !== "EEXIST") throw error; }
}
function linkOf(path: string): string | undefined {
  try { return readlinkSync(path); } catch { return undefined; }
}
function dropNode(name: string): void {
  try { unlinkSync(dmNode(name)); } catch (error) { if (errnoOf(error) !== "ENOENT") throw error; }
}
