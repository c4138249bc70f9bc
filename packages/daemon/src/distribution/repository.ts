import type { Readable } from "node:stream";
import { MediaType, digestOf, isForeignType, parseDigest } from "@strata/oci";
import type { Descriptor, Digest, Reference } from "@strata/oci";
import { DataLoss, InvalidArgument } from "../core/index.js";
import type { Connection, Exchange } from "./connection.js";
import { NetworkError } from "./network-error.js";
import { RegistryFault } from "./registry-fault.js";
import { discard, readBody } from "./transport.js";
import type { HttpResponse } from "./transport.js";

export interface FetchedManifest {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly body: Buffer;
}
export interface BlobBody {
  /** Where in the blob the body starts: what was asked for, or 0 when the registry does not serve ranges. */
  readonly offset: number;
  /** The registry serves ranges. */
  readonly ranged: boolean;
  /** Fails with NetworkError when the connection drops. To be read, or returned from, once. */
  readonly chunks: AsyncIterable<Buffer>;
}
/** A place to upload to; valid for one blob. */
export interface Upload { readonly location: URL }

/** From so many bytes on a body is worth a thread. */
const BULK = 1024 * 1024;
/** Manifests are read into memory. */
const MAX_MANIFEST = 8 * 1024 * 1024;
const MANIFEST_TYPES = [MediaType.ociIndex, MediaType.dockerManifestList, MediaType.ociManifest, MediaType.dockerManifest].join(", ");

/**
 * One repository on one registry, by the distribution-spec. Reads go to the mirrors first and fall back to the registry itself; writes
 * go to the registry.
 */
export class Repository {
  /** `connections`: mirrors first, the registry itself last. */
  constructor(readonly reference: Pick<Reference, "domain" | "path">, private readonly connections: readonly Connection[]) {}

  /** The same without mirrors; undefined when there are none. */
  get origin(): Repository | undefined {
    return this.connections.length > 1 ? new Repository(this.reference, [this.#registry]) : undefined;
  }

  /** Manifest of a tag or digest, its digest verified. A tag's digest is that of the bytes. */
  async manifest(tagOrDigest: string, signal?: AbortSignal): Promise<FetchedManifest> {
    const wanted = parseDigest(tagOrDigest);
    return await this.#read(async (connection) => {
      const response = await connection.send({
        method: "GET", target: this.#path(`manifests/${tagOrDigest}`), headers: { Accept: MANIFEST_TYPES },
        scopes: this.#pull, accept: [200], unknownCode: "MANIFEST_UNKNOWN", signal,
      });
      const body = await readBody(response, MAX_MANIFEST);
      const digest = digestOf(body);
      const claimed = parseDigest(headerOf(response, "docker-content-digest"));
      if (wanted !== undefined && wanted !== digest) throw new DataLoss(`manifest verification failed for digest ${wanted}: the registry sent ${digest}`);
      if (claimed !== undefined && claimed !== digest) throw new DataLoss(`manifest of ${tagOrDigest} has digest ${digest}, the registry announced ${claimed}`);
      const mediaType = headerOf(response, "content-type").split(";")[0]!.trim();
      return { mediaType, digest, body };
    }, signal);
  }

