import { Readable } from "node:stream";
import { NotFound, PermissionDenied, type PathStat } from "../core/index.js";
import { goFileMode } from "./encode/path-stat.js";
import { TestApi } from "./testing/fake.js";

let api: TestApi | undefined;
async function serve(...args: ConstructorParameters<typeof TestApi>): Promise<TestApi> {
  api = new TestApi(...args);
  await api.start();
  return api;
}
afterEach(async () => {
  await api?.stop();
  api = undefined;
});

const stat: PathStat = { name: "f", size: 3, mode: 0o104640, mtime: "2001-09-09T01:46:40.25Z", linkTarget: "" };
const told = (header: unknown): unknown => JSON.parse(Buffer.from(String(header), "base64").toString());

test.each([
  [0o100644, 0o644], [0o040755, 0o20000000755], [0o120777, 2 ** 27 + 0o777], [0o060660, 2 ** 26 + 0o660], [0o020666, 2 ** 26 + 2 ** 21 + 0o666], [0o010600, 2 ** 25 + 0o600],
  [0o140755, 2 ** 24 + 0o755], [0o104755, 2 ** 23 + 0o755], [0o042755, 2 ** 31 + 2 ** 22 + 0o755], [0o041777, 2 ** 31 + 2 ** 20 + 0o777],
])("mode %o", (mode, go) => expect(goFileMode(mode)).toBe(go));

test("HEAD and GET tell what is there; only GET opens it", async () => {
  const opened: string[] = [];
  const a = await serve({ files: { stat: async () => stat, read: async (name, path) => { opened.push(`${name} ${path}`); return { stat, tar: Readable.from([Buffer.from("the tar")]) }; } } });
  const head = await a.call("HEAD", "/v1.51/containers/box/archive?path=%2Fd%2Ff");
  expect([head.status, head.text, opened]).toEqual([200, "", []]);
  expect(told(head.headers["x-docker-container-path-stat"])).toEqual({ name: "f", size: 3, mode: 2 ** 23 + 0o640, mtime: "2001-09-09T01:46:40.25Z", linkTarget: "" });
  const get = await a.call("GET", "/containers/box/archive?path=%2Fd%2Ff");
  expect([get.status, get.text, get.headers["content-type"], opened]).toEqual([200, "the tar", "application/x-tar", ["box /d/f"]]);
  expect(get.headers["x-docker-container-path-stat"]).toBe(head.headers["x-docker-container-path-stat"]);
});

test("PUT passes body and switches on; refusals have Docker's statuses", async () => {
  let got: unknown;
  const a = await serve({
    files: {
      write: async (name, path, tar, options) => {
        if (path === "/ro") throw new PermissionDenied("container rootfs is marked read-only");
        if (path === "/none") throw new NotFound("Could not find the file /none in container box");
        let body = "";
        for await (const part of tar) body += String(part);
        got = { name, path, body, options };
      },
    },
  });
  expect(await a.call("PUT", "/containers/box/archive?path=/d&noOverwriteDirNonDir=true&copyUIDGID=1", { body: "a tar" })).toMatchObject({ status: 200, text: "" });
  expect(got).toEqual({ name: "box", path: "/d", body: "a tar", options: { keepKinds: true, ownUser: true } });
  expect(await a.call("PUT", "/containers/box/archive?path=/ro", { body: "x".repeat(1 << 20) })).toMatchObject({ status: 403, json: { message: "container rootfs is marked read-only" } });
  expect(await a.call("PUT", "/containers/box/archive?path=/none", { body: "x" })).toMatchObject({ status: 404 });
  for (const method of ["GET", "PUT", "HEAD"]) {
    for (const path of ["/containers/box/archive", "/containers/box/archive?path=%2Fetc%00x"]) expect((await a.call(method, path, method === "PUT" ? { body: "" } : {})).status).toBe(400);
  }
});
