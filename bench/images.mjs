// Images on disk: gzipped layers, configs and manifests by digest, each made once.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream, existsSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { header, padding } from "./tar.mjs";

export const TYPES = {
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
};
const sha = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

function measuring(hash, counter) {
  return new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      counter.n += chunk.length;
      done(null, chunk);
    },
  });
}

export class ImageStore {
  constructor(folder) {
    this.folder = folder;
    mkdirSync(`${folder}/blobs`, { recursive: true });
  }
  blobPath(digest) { return `${this.folder}/blobs/${digest.slice(7)}`; }

  /** Gzips a tar stream into the store; remembers the result under `name`. */
  async layer(name, makeTar) {
    const memo = `${this.folder}/layer-${name}.json`;
    if (existsSync(memo)) return JSON.parse(readFileSync(memo));
    const diff = createHash("sha256"), gz = createHash("sha256");
    const raw = { n: 0 }, packed = { n: 0 };
    const unfinished = `${this.folder}/unfinished-${name}`;
    await pipeline(Readable.from(makeTar(), { objectMode: false }), measuring(diff, raw), createGzip({ level: 6 }), measuring(gz, packed), createWriteStream(unfinished));
    const made = { digest: `sha256:${gz.digest("hex")}`, size: packed.n, diffId: `sha256:${diff.digest("hex")}`, rawSize: raw.n };
    renameSync(unfinished, this.blobPath(made.digest));
    writeFileSync(memo, JSON.stringify(made));
    console.log(`layer ${name}: ${raw.n} bytes, gzip ${packed.n}, ${made.digest.slice(0, 19)}`);
    return made;
  }

  image(name, layers, cmd = ["sh"]) {
    const created = "2020-01-01T00:00:00Z";
    const config = Buffer.from(JSON.stringify({
      architecture: "amd64", os: "linux", created,
      config: { Cmd: cmd, Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] },
      rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
      history: layers.map((_, i) => ({ created, created_by: `bench layer ${i}` })),
    }));
    const configDigest = sha(config);
    writeFileSync(this.blobPath(configDigest), config);
    const manifest = Buffer.from(JSON.stringify({
      schemaVersion: 2, mediaType: TYPES.manifest,
      config: { mediaType: TYPES.config, size: config.length, digest: configDigest },
      layers: layers.map((layer) => ({ mediaType: TYPES.layer, size: layer.size, digest: layer.digest })),
    }));
    writeFileSync(`${this.folder}/${name}.manifest.json`, manifest);
    return { name, manifest, configDigest, layers };
  }

  /** Writes a file that does not exist yet. */
  async file(path, chunks) {
    if (existsSync(path)) return;
    await pipeline(Readable.from(chunks, { objectMode: false }), createWriteStream(`${path}.unfinished`));
    renameSync(`${path}.unfinished`, path);
  }

  /** The `docker load` format with uncompressed layers. */
  async *dockerArchive(tag, image) {
    const names = [];
    for (const layer of image.layers) {
      names.push(`${layer.diffId.slice(7)}.tar`);
      yield header(names.at(-1), { size: layer.rawSize });
      yield* spawn("gzip", ["-dc"], { stdio: [openSync(this.blobPath(layer.digest), "r"), "pipe", "inherit"] }).stdout;
      yield padding(layer.rawSize);
    }
    const config = `${image.configDigest.slice(7)}.json`;
    for (const [name, bytes] of [
      [config, readFileSync(this.blobPath(image.configDigest))],
      ["manifest.json", Buffer.from(JSON.stringify([{ Config: config, RepoTags: [tag], Layers: names }]))],
    ]) {
      yield header(name, { size: bytes.length });
      yield bytes;
      yield padding(bytes.length);
    }
    yield Buffer.alloc(1024);
  }
}
