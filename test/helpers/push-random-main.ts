import { createHash, randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { tarOfMembers } from "./tar.js";

/** Run in a registry's network namespace: pushes images `NAME:1` … of one layer each, plain tars of random bytes. `zeros`: a packed layer of zeros instead. */
async function main([registry = "", name = "", count = "1", megabytes = "1", content = "random"]: readonly string[]): Promise<void> {
  const base = `http://${registry}/v2/${name}`;
  const check = async (url: string, init: RequestInit): Promise<Response> => {
    const response = await fetch(url, init);
    if (!response.ok) throw new Error(`${init.method ?? "GET"} ${url}: ${response.status} ${await response.text()}`);
    return response;
  };
  const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const push = async (bytes: Buffer): Promise<{ digest: string; size: number }> => {
    const digest = digestOf(bytes), { headers } = await check(`${base}/blobs/uploads/`, { method: "POST" });
    const place = new URL(headers.get("location")!, base);
    place.searchParams.set("digest", digest);
    await check(place.href, { method: "PUT", body: bytes, headers: { "content-type": "application/octet-stream" } });
    return { digest, size: bytes.length };
  };
  for (let n = 1; n <= Number(count); n++) {
    const size = Number(megabytes) * 2 ** 20, isRandom = content === "random";
    const tar = tarOfMembers([{ name: "data", data: isRandom ? randomBytes(size) : Buffer.alloc(size) }]);
    const layer = await push(isRandom ? tar : gzipSync(tar, { level: 1 }));
    const config = Buffer.from(JSON.stringify({ architecture: process.arch === "x64" ? "amd64" : process.arch, os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [digestOf(tar)] }, created: new Date(n * 1000).toISOString() }));
    const manifest = JSON.stringify({
      schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config: { mediaType: "application/vnd.oci.image.config.v1+json", ...(await push(config)) },
      layers: [{ mediaType: `application/vnd.oci.image.layer.v1.tar${isRandom ? "" : "+gzip"}`, ...layer }],
    });
    await check(`${base}/manifests/${n}`, { method: "PUT", body: manifest, headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" } });
  }
}

main(process.argv.slice(2)).catch((e: unknown) => {
  console.error(e);
  process.exit(1);
});
