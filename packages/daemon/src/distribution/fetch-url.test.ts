import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { RegistryClient } from "./client.js";

let server: Server, base: string;
const seen: IncomingMessage[] = [];
const answers: Record<string, (response: ServerResponse) => void> = {
  "/ok": (r) => r.writeHead(200, { "Last-Modified": "Sat, 01 Jan 2000 00:00:00 GMT", "Content-Disposition": 'attachment; filename="../x y.txt"' }).end("content"),
  "/moved": (r) => r.writeHead(302, { Location: "/ok" }).end(),
  "/endless": (r) => { r.writeHead(200); r.write("x".repeat(5000)); r.write("x".repeat(5000)); },
  "/cut": (r) => { r.writeHead(200, { "Content-Length": "100" }); r.write("x"); setImmediate(() => r.destroy()); },
  "/broken": (r) => r.writeHead(503).end(),
};
beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push(request);
    const answer = answers[request.url!];
    if (answer === undefined) response.writeHead(404).end();
    else answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => { server.closeAllConnections(); server.close(); });

const client = new RegistryClient();
afterAll(() => client.close());
const signal = new AbortController().signal;
const text = async (url: string, limit?: number): Promise<string> => Buffer.concat(await (await client.fetch(url, { signal, ...(limit === undefined ? {} : { limit }) })).body.toArray() as Buffer[]).toString();

test("what a server tells of a file", async () => {
  const { body, modified, filename } = await client.fetch(`http://${base}/moved`, { signal });
  expect([Buffer.concat(await body.toArray() as Buffer[]).toString(), modified, filename]).toEqual(["content", 946684800000, "x y.txt"]);
  expect(await text(`${base}/ok`)).toBe("content");
});

test("credentials of the URL are sent, and not told", async () => {
  await expect(text(`http://user:secret@${base}/gone`)).rejects.toThrow(new RegExp(`^cannot fetch http://${base}/gone: 404`));
  expect(seen.at(-1)?.headers.authorization).toBe(`Basic ${Buffer.from("user:secret").toString("base64")}`);
});

test.each([
  ["ftp://host/x", "InvalidArgument", /only URLs of http/], ["http://", "InvalidArgument", /only URLs of http/], ["/gone", "NotFound", /404/], ["/broken", "Unavailable", /503/], ["/cut", "Unavailable", /./], ["/endless", "InvalidArgument", /has more than 8000 bytes/],
])("%s is %s", async (url, code, message) => {
  await expect(text(url.startsWith("/") ? `http://${base}${url}` : url, 8000)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});

test("one that says that it is too large is not read", async () => {
  await expect(text(`http://${base}/ok`, 3)).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringMatching(/has more than 3 bytes/) });
});
