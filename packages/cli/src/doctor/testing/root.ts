import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { chainIdsOf, type DiffId } from "@strata/oci";

const hex = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A data root as dockerd lays one out, made of small files. */
export class MadeRoot {
  readonly path: string;

  constructor(readonly driver = "overlay2", name = "docker") {
    this.path = join(mkdtempSync(join(tmpdir(), "strata-doctor-")), name);
    for (const folder of ["containers", "volumes", `image/${driver}/imagedb/content/sha256`, `image/${driver}/layerdb/sha256`, `image/${driver}/layerdb/mounts`, `image/${driver}/layerdb/tmp`, this.folder]) this.directory(folder);
    if (driver === "overlay2") this.directory("overlay2/l");
    this.tags({});
  }

  get folder(): string { return this.driver === "vfs" ? "vfs/dir" : this.driver; }
  remove(): void { rmSync(dirname(this.path), { recursive: true, force: true }); }

  file(path: string, content: string | Buffer): string {
    this.directory(dirname(path));
    writeFileSync(join(this.path, path), content);
    return path;
  }
  directory(path: string): string {
    mkdirSync(join(this.path, path), { recursive: true });
    return path;
  }

  /** A directory of the driver with a file of so many bytes, and its short link. */
  layerDirectory(name: string, bytes = 10_000, lower: readonly string[] = []): string {
    if (existsSync(join(this.path, this.folder, name))) return name;
    if (this.driver !== "overlay2") {
      this.file(`${this.folder}/${name}/file`, Buffer.alloc(bytes, 7));
      return name;
    }
    const short = this.shortOf(name);
    this.file(`overlay2/${name}/diff/file`, Buffer.alloc(bytes, 7));
    this.file(`overlay2/${name}/link`, short);
    if (lower.length > 0) this.file(`overlay2/${name}/lower`, lower.map((one) => `l/${this.shortOf(one)}`).join(":"));
    symlinkSync(`../${name}/diff`, join(this.path, "overlay2/l", short));
    return name;
  }
  shortOf(name: string): string { return hex(name).slice(0, 26).toUpperCase(); }
  idOf(word: string): string { return hex(`directory ${word}`); }

  /** Layers one above the other, named by words; gives their chain IDs. */
  layers(...words: readonly string[]): string[] {
    const diffs = words.map((word) => `sha256:${hex(word)}` as DiffId), chains = chainIdsOf(diffs);
    chains.forEach((chain, at) => {
      const record = this.recordOf(chain);
      this.file(`${record}/diff`, diffs[at]!);
      this.file(`${record}/size`, "10000");
      this.file(`${record}/cache-id`, this.layerDirectory(this.idOf(chain), 10_000, chains.slice(0, at).reverse().map((one) => this.idOf(one))));
      if (at > 0) this.file(`${record}/parent`, chains[at - 1]!);
    });
    return chains;
  }
  recordOf(chain: string): string { return `image/${this.driver}/layerdb/sha256/${chain.slice("sha256:".length)}`; }

  /** An image of layers that `layers` made of the same words. */
  image(...words: readonly string[]): string {
    const config = JSON.stringify({ created: "2026-01-01T00:00:00Z", rootfs: { type: "layers", diff_ids: words.map((word) => `sha256:${hex(word)}`) }, config: {} });
    this.file(`image/${this.driver}/imagedb/content/sha256/${hex(config)}`, config);
    return `sha256:${hex(config)}`;
  }
  tags(tags: Readonly<Record<string, string>>): void { this.file(`image/${this.driver}/repositories.json`, JSON.stringify({ Repositories: { all: tags } })); }

  container(word: string, image: string, parent: string, more: object = {}): string {
    const id = hex(`container ${word}`);
    this.file(`containers/${id}/config.v2.json`, JSON.stringify({ ID: id, Name: `/${word}`, Image: image, Driver: this.driver, State: { Running: false }, MountPoints: {}, ...more }));
    this.writable(id, parent);
    return id;
  }
  writable(owner: string, parent: string): string {
    const record = `image/${this.driver}/layerdb/mounts/${owner}`, mount = this.idOf(owner);
    this.file(`${record}/mount-id`, this.layerDirectory(mount));
    this.file(`${record}/init-id`, this.layerDirectory(`${mount}-init`));
    this.file(`${record}/parent`, parent);
    return record;
  }
}
