/**
 * A registry that lies. Each repository has one image, true but for what its name says. Run as a program in a network namespace:
 * `node lying-registry.js PORT`.
 */
import { createHash } from "node:crypto";
import { type ServerResponse, createServer } from "node:http";
import { gzipSync } from "node:zlib";

const sha = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const types = {
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
};

interface Entry { readonly name: string; readonly type?: string; readonly link?: string; readonly data?: string }

/** A ustar of small entries. */
function tar(entries: readonly Entry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const { name, type = "0", link = "", data = "" } of entries) {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write("0000755\0", 100);
    header.write("0000000\0", 108);
    header.write("0000000\0", 116);
    header.write(`${Buffer.byteLength(data).toString(8).padStart(11, "0")}\0`, 124);
    header.write("00000000000\0", 136);
    header.write("        ", 148);
    header.write(type, 156);
    header.write(link, 157);
    header.write("ustar\x0000", 257, "latin1");
    header.write(`${[...header].reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0 `, 148);
    const body = Buffer.alloc(Math.ceil(Buffer.byteLength(data) / 512) * 512);
    body.write(data);
    blocks.push(header, body);
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** A layer of some size; another one for each salt, so that no image shares a layer with the one before. */
function honest(salt: string): Buffer {
  const filler = Array.from({ length: 400 }, (_, i) => ({ name: `f${i}`, data: createHash("sha512").update(salt + String(i)).digest("hex").repeat(20) }));
  return tar([{ name: "etc/", type: "5" }, { name: "etc/truth", data: "true" }, ...filler]);
}

interface Image { readonly manifest: Buffer; readonly blobs: ReadonlyMap<string, Buffer | "cut"> }

/** An image of one layer; what differs from the truth is given. */
function image(salt: string, lie: { layer?: Buffer; packed?: Buffer; served?: Buffer | "cut"; diffId?: string; size?: number; config?: Buffer; manifest?: Buffer } = {}): Image {
  const layer = lie.layer ?? honest(salt);
  const packed = lie.packed ?? gzipSync(layer);
  const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", config: { Cmd: ["true"] }, rootfs: { type: "layers", diff_ids: [lie.diffId ?? sha(layer)] } }));
  const manifest = Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: types.manifest,
    config: { mediaType: types.config, size: config.length, digest: sha(config) },
    layers: [{ mediaType: types.layer, size: lie.size ?? packed.length, digest: sha(packed) }],
  }));
  return { manifest: lie.manifest ?? manifest, blobs: new Map<string, Buffer | "cut">([[sha(config), lie.config ?? config], [sha(packed), lie.served ?? packed]]) };
}

const flipped = (bytes: Buffer): Buffer => { const copy = Buffer.from(bytes); copy[copy.length >> 1]! ^= 1; return copy; };
const packed = (salt: string): Buffer => gzipSync(honest(salt));
const half = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length >> 1);
/** By name of the lie, which is the salt too. */
const lies: Readonly<Record<string, (name: string) => Parameters<typeof image>[1]>> = {
  truth: () => ({}),
  "layer-bytes": (name) => ({ served: flipped(packed(name)) }),
  "layer-short": (name) => ({ served: half(packed(name)) }),
  "layer-cut": () => ({ served: "cut" }),
  "layer-size": (name) => ({ size: packed(name).length + 10 }),
  "gzip-truncated": (name) => ({ packed: packed(name).subarray(0, -100) }),
  "not-gzip": () => ({ packed: Buffer.from("this is no archive at all") }),
  "not-tar": () => ({ layer: Buffer.from("neither is this one, whatever it claims to be".repeat(100)) }),
  "tar-truncated": (name) => ({ layer: honest(name).subarray(0, -20_000) }),
  "diff-id": () => ({ diffId: sha(Buffer.from("something else")) }),
  "config-bytes": () => ({ config: Buffer.from("{}") }),
  "manifest-json": () => ({ manifest: Buffer.from("{ not json") }),
  escape: () => ({ layer: tar([
    { name: "../../../../../../../../tmp/strata-escaped-1", data: "x" }, { name: "/tmp/strata-escaped-2", data: "x" },
    { name: "way", type: "2", link: "/tmp" }, { name: "way/strata-escaped-3", data: "x" },
    { name: "up", type: "2", link: "../../../../../../../../tmp" }, { name: "up/strata-escaped-4", data: "x" },
    { name: "etc/", type: "5" },
  ]) }),
};
const images: Readonly<Record<string, Image>> = Object.fromEntries(Object.entries(lies).map(([name, lie]) => [name, image(name, lie(name))]));

function answer(response: ServerResponse, status: number, headers: Record<string, string | number>, body: Buffer | string = ""): void {
  response.writeHead(status, headers).end(body);
}

const server = createServer((request, response) => {
  const [, name = "", kind, reference = ""] = /^\/v2\/lies\/([^/]+)\/(manifests|blobs)\/(.+)$/.exec(request.url ?? "") ?? [];
  const found = images[name];
  if (request.url === "/v2/") { answer(response, 200, { "docker-distribution-api-version": "registry/2.0" }); return; }
  if (kind === "manifests" && found) {
    answer(response, 200, { "content-type": types.manifest, "content-length": found.manifest.length, "docker-content-digest": sha(found.manifest) }, request.method === "HEAD" ? "" : found.manifest);
    return;
  }
  const blob = found?.blobs.get(reference);
  if (blob === "cut") {
    // Promises the whole, drops the connection in the middle; again at every attempt.
    const whole = packed(name);
    response.writeHead(200, { "content-length": whole.length });
    response.write(whole.subarray(0, 1000), () => { request.socket.destroy(); });
    return;
  }
  if (blob) { answer(response, 200, { "content-type": "application/octet-stream", "content-length": blob.length }, request.method === "HEAD" ? "" : blob); return; }
  answer(response, 404, { "content-type": "application/json" }, JSON.stringify({ errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }] }));
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready"));
