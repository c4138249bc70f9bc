import { createHash, randomBytes } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { NetworkError } from "../network-error.js";
import { CertificateStore } from "../tls.js";
import { Transport, discard } from "../transport.js";
import { BulkTransport } from "./bulk.js";
import { BLOCK, CREDITS } from "./protocol.js";

const MiB = 1024 * 1024;
let server: Server, handle: RequestListener, url: URL, bulk: BulkTransport;
beforeAll(async () => {
  server = createServer((request, response) => handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/blob`);
});
beforeEach(() => { bulk = new BulkTransport({ certificateDirectories: [], userAgent: "test/1", proxies: {} }); });
afterEach(() => bulk.close());
afterAll(() => { server.closeAllConnections(); server.close(); });

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

test("a body arrives whole and in order, with the head of the answer; several at once", async () => {
  const data = randomBytes(5 * MiB + 17);
  handle = (request, response) => {
    response.writeHead(206, { "Content-Range": "bytes 0-9/10", "X-Agent": request.headers["user-agent"], "X-Own": request.headers["x-own"] });
    response.end(data);
  };
  await Promise.all([1, 2, 3].map(async () => {
    const response = await bulk.send({ method: "GET", url, headers: { "X-Own": "mine" } });
    expect(response).toMatchObject({ status: 206, headers: { "content-range": "bytes 0-9/10", "x-agent": "test/1", "x-own": "mine" } });
    expect(response.url.href).toBe(url.href);
    const hash = createHash("sha256");
    for await (const chunk of response.body as AsyncIterable<Buffer>) hash.update(chunk);
    expect(hash.digest("hex")).toBe(sha256(data));
  }));
});

test("who does not read holds the sender up", async () => {
  let taken = 0, full: () => void;
  const stuck = new Promise<void>((resolve) => { full = resolve; });
  const piece = Buffer.alloc(MiB);
  handle = (_, response) => {
    const more = (): void => {
      while (taken < 200 * MiB) {
        taken += MiB;
        if (!response.write(piece)) break;
      }
      if (taken >= 200 * MiB) return void response.end();
      const timer = setTimeout(() => full(), 300);
      response.once("drain", () => { clearTimeout(timer); more(); });
    };
    more();
  };
  const { body } = await bulk.send({ method: "GET", url });
  await stuck;
  // What sockets buffer, besides what is under way between the threads.
  expect(taken).toBeLessThan((CREDITS + 3) * BLOCK + 64 * MiB);
  let read = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) read += chunk.length;
  expect(read).toBe(200 * MiB);
});

test("what came before a connection broke is there, and then the failure", async () => {
  const data = randomBytes(MiB);
  handle = (_, response) => {
    response.writeHead(200, { "Content-Length": 2 * MiB });
    response.write(data, () => setTimeout(() => response.destroy(), 50));
  };
  const { body } = await bulk.send({ method: "GET", url });
  const chunks: Buffer[] = [];
  await expect((async () => { for await (const chunk of body as AsyncIterable<Buffer>) chunks.push(chunk); })()).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(sha256(Buffer.concat(chunks))).toBe(sha256(data));
});

test("nobody there: the error of the plain transport", async () => {
  const gone = new URL("http://127.0.0.1:1/v2/");
  const plain = new Transport(new CertificateStore([]), "test");
  const expected = await plain.send({ method: "GET", url: gone }).catch((e: unknown) => e as NetworkError) as NetworkError;
  plain.close();
  const found = await bulk.send({ method: "GET", url: gone }).catch((e: unknown) => e as NetworkError) as NetworkError;
  expect(found).toBeInstanceOf(NetworkError);
  expect([found.message, found.refused, found.unreached, found.lost]).toEqual([expected.message, expected.refused, expected.unreached, expected.lost]);
});

test("a cancel, or a reader that stops, ends the connection", async () => {
  const ended: Promise<void>[] = [];
  handle = (request, response) => {
    ended.push(new Promise((resolve) => { request.socket.on("close", () => resolve()); }));
    response.writeHead(200);
    response.write(Buffer.alloc(MiB));
  };
  const over = new AbortController();
  const first = await bulk.send({ method: "GET", url, signal: over.signal });
  over.abort(new Error("enough"));
  await expect(discard(first).then(() => first.body.errored)).resolves.toMatchObject({ message: "enough" });
  const second = await bulk.send({ method: "GET", url });
  second.body.destroy();
  await Promise.all(ended);
  expect(ended).toHaveLength(2);
  await expect(bulk.send({ method: "GET", url, signal: over.signal })).rejects.toThrow("enough");
});
