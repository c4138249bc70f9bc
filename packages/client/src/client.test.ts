import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { PassThrough, Readable } from "node:stream";
import { connect, StrataApiError, StrataConnectionError, StrataConnectionLost, type StrataClient } from "./index.js";
import { answer, FakeDaemon, frame, type FakeJson, type HijackRoute, type Route } from "./test-support/fake-daemon.js";

let fake: FakeDaemon | undefined;
let client: StrataClient;
async function daemon(routes: Record<string, Route | FakeJson>, hijacks: Record<string, HijackRoute> = {}): Promise<FakeDaemon> {
  fake = await FakeDaemon.start(routes, hijacks);
  client = connect({ host: fake.host });
  return fake;
}
afterEach(async () => {
  client?.close();
  await fake?.stop();
  fake = undefined;
});

const lines = (...values: unknown[]): Route => (_request, response) => {
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(values.map((value) => JSON.stringify(value) + "\n").join(""));
};
const text = async (stream: Readable): Promise<string> => {
  let all = "";
  for await (const chunk of stream) all += String(chunk);
  return all;
};

describe("calls", () => {
  test("speak the newest version both know, asked for once", async () => {
    const { requests } = await daemon({
      "GET /_ping": (_r, response) => void response.writeHead(200, { "Api-Version": "1.41" }).end("OK"),
      "GET /version": { Version: "1" }, "GET /info": { ID: "x" },
    });
    await Promise.all([client.system.version(), client.system.info()]);
    expect(requests.map((request) => request.path).sort()).toEqual(["/_ping", "/info", "/version"]);
    expect(requests.filter((request) => request.path !== "/_ping").map((request) => request.version)).toEqual(["1.41", "1.41"]);
  });

  test("speak a version that was asked for without asking", async () => {
    const { host, requests } = await daemon({ "GET /version": { Version: "1" } });
    await connect({ host, version: "1.44" }).system.version();
    expect(requests.map((request) => `${request.version} ${request.path}`)).toEqual(["1.44 /version"]);
    expect(() => connect({ host, version: "newest" })).toThrow(TypeError);
  });

  test("encode names, queries and bodies", async () => {
    const { requests } = await daemon({
      "GET /images/*/json": { Id: "sha256:1" }, "POST /containers/create": { Id: "c", Warnings: [] }, "DELETE /containers/*": (_r, response) => answer(response, 204, undefined),
    });
    await client.images.inspect("host:5000/a b/c:1");
    await client.containers.create({ Image: "i" }, { name: "n" });
    await client.containers.remove("c", { force: true });
    expect(requests[1]?.path).toBe("/images/host%3A5000/a%20b/c%3A1/json");
    expect(requests[2]?.query.get("name")).toBe("n");
    expect(JSON.parse(String(requests[2]?.body))).toEqual({ Image: "i" });
    expect(requests[3]?.query.get("force")).toBe("1");
    await expect(client.containers.inspect("")).rejects.toThrow("id is empty");
  });

  test("errors carry status and message", async () => {
    await daemon({
      "GET /containers/*": (_r, response) => answer(response, 404, { message: "No such container: x" }),
      "GET /volumes": (_r, response) => void response.writeHead(502).end("bad gateway\n"),
    });
    const error = await client.containers.inspect("x").catch((e: unknown) => e);
    expect(error).toBeInstanceOf(StrataApiError);
    expect(error).toMatchObject({ status: 404, message: "No such container: x" });
    await expect(client.volumes.list()).rejects.toMatchObject({ status: 502, message: "bad gateway" });
  });

  test("304 is success", async () => {
    await daemon({ "POST /containers/c/start": (_r, response) => void response.writeHead(304).end() });
    await client.containers.start("c");
  });

  test("a daemon that is not there", async () => {
    const error = await connect({ host: "unix:///nowhere/s.sock" }).system.info().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(StrataConnectionError);
    expect(error).toMatchObject({ host: "unix:///nowhere/s.sock", code: "ENOENT" });
    await expect(connect({ host: "unix:///nowhere/s.sock" }).containers.attach("c", { tty: true })).rejects.toBeInstanceOf(StrataConnectionError);
  });

  test("a daemon that goes away in the middle", async () => {
    await daemon(
      { "POST /containers/c/wait": (_r, response) => { response.writeHead(200).flushHeaders(); setTimeout(() => response.destroy(), 5); }, "GET /events": (_r, response) => { response.writeHead(200).write("{}\n"); setTimeout(() => response.destroy(), 5); }, "GET /info": (_r, response) => { response.destroy(); } },
    );
    await expect(client.containers.wait("c")).rejects.toBeInstanceOf(StrataConnectionLost);
    await expect((async () => { for await (const event of client.system.events()) expect(event).toEqual({}); })()).rejects.toBeInstanceOf(StrataConnectionLost);
    await expect(client.system.info()).rejects.toBeInstanceOf(StrataConnectionLost);
  });

  test("a signal ends a call that hangs", async () => {
    await daemon({ "GET /info": () => undefined });
    const controller = new AbortController();
    const call = client.system.info({ signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await expect(call).rejects.toThrow("enough");
    await expect(client.system.info({ signal: controller.signal })).rejects.toThrow("enough");
  });
});

describe("streams", () => {
  test("pull reports progress, and sends credentials", async () => {
    const { requests } = await daemon({ "POST /images/create": lines({ status: "Pulling" }, { status: "Done", id: "a" }) });
    const seen: unknown[] = [];
    await client.images.pull("host:5000/x:1", { auth: { username: "u", password: "ÿ?" }, onProgress: (line) => seen.push(line) });
    expect(seen).toEqual([{ status: "Pulling" }, { status: "Done", id: "a" }]);
    expect(Object.fromEntries(requests[1]!.query)).toEqual({ fromImage: "host:5000/x", tag: "1" });
    expect(JSON.parse(Buffer.from(String(requests[1]!.headers["x-registry-auth"]), "base64url").toString())).toEqual({ username: "u", password: "ÿ?" });
    await client.images.pull("x");
    expect(requests[2]!.query.get("tag")).toBe("latest");
  });

  test("an error line rejects", async () => {
    await daemon({
      "POST /images/create": lines({ status: "Pulling" }, { errorDetail: { code: 401, message: "denied" }, error: "denied" }),
      "POST /images/load": lines({ error: "not a tar" }),
    });
    await expect(client.images.pull("x")).rejects.toMatchObject({ name: "StrataApiError", status: 401, message: "denied" });
    await expect(client.images.load(Readable.from([Buffer.from("x")]))).rejects.toMatchObject({ status: 500, message: "not a tar" });
  });

  test("lines may be cut anywhere", async () => {
    await daemon({
      "GET /events": async (_r, response) => {
        response.writeHead(200);
        for (const part of ['{"Type":"con', 'tainer","Action":"ü"}\n{"Type"', ':"image"}\r\n\n{"Type":"volume"}']) {
          response.write(part);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        response.end();
      },
    });
    const types: string[] = [];
    for await (const event of client.system.events()) types.push(event.Type);
    expect(types).toEqual(["container", "image", "volume"]);
  });

  test("leaving the loop ends the request", async () => {
    let closed: (() => void) | undefined;
    const gone = new Promise<void>((resolve) => { closed = resolve; });
    await daemon({
      "GET /events": (_r, response) => {
        response.on("close", () => closed?.());
        response.writeHead(200);
        response.write('{"Type":"image"}\n');
      },
    });
    const events = client.system.events();
    await events.next();
    await events.return();
    await gone;
  });

  test("a signal ends a stream", async () => {
    await daemon({ "GET /events": (_r, response) => { response.writeHead(200); response.write('{"Type":"image"}\n'); } });
    const controller = new AbortController();
    await expect((async () => {
      for await (const _event of client.system.events({ signal: controller.signal })) controller.abort();
    })()).rejects.toMatchObject({ name: "AbortError" });
  });

  test("import uploads and answers with the image's ID", async () => {
    const { requests } = await daemon({ "POST /images/create": lines({ status: "sha256:abc" }) });
    const id = await client.images.import(Readable.from([Buffer.from("tar "), Buffer.from("bytes")]), { reference: "base:1", changes: ["CMD a", "ENV b=c"] });
    expect(id).toBe("sha256:abc");
    expect(String(requests[1]!.body)).toBe("tar bytes");
    expect(requests[1]!.headers["content-type"]).toBe("application/x-tar");
    expect(requests[1]!.query.getAll("changes")).toEqual(["CMD a", "ENV b=c"]);
    expect(requests[1]!.query.get("repo")).toBe("base");
  });

  test("save downloads", async () => {
    await daemon({ "GET /images/get": (request, response) => void response.end(request.query.getAll("names").join("+")) });
    expect(await text(await client.images.save(["a", "b"]))).toBe("a+b");
  });

  test("logs come apart without a terminal and raw with one", async () => {
    await daemon({
      "GET /containers/c/json": { Config: { Tty: false } },
      "GET /containers/c/logs": (_r, response) => void response.end(Buffer.concat([frame(1, "out\n"), frame(2, "err\n")])),
      "GET /containers/t/logs": (_r, response) => void response.end("raw\r\n"),
    });
    expect(await (await client.containers.logs("c")).text()).toEqual({ stdout: "out\n", stderr: "err\n" });
    expect(await (await client.containers.logs("t", { tty: true })).text()).toEqual({ stdout: "raw\r\n", stderr: "" });
  });
});

describe("sessions", () => {
  test("stdin is half-closed and the output comes after", async () => {
    const { requests } = await daemon({}, {
      "POST /containers/c/attach": (_request, socket) => {
        let input = "";
        socket.on("data", (chunk) => { input += String(chunk); });
        socket.on("end", () => { socket.end(Buffer.concat([frame(1, `got ${input}`), frame(2, "bye")])); });
      },
    });
    const session = await client.containers.attach("c", { stdin: true, tty: false });
    session.stdin.write("hello ");
    session.stdin.end("world");
    expect(await session.text()).toEqual({ stdout: "got hello world", stderr: "bye" });
    expect(Object.fromEntries(requests[1]!.query)).toEqual({ stream: "1", stdin: "1", stdout: "1", stderr: "1" });
  });

  test("bytes that come with the headers are not lost", async () => {
    await daemon({}, { "POST /containers/c/attach": (_request, socket) => { socket.end("prompt$ "); } });
    expect(await text((await client.containers.attach("c", { tty: true })).stdout)).toBe("prompt$ ");
  });

  test("an attach that is refused rejects with the daemon's message", async () => {
    await daemon({});
    await expect(client.containers.attach("c", { tty: true })).rejects.toMatchObject({ status: 404, message: "no such thing" });
  });

  test("exec gives output and exit code, and resizes", async () => {
    const scripted = await daemon(
      {
        "POST /containers/c/exec": (_r, response) => answer(response, 201, { Id: "e1" }),
        "GET /exec/e1/json": { ID: "e1", ExitCode: 3, Running: false },
        "POST /exec/e1/resize": (_r, response) => answer(response, 200, undefined),
      },
      { "POST /exec/e1/start": (request, socket) => { socket.end(frame(1, String(request.body))); } },
    );
    const exec = await client.containers.exec("c", { Cmd: ["true"] });
    await exec.session.resize({ rows: 2, columns: 3 });
    expect((await exec.session.text()).stdout).toBe('{"Detach":false,"Tty":false}');
    expect(await exec.exitCode()).toBe(3);
    expect(scripted.calls).toEqual(["POST /containers/c/exec", "POST /exec/e1/start", "POST /exec/e1/resize", "GET /exec/e1/json"]);
  });

  test("close leaves without an error; a broken frame is one; a signal ends it", async () => {
    await daemon({}, {
      "POST /containers/open/attach": (_request, socket) => { socket.write(frame(1, "x")); },
      "POST /containers/broken/attach": (_request, socket) => { socket.end(frame(1, "x").subarray(0, 8)); },
    });
    const open = await client.containers.attach("open", { tty: false });
    open.close();
    await open.done;
    const broken = await client.containers.attach("broken", { tty: false });
    broken.stdout.resume();
    await expect(broken.done).rejects.toThrow("ended within a frame");
    const controller = new AbortController();
    const aborted = await client.containers.attach("open", { tty: false, signal: controller.signal });
    controller.abort();
    await expect(aborted.done).rejects.toMatchObject({ name: "AbortError" });
  });

  test("pipe copies both outputs and leaves the destinations open", async () => {
    await daemon({}, { "POST /containers/c/attach": (_request, socket) => { socket.end(Buffer.concat([frame(1, "a"), frame(2, "b"), frame(1, "c")])); } });
    const out = new PassThrough();
    const err = new PassThrough();
    await (await client.containers.attach("c", { tty: false })).pipe(out, err);
    expect(String(out.read())).toBe("ac");
    expect(String(err.read())).toBe("b");
    expect(out.writableEnded).toBe(false);
  });
});

test("run: create, attach, wait, start, in that order, and remove", async () => {
  let start: (() => void) | undefined;
  const scripted = await daemon(
    {
      "POST /containers/create": (_r, response) => answer(response, 201, { Id: "c", Warnings: [] }),
      "POST /containers/c/wait": (_r, response) => {
        response.writeHead(200).flushHeaders();
        start = () => response.end('{"StatusCode":7}');
      },
      "POST /containers/c/start": (_r, response) => { answer(response, 204, undefined); start?.(); },
      "DELETE /containers/c": (_r, response) => answer(response, 204, undefined),
    },
    { "POST /containers/c/attach": (_request, socket) => { socket.end(frame(1, "hi\n")); } },
  );
  expect(await client.containers.run({ Image: "i", Cmd: ["x"] })).toEqual({ id: "c", exitCode: 7, stdout: "hi\n", stderr: "" });
  expect(scripted.calls).toEqual(["POST /containers/create", "POST /containers/c/attach", "POST /containers/c/wait", "POST /containers/c/start", "DELETE /containers/c"]);
});

test("the five lines of the README work", async () => {
  const scripted = await daemon(
    {
      "POST /images/create": lines({ status: "Pulling from library/busybox" }),
      "POST /containers/create": (_r, response) => answer(response, 201, { Id: "c", Warnings: [] }),
      "POST /containers/c/wait": { StatusCode: 0 },
      "POST /containers/c/start": (_r, response) => answer(response, 204, undefined),
      "DELETE /containers/c": (_r, response) => answer(response, 204, undefined),
    },
    { "POST /containers/c/attach": (_request, socket) => { socket.end(frame(1, "hello\n")); } },
  );
  const readme = await readFile(join(__dirname, "..", "README.md"), "utf8");
  const code = /```js\n(.*?)```/s.exec(readme)?.[1] ?? "";
  expect(code.trim().split("\n")).toHaveLength(5);
  const printed: string[] = [];
  const context = {
    require: () => ({ connect: () => connect({ host: scripted.host }) }),
    console: { log: (...values: unknown[]) => printed.push(values.join(" ")) },
  };
  await runInNewContext(`(async () => { ${code} })()`, context);
  expect(printed).toEqual(["Pulling from library/busybox", "0 hello\n"]);
});
