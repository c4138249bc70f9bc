// Pushes an image of images.mjs to a registry.
import { createReadStream, statSync } from "node:fs";
import { request } from "node:http";
import { pipeline } from "node:stream/promises";
import { TYPES } from "./images.mjs";

function http(method, url, { headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const req = request(url, { method, headers }, (res) => {
      const parts = [];
      res.on("data", (chunk) => parts.push(chunk)).on("end", () => resolve({ status: res.statusCode, headers: res.headers, text: Buffer.concat(parts).toString() }));
    }).on("error", reject);
    if (body?.pipe) pipeline(body, req).catch(reject);
    else req.end(body);
  });
}

async function pushBlob(base, digest, path) {
  if ((await http("HEAD", `${base}/blobs/${digest}`)).status === 200) return;
  const begun = await http("POST", `${base}/blobs/uploads/`);
  const url = new URL(begun.headers.location, base);
  url.searchParams.set("digest", digest);
  const done = await http("PUT", url, {
    headers: { "content-type": "application/octet-stream", "content-length": statSync(path).size },
    body: createReadStream(path, { highWaterMark: 1 << 20 }),
  });
  if (done.status !== 201) throw new Error(`push ${digest}: ${done.status} ${done.text}`);
}

export async function push(registry, repository, image, store) {
  const base = `${registry}/v2/${repository}`;
  for (const digest of [image.configDigest, ...image.layers.map((layer) => layer.digest)]) await pushBlob(base, digest, store.blobPath(digest));
  const done = await http("PUT", `${base}/manifests/latest`, { headers: { "content-type": TYPES.manifest, "content-length": image.manifest.length }, body: image.manifest });
  if (done.status !== 201) throw new Error(`push ${repository}: ${done.status} ${done.text}`);
  console.log(`pushed ${repository}`);
}
