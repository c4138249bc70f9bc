import { Readable, finished } from "node:stream";
import { MediaType, chainIdsOf, digestOf, familiarName, familiarRepository, hexOf, parseReference } from "@strata/oci";
import type { ChainId, Descriptor, DiffId, Digest, ImageConfig, ImageId, Index, Manifest } from "@strata/oci";
import { encodeHeader, padding, TRAILER } from "../archive/tar-writer.js";
import { EPOCH, noXattrs } from "../archive/tar-entry.js";
import { DataLoss } from "../core/index.js";
import type { LayerStore, LeaseStore } from "../core/index.js";

/** An image to be saved, with those of its names that go along (full names). */
export interface SavedImage {
  readonly id: ImageId;
  readonly configBytes: Buffer;
  readonly config: ImageConfig;
  readonly tags: readonly string[];
}

/**
 * A tar that is both Docker's archive (manifest.json, repositories) and an OCI image layout (oci-layout, index.json), as `docker save`
 * writes it since version 25. What describes comes before what is described, so that a reader need not keep layers until it knows what
 * they are. The same images give the same bytes. Layers that are gone make the stream fail before its end.
 */
export async function saveArchive(images: readonly SavedImage[], layers: LayerStore, leases: LeaseStore): Promise<Readable> {
  const archive = describe(images, layers);
  const stream = Readable.from(write(archive, layers), { objectMode: false, highWaterMark: 1024 * 1024 });
  await new Promise<void>((ready, failed) => {
    leases.with("save", async (lease) => {
      for (const chain of archive.layers.values()) leases.hold(lease, "layer", chain);
      ready();
      await new Promise<void>((done) => { finished(stream, () => done()); });
    }).catch(failed);
  });
  return stream;
}

interface Archive {
  readonly small: readonly (readonly [path: string, bytes: Buffer])[];
  readonly layers: ReadonlyMap<DiffId, ChainId>;
}

const pathOf = (digest: Digest): string => `blobs/sha256/${hexOf(digest)}`;
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** Everything but the layers: small, and known before the first byte goes out. NotFound when a layer is gone. */
function describe(images: readonly SavedImage[], layers: LayerStore): Archive {
  const chains = new Map<DiffId, ChainId>();
  const blobs = new Map<Digest, Buffer>();
  const index: Descriptor[] = [];
  const list: object[] = [];
  const repositories: Record<string, Record<string, string>> = {};
  for (const { id, configBytes, config, tags } of images) {
    const diffIds = config.rootfs.diff_ids;
    const chain = chainIdsOf(diffIds);
    const described = diffIds.map((digest, i): Descriptor => ({ mediaType: MediaType.ociLayer, digest, size: layers.get(chain[i]!).tarSize }));
    diffIds.forEach((diffId, i) => { if (!chains.has(diffId)) chains.set(diffId, chain[i]!); });
    const manifest: Manifest = { schemaVersion: 2, mediaType: MediaType.ociManifest, config: { mediaType: MediaType.ociConfig, digest: id, size: configBytes.length }, layers: described };
    const bytes = json(manifest);
    const descriptor = { mediaType: MediaType.ociManifest, digest: digestOf(bytes), size: bytes.length };
    blobs.set(id, configBytes);
    blobs.set(descriptor.digest, bytes);
    const references = tags.map(parseReference);
    for (const [i, reference] of references.entries()) {
      index.push({ ...descriptor, annotations: { "io.containerd.image.name": tags[i]!, "org.opencontainers.image.ref.name": reference.tag! } });
      const top = diffIds.at(-1);
      if (top !== undefined) (repositories[familiarRepository(reference)] ??= {})[reference.tag!] = hexOf(top);
    }
    if (tags.length === 0) index.push(descriptor);
    list.push({
      Config: pathOf(id), RepoTags: tags.length === 0 ? null : references.map(familiarName), Layers: diffIds.map(pathOf),
      LayerSources: Object.fromEntries(described.map((d) => [d.digest, d])),
    });
  }
  const layout: Index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: index };
  return {
    layers: chains,
    small: [
      ["oci-layout", json({ imageLayoutVersion: "1.0.0" })],
      ["index.json", json(layout)],
      ["manifest.json", json(list)],
      ...(Object.keys(repositories).length > 0 ? [["repositories", json(repositories)] as const] : []),
      ...[...blobs].map(([digest, bytes]) => [pathOf(digest), bytes] as const),
    ],
  };
}

async function* write({ small, layers }: Archive, store: LayerStore): AsyncGenerator<Buffer> {
  for (const directory of ["blobs", "blobs/sha256"]) yield header("directory", directory, 0);
  for (const [path, bytes] of small) {
    yield Buffer.concat([header("file", path, bytes.length), bytes, padding(bytes.length)]);
  }
  for (const [diffId, chain] of layers) {
    const size = store.get(chain).tarSize;
    yield header("file", pathOf(diffId), size);
    let sent = 0;
    for await (const chunk of await store.tar(chain)) {
      sent += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
    if (sent !== size) throw new DataLoss(`layer ${diffId} has ${sent} bytes instead of ${size}`);
    yield padding(size);
  }
  yield TRAILER;
}

function header(type: "file" | "directory", name: string, size: number): Buffer {
  return encodeHeader({ type, name, linkName: "", mode: type === "file" ? 0o644 : 0o755, uid: 0, gid: 0, size, mtime: EPOCH, major: 0, minor: 0, xattrs: noXattrs });
}
