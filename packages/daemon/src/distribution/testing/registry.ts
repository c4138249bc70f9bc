import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import * as http from "node:http";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { MediaType, digestOf } from "@strata/oci";
import type { Descriptor, DiffId, Digest, ImageId, Platform } from "@strata/oci";

/** An image in its packed form, made up for a test. */
export interface TestImage {
  readonly id: ImageId;
  readonly manifest: Buffer;
  readonly manifestDigest: Digest;
  readonly config: Buffer;
  readonly layers: readonly Buffer[];
  readonly diffIds: readonly DiffId[];
  readonly blobs: ReadonlyMap<Digest, Buffer>;
}

export function testImage(layers: readonly (Buffer | string)[], more: { platform?: Platform; packed?: readonly Buffer[]; labels?: Record<string, string>; created?: string; diffIds?: readonly DiffId[] } = {}): TestImage {
  const tars = layers.map((l) => Buffer.from(l));
  const packed = more.packed ?? tars.map((t) => gzipSync(t));
  const diffIds = more.diffIds ?? tars.map((t) => digestOf<DiffId>(t));
  const config = Buffer.from(JSON.stringify({
    created: more.created ?? "2024-01-01T00:00:00Z", architecture: more.platform?.architecture ?? "amd64", os: "linux", config: { Cmd: ["/x"], Labels: more.labels ?? null },
    rootfs: { type: "layers", diff_ids: diffIds }, history: tars.map((_, i) => ({ created_by: `step ${i}` })),
  }));
  const describe = (mediaType: string, bytes: Buffer): Descriptor => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
  const manifest = Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: MediaType.dockerManifest, config: describe(MediaType.dockerConfig, config), layers: packed.map((p) => describe(MediaType.dockerLayerGzip, p)),
  }));
  return {
    id: digestOf<ImageId>(config), manifest, manifestDigest: digestOf(manifest), config, layers: packed, diffIds,
    blobs: new Map([config, ...packed].map((b) => [digestOf(b), b])),
  };
}

/** A registry in this process that can be told to misbehave. */
export class FakeRegistry {
  readonly blobs = new Map<string, Buffer>();
  /** `repository:tag` or `repository@digest`. */
  readonly manifests = new Map<string, { bytes: Buffer; mediaType: string }>();
  readonly requests: { method: string; url: string; headers: http.IncomingHttpHeaders }[] = [];
  /** Answers itself by returning true. */
  intercept: (request: http.IncomingMessage, response: http.ServerResponse) => boolean = () => false;
  readonly #server = http.createServer((request, response) => this.#handle(request, response));

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
  get port(): number { return (this.#server.address() as AddressInfo).port; }
  get host(): string { return `127.0.0.1:${this.port}`; }

  add(repository: string, tag: string, image: TestImage): void {
    for (const [digest, bytes] of image.blobs) this.blobs.set(digest, bytes);
    this.addManifest(repository, tag, image.manifest, MediaType.dockerManifest);
  }
  addManifest(repository: string, tag: string, bytes: Buffer, mediaType: string): void {
    this.manifests.set(`${repository}:${tag}`, { bytes, mediaType });
    this.manifests.set(`${repository}@${digestOf(bytes)}`, { bytes, mediaType });
  }
  gets(part: string): number { return this.requests.filter((r) => r.method === "GET" && r.url.includes(part)).length; }

  #handle(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { method = "", url = "" } = request;
    this.requests.push({ method, url, headers: request.headers });
    if (this.intercept(request, response)) return;
    const fail = (status: number, code: string): void => {
      response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll("_", " ") }] }));
    };
    if (url === "/v2/") return void response.writeHead(200).end("{}");
    const [, repository = "", kind, name = ""] = /^\/v2\/(.+)\/(manifests|blobs|tags)\/([^?]+)/.exec(url) ?? [];
    if (kind === "tags") {
      const tags = [...this.manifests.keys()].filter((k) => k.startsWith(`${repository}:`)).map((k) => k.slice(repository.length + 1));
      return void response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ name: repository, tags }));
    }
    if (kind === "manifests") {
      const found = this.manifests.get(name.startsWith("sha256:") ? `${repository}@${name}` : `${repository}:${name}`);
      if (found === undefined) return fail(404, "MANIFEST_UNKNOWN");
      return void response.writeHead(200, { "Content-Type": found.mediaType, "Docker-Content-Digest": digestOf(found.bytes) }).end(found.bytes);
    }
    const blob = this.blobs.get(name);
    if (blob === undefined) return fail(404, "BLOB_UNKNOWN");
    const [, first = "0", last = ""] = /^bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "") ?? [];
    const from = Number(first), end = last === "" ? blob.length : Math.min(Number(last) + 1, blob.length);
    const ranged = request.headers.range !== undefined;
    const headers = { "Content-Length": end - from, ...(ranged ? { "Content-Range": `bytes ${from}-${end - 1}/${blob.length}` } : {}) };
    response.writeHead(ranged ? 206 : 200, headers).end(blob.subarray(from, end));
  }
}

export const DOCKER_REGISTRY = "/usr/bin/docker-registry";
/** Reason to skip, or undefined. */
export const noDockerRegistry = existsSync(DOCKER_REGISTRY) ? undefined : "docker-registry is not installed";

/** Debian's docker-registry on a port of its own. */
export async function startDockerRegistry(): Promise<{ host: string; stop: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), "strata-registry-"));
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const config = join(directory, "config.yml");
  await writeFile(config, JSON.stringify({ version: 0.1, log: { level: "error", accesslog: { disabled: true } }, storage: { filesystem: { rootdirectory: join(directory, "data") }, delete: { enabled: true } }, http: { addr: host } }));
  const child = spawn(DOCKER_REGISTRY, ["serve", config], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
    await rm(directory, { recursive: true, force: true });
  };
  for (let i = 0; i < 200; i++) {
    if (await fetch(`http://${host}/v2/`).then((r) => r.ok, () => false)) return { host, stop };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await stop();
  throw new Error("docker-registry did not come up");
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