  /** A small blob as a whole, verified. */
  async blobBytes(descriptor: Descriptor, signal?: AbortSignal): Promise<Buffer> {
    if (descriptor.size > MAX_MANIFEST) throw new InvalidArgument(`blob ${descriptor.digest} of ${descriptor.size} bytes is too large to be a configuration`);
    return await this.#read(async (connection) => {
      const bytes = await readBody(await this.#getBlob(connection, descriptor.digest, undefined, signal), MAX_MANIFEST);
      const digest = digestOf(bytes);
      if (digest !== descriptor.digest) throw new DataLoss(`blob ${descriptor.digest} verification failed: the registry sent ${digest}`);
      return bytes;
    }, signal);
  }

  /**
   * A blob from `offset` on (up to, and without, `end`, where ranges are served), unverified; one attempt. Use `BlobBody.offset`: not every registry serves ranges. A foreign layer that the
   * registry lacks comes from where its descriptor says.
   */
  async blob({ digest, size, mediaType, urls = [] }: Descriptor, offset: number, signal?: AbortSignal, end?: number): Promise<BlobBody> {
    const range = offset > 0 || end !== undefined ? `bytes=${offset}-${end === undefined ? "" : end - 1}` : undefined;
    const how = { unretried: true, bulk: (end ?? size) - offset >= BULK };
    return await this.#read(async (connection) => {
      const response = await this.#getBlob(connection, digest, range, signal, how).catch(async (e: unknown) => {
        if (!(e instanceof RegistryFault) || e.status !== 404 || !isForeignType(mediaType)) throw e;
        return await this.#elsewhere(connection, urls, range, e, how, signal);
      });
      if (response.status !== 206) return { offset: 0, ranged: false, chunks: chunksOf(response) };
      const start = Number(/^bytes (\d+)-/.exec(headerOf(response, "content-range"))?.[1] ?? Number.NaN);
      if (start !== offset) {
        response.body.destroy();
        throw new DataLoss(`registry answered range ${headerOf(response, "content-range")} for bytes from ${offset} of ${digest}`);
      }
      return { offset, ranged: true, chunks: chunksOf(response) };
    }, signal);
  }

  async #getBlob(connection: Connection, digest: Digest, range: string | undefined, signal?: AbortSignal, how: Pick<Exchange, "unretried" | "bulk"> = {}): Promise<HttpResponse> {
    return await connection.send({
      method: "GET", target: this.#path(`blobs/${digest}`), ...asRange(range),
      scopes: this.#pull, unknownCode: "BLOB_UNKNOWN", signal, ...how,
    });
  }

  async #elsewhere(connection: Connection, urls: readonly string[], range: string | undefined, missing: RegistryFault, how: Pick<Exchange, "unretried" | "bulk">, signal?: AbortSignal): Promise<HttpResponse> {
    let failure: unknown = missing;
    for (const url of urls.filter((u) => /^https?:/.test(u) && URL.canParse(u))) {
      try {
        return await connection.send({ method: "GET", target: new URL(url), ...asRange(range), scopes: this.#pull, signal, ...how });
      } catch (e) {
        if (!(e instanceof NetworkError || e instanceof RegistryFault)) throw e;
        failure = e;
      }
    }
    throw failure;
  }

  /** Every tag, page by page. */
  async tags(signal?: AbortSignal): Promise<string[]> {
    return await this.#read(async (connection) => {
      const tags: string[] = [];
      let target: string | URL = this.#path("tags/list");
      for (;;) {
        const response: HttpResponse = await connection.send({ method: "GET", target, scopes: this.#pull, accept: [200], unknownCode: "NAME_UNKNOWN", signal });
        const page: unknown = JSON.parse((await readBody(response, MAX_MANIFEST)).toString("utf8"));
        if (typeof page === "object" && page !== null && "tags" in page && Array.isArray(page.tags)) tags.push(...page.tags.filter((t) => typeof t === "string"));
        const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(headerOf(response, "link"))?.[1];
        if (next === undefined) return tags;
        target = new URL(next, response.url);
      }
    }, signal);
  }

  /** Whether the registry itself has a blob; its size if so. */
  async hasBlob(digest: Digest, signal?: AbortSignal): Promise<number | undefined> {
    const response = await this.#registry.send({ method: "HEAD", target: this.#path(`blobs/${digest}`), scopes: this.#push, accept: [200, 404], signal });
    await discard(response);
    return response.status === 200 ? Number(headerOf(response, "content-length")) : undefined;
  }

  /** Begins an upload. With `mount`, a blob of another repository of this registry may be linked in instead: then undefined. */
  async startUpload(signal?: AbortSignal, mount?: { digest: Digest; from: string }): Promise<Upload | undefined> {
    const query = mount === undefined ? "" : `?${new URLSearchParams({ mount: mount.digest, from: mount.from }).toString()}`;
    const scopes = mount === undefined ? this.#push : [...this.#push, `repository:${mount.from}:pull`];
    const response = await this.#registry.send({ method: "POST", target: this.#path(`blobs/uploads/${query}`), scopes, accept: mount === undefined ? [202] : [201, 202], signal });
    await discard(response);
    return response.status === 201 ? undefined : { location: locationOf(response) };
  }

  /** How many bytes an upload has; undefined when the registry has forgotten it. */
  async uploaded(upload: Upload, signal?: AbortSignal): Promise<{ readonly upload: Upload; readonly size: number } | undefined> {
    const response = await this.#registry.send({ method: "GET", target: upload.location, scopes: this.#push, accept: [202, 204, 404, 405], signal });
    await discard(response);
    const last = /^(?:bytes=)?0-(\d+)$/.exec(headerOf(response, "range"))?.[1];
    if (response.status > 204 || last === undefined) return undefined;
    // `0-0` is said of nothing, too.
    return { upload: { location: headerOf(response, "location") === "" ? upload.location : locationOf(response) }, size: last === "0" ? 0 : Number(last) + 1 };
  }

  /** Sends a piece that begins at `start` into an upload. */
  async sendPiece(upload: Upload, piece: Buffer, start: number, signal?: AbortSignal): Promise<Upload> {
    const response = await this.#registry.send({
      method: "PATCH", target: upload.location, headers: { "Content-Type": "application/octet-stream", "Content-Range": `${start}-${start + piece.length - 1}` }, body: piece,
      scopes: this.#push, accept: [202, 204], unretried: true, signal,
    });
    await discard(response);
    return { location: locationOf(response) };
  }

  /** Streams the whole blob into an upload (one PATCH); `finishUpload` follows. */
  async sendUpload(upload: Upload, body: Readable, signal?: AbortSignal): Promise<Upload> {
    const response = await this.#registry.send({
      method: "PATCH", target: upload.location, headers: { "Content-Type": "application/octet-stream" }, body: () => body,
      scopes: this.#push, accept: [202, 204], once: true, signal,
    });
    await discard(response);
    return { location: locationOf(response) };
  }

  /** Completes an upload; `body` is sent along when nothing was streamed before. */
  async finishUpload(upload: Upload, digest: Digest, signal?: AbortSignal, body?: Buffer): Promise<void> {
    const location = new URL(upload.location);
    location.searchParams.set("digest", digest);
    const response = await this.#registry.send({
      method: "PUT", target: location, headers: { "Content-Type": "application/octet-stream" }, ...(body === undefined ? {} : { body }),
      scopes: this.#push, accept: [201, 204], signal,
    });
    await discard(response);
  }

  /** Gives up an upload; the registry may have forgotten it already. */
  async cancelUpload(upload: Upload): Promise<void> {
    const response = await this.#registry.send({ method: "DELETE", target: upload.location, scopes: this.#push, accept: [200, 202, 204, 404, 405], once: true });
    await discard(response);
  }

  async putManifest(tagOrDigest: string, mediaType: string, body: Buffer, signal?: AbortSignal): Promise<Digest> {
    const response = await this.#registry.send({
      method: "PUT", target: this.#path(`manifests/${tagOrDigest}`), headers: { "Content-Type": mediaType }, body,
      scopes: this.#push, accept: [200, 201, 202], signal,
    });
    await discard(response);
    return digestOf(body);
  }

  get #registry(): Connection { return this.connections.at(-1)!; }
  get #pull(): string[] { return [`repository:${this.reference.path}:pull`]; }
  get #push(): string[] { return [`repository:${this.reference.path}:pull,push`]; }
  #path(rest: string): string { return `/v2/${this.reference.path}/${rest}`; }

  /** Mirrors are tried in order; what the registry itself says is final. */
  async #read<T>(work: (connection: Connection) => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (const connection of this.connections) {
      try {
        return await work(connection);
      } catch (e) {
        const skip = connection.endpoint.mirror && (e instanceof NetworkError || e instanceof RegistryFault || e instanceof DataLoss);
        if (!skip || signal?.aborted) throw e;
      }
    }
    throw new InvalidArgument(`no registry serves ${this.reference.domain}`);
  }
}

function asRange(range: string | undefined): { readonly headers: Record<string, string>; readonly accept: readonly number[] } {
  return range === undefined ? { headers: {}, accept: [200] } : { headers: { Range: range }, accept: [200, 206] };
}

async function* chunksOf(response: HttpResponse): AsyncGenerator<Buffer> {
  try {
    yield* response.body as AsyncIterable<Buffer>;
  } catch (e) {
    throw new NetworkError("GET", response.url, e);
  }
}

function headerOf(response: HttpResponse, name: string): string {
  const value = response.headers[name];
  return typeof value === "string" ? value : "";
}

function locationOf(response: HttpResponse): URL {
  const location = headerOf(response, "location");
  if (location === "" || !URL.canParse(location, response.url.href)) throw new InvalidArgument(`registry ${response.url.host} answered an upload without a location`);
  return new URL(location, response.url);
}
