import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { InvalidArgument } from "../core/index.js";
import type { MemberWriter } from "./tar-members.js";

/** A member is written in portions of about so much. */
const BATCH = 1024 * 1024;
/** Descriptions (manifests, configurations) are read into memory. */
const MAX_SMALL = 16 * 1024 * 1024;

/** Members of an archive, kept in files of a directory of their own until it is known what they are. */
export class Spool {
  readonly #members = new Map<string, { path: string; size: number } | { target: string }>();
  readonly #writers = new Set<FileWriter>();
  #count = 0;

  private constructor(private readonly directory: string) {}

  static async create(parent: string): Promise<Spool> {
    return new Spool(await mkdtemp(join(parent, "load-")));
  }

  /** Keeps a member. A second of the same name takes its place, as when unpacking. */
  add(name: string): MemberWriter {
    const path = join(this.directory, String(this.#count++));
    const member = { path, size: 0 };
    this.#members.set(name, member);
    const writer = new FileWriter(path, (n) => { member.size += n; }, () => this.#writers.delete(writer));
    this.#writers.add(writer);
    return writer;
  }

  /** A link in the archive: its content is that of `target`. */
  link(name: string, target: string): void { this.#members.set(name, { target }); }

  has(name: string): boolean { return this.#find(name) !== undefined; }

  /** The file that a member is kept in. InvalidArgument when the archive has no such member. */
  file(name: string): { readonly path: string; readonly size: number } {
    const member = this.#find(name);
    if (member === undefined) throw new InvalidArgument(`the archive lacks ${name}`);
    return member;
  }

  /** A small member as a whole; undefined when it is not there. */
  async read(name: string): Promise<Buffer | undefined> {
    const member = this.#find(name);
    if (member === undefined) return undefined;
    if (member.size > MAX_SMALL) throw new InvalidArgument(`${name} of the archive is too large to be a description`);
    return await readFile(member.path);
  }

  async remove(): Promise<void> {
    for (const writer of this.#writers) await writer.end().catch(() => {});
    await rm(this.directory, { recursive: true, force: true });
  }

  #find(name: string): { path: string; size: number } | undefined {
    let member = this.#members.get(name);
    for (let hops = 0; member !== undefined && "target" in member; hops++) member = hops < 8 ? this.#members.get(member.target) : undefined;
    return member;
  }
}

/** Gathers and writes; the next portion is gathered while the one before is on its way. */
class FileWriter implements MemberWriter {
  #file: FileHandle | undefined;
  #batch: Buffer[] = [];
  #gathered = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(private readonly path: string, private readonly wrote: (bytes: number) => void, private readonly ended: () => void) {}

  async write(bytes: Buffer): Promise<void> {
    this.#batch.push(bytes);
    this.#gathered += bytes.length;
    this.wrote(bytes.length);
    if (this.#gathered >= BATCH) await this.#flush();
  }

  async end(): Promise<void> {
    try {
      await this.#flush();
      await this.#writing;
    } finally {
      this.ended();
      await this.#file?.close();
    }
  }

  async #flush(): Promise<void> {
    await this.#writing;
    const batch = this.#batch;
    [this.#batch, this.#gathered] = [[], 0];
    this.#file ??= await open(this.path, "wx", 0o600);
    const file = this.#file;
    this.#writing = writeAll(file, batch);
    this.#writing.catch(() => {});
  }
}

async function writeAll(file: FileHandle, buffers: Buffer[]): Promise<void> {
  if (buffers.length === 0) return;
  const total = buffers.reduce((sum, b) => sum + b.length, 0);
  const { bytesWritten } = await file.writev(buffers);
  if (bytesWritten < total) await file.writeFile(Buffer.concat(buffers).subarray(bytesWritten));
}
