/**
 * A registry that keeps what has arrived of an upload whose connection breaks, and tells how much that is, as the distribution-spec has it
 * (docker-registry 2.8 forgets it). All in memory: `node patient-registry.js PORT`.
 */
import { createHash, randomUUID } from "node:crypto";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";

const sha = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const blobs = new Map<string, Buffer>();
const uploads = new Map<string, Buffer[]>();
/** By `repository:tag` and `repository:digest`. */
const manifests = new Map<string, { readonly type: string; readonly bytes: Buffer }>();

function send(response: ServerResponse, status: number, headers: Record<string, string | number> = {}, body: Buffer | string = ""): void {
  response.writeHead(status, headers).end(body);
}
const missing = (response: ServerResponse, code: string): void => send(response, 404, { "content-type": "application/json" }, JSON.stringify({ errors: [{ code, message: code.toLowerCase() }] }));
async function whole(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function upload(request: IncomingMessage, response: ServerResponse, base: string, id: string, digest: string | null): Promise<void> {
  const parts = uploads.get(id);
  if (parts === undefined) return missing(response, "BLOB_UPLOAD_UNKNOWN");
  const size = (): number => parts.reduce((sum, part) => sum + part.length, 0);
  const place = (): Record<string, string> => ({ Location: `${base}/${id}`, Range: `0-${Math.max(0, size() - 1)}` });
  const from = /^(\d+)-/.exec(request.headers["content-range"] ?? "")?.[1];
  if (request.method === "GET") return send(response, 204, place());
  if (from !== undefined && Number(from) !== size()) return send(response, 416, place());
  for await (const chunk of request) parts.push(chunk as Buffer);
  if (request.method === "PATCH") return send(response, 202, place());
  const bytes = Buffer.concat(parts);
  uploads.delete(id);
  if (sha(bytes) !== digest) return send(response, 400, { "content-type": "application/json" }, JSON.stringify({ errors: [{ code: "DIGEST_INVALID", message: "provided digest did not match uploaded content" }] }));
  blobs.set(sha(bytes), bytes);
  send(response, 201);
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://x");
  if (url.pathname === "/v2/") return send(response, 200);
  const [, repository = "", kind = "", name = ""] = /^\/v2\/(.+)\/(manifests|blobs|blobs\/uploads)\/([^/]*)$/.exec(url.pathname) ?? [];
  const isHead = request.method === "HEAD";
  if (kind === "blobs/uploads" && request.method === "POST") {
    const id = randomUUID();
    uploads.set(id, []);
    return send(response, 202, { Location: `/v2/${repository}/blobs/uploads/${id}` });
  }
  if (kind === "blobs/uploads") return await upload(request, response, `/v2/${repository}/blobs/uploads`, name, url.searchParams.get("digest"));
  if (kind === "blobs") {
    const blob = blobs.get(name);
    return blob === undefined ? missing(response, "BLOB_UNKNOWN") : send(response, 200, { "content-length": blob.length }, isHead ? "" : blob);
  }
  if (kind === "manifests" && request.method === "PUT") {
    const bytes = await whole(request), entry = { type: request.headers["content-type"] ?? "", bytes };
    for (const key of [name, sha(bytes)]) manifests.set(`${repository}:${key}`, entry);
    return send(response, 201);
  }
  const manifest = manifests.get(`${repository}:${name}`);
  if (manifest === undefined) return missing(response, "MANIFEST_UNKNOWN");
  send(response, 200, { "content-type": manifest.type, "docker-content-digest": sha(manifest.bytes), "content-length": manifest.bytes.length }, isHead ? "" : manifest.bytes);
}

// A request that breaks has no answer.
createServer((request, response) => void answer(request, response).catch(() => response.destroy())).listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready"));
// Not to outlive the test.
process.stdin.resume().on("end", () => process.exit());
