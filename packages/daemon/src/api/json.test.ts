import { once } from "node:events";
import { createServer, request, type IncomingMessage, type Server } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lazily, sendJson, Texts } from "./json.js";

let directory: string, socketPath: string, server: Server, sent: Promise<void>;
let value: unknown;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "strata-json-"));
  socketPath = join(directory, "s");
  server = createServer((_, response) => { sent = sendJson(response, 200, value); });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

async function open(): Promise<IncomingMessage> {
  const [response] = await once(request({ socketPath, agent: false }).end(), "response") as [IncomingMessage];
  return response;
}
async function ask(what: unknown): Promise<{ text: string; headers: IncomingMessage["headers"] }> {
  value = what;
  const response = await open();
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk as string;
  return { text, headers: response.headers };
}

const items = (n: number): unknown[] => Array.from({ length: n }, (_, i) => (i % 7 === 0 ? null : i % 7 === 1 ? undefined : { Id: i, Name: `ä"\\ ${i}`, Tags: [`<none>`, i], None: undefined }));

test.each([0, 1, 500, 501, 512, 5000])("a list of %d items reads as if it were written at once", async (n) => {
  const { text, headers } = await ask(items(n));
  expect(text).toBe(`${JSON.stringify(items(n))}\n`);
  expect(headers["content-type"]).toBe("application/json");
  expect(headers["content-length"] === undefined).toBe(n > 500);
});

test.each([
  ["first", { List: items(600), Size: 1, None: undefined, Null: null }], ["last", { None: undefined, Size: 1, List: items(600) }], ["alone", { List: items(600) }],
  ["twice, with a short one", { A: items(501), B: items(3), C: items(1001) }],
])("a long list in an object: %s", async (_, object) => {
  expect((await ask(object)).text).toBe(`${JSON.stringify(object)}\n`);
});

test("a long list two members down, beside what is short", async () => {
  const object = { At: 1, Owners: { None: undefined, Images: items(600), Few: [1], Containers: items(2000) }, Empty: {}, Last: [2] };
  expect((await ask(object)).text).toBe(`${JSON.stringify(object)}\n`);
  expect((await ask({ ...object, Owners: { ...object.Owners, Images: lazily(object.Owners.Images, (item) => item) } })).text).toBe(`${JSON.stringify(object)}\n`);
});

test("an item's text is made once for each kind, until something else that is in it changes", async () => {
  const list = Array.from({ length: 600 }, (_, i) => ({ i, state: "up" })), texts = new Texts<(typeof list)[number]>();
  let made = 0;
  const send = async (kind: string, of = list): Promise<string> => (await ask({ of: texts.list(kind, of, (item) => { made++; return { kind, ...item }; }, ({ state }) => state) })).text;
  const expected = (kind: string, of = list): string => `${JSON.stringify({ of: of.map((item) => ({ kind, ...item })) })}\n`;
  const counts = async (kind: string, of = list): Promise<number> => {
    const before = made;
    expect(await send(kind, of)).toBe(expected(kind, of));
    return made - before;
  };
  expect([await counts("a"), await counts("a"), await counts("b"), await counts("a")]).toEqual([600, 0, 600, 0]);
  list[5]!.state = "down";
  expect([await counts("a"), await counts("b")]).toEqual([1, 1]);
  const other = [{ i: 1000, state: "up" }, ...list.slice(0, 550)];
  expect([await counts("a", other), await counts("a")]).toEqual([1, 0]);
  // A third kind takes the place of the one that was asked for longest ago.
  expect([await counts("c"), await counts("a"), await counts("b")]).toEqual([600, 0, 600]);
  expect(await counts("a", list.slice(0, 10))).toBe(10);
});

test.each([3, 5000])("%d items that are encoded when they are sent, alone and as a member", async (n) => {
  const encoded = items(n).map((item, i) => ({ i, item }));
  const lazy = (): unknown[] => { let i = 0; return lazily(items(n), (item) => ({ i: i++, item })); };
  expect((await ask(lazy())).text).toBe(`${JSON.stringify(encoded)}\n`);
  expect((await ask({ a: lazy(), b: 1 })).text).toBe(`${JSON.stringify({ a: encoded, b: 1 })}\n`);
});

test.each([["text", "\u2028"], ["number", 5], ["null", null], ["object", { a: [1] }]])("%s", async (_, small) => {
  const { text, headers } = await ask(small);
  expect(text).toBe(`${JSON.stringify(small)}\n`);
  expect(headers["content-length"]).toBe(String(Buffer.byteLength(text)));
});

test("a client that leaves in the middle ends it", async () => {
  value = Array.from({ length: 100_000 }, (_, i) => ({ i, text: "x".repeat(200) }));
  const response = await open();
  await once(response, "data");
  response.destroy();
  await sent;
});
