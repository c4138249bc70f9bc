import { request } from "node:http";
import type { Duplex } from "node:stream";
import WebSocket from "ws";
import { Conflict, NotFound, type StrataEvent } from "../core/index.js";
import type { AttachClient, Exec, LogLine } from "../services/types.js";
import { frames, TestApi, type Fakes } from "./testing/fake.js";

let api: TestApi | undefined;
async function serve(fakes: Fakes): Promise<TestApi> {
  api = new TestApi(fakes);
  await api.start();
  return api;
}
afterEach(async () => {
  await api?.stop();
  api = undefined;
});

/** Answers every piece of input on stdout and its length on stderr, and says bye when input ends. */
async function echo(client: AttachClient): Promise<void> {
  if (client.input !== null) {
    for await (const chunk of client.input) {
      client.write("stdout", chunk as Buffer);
      client.write("stderr", Buffer.from(String((chunk as Buffer).length)));
    }
  }
  client.write("stdout", Buffer.from("bye"));
}
const echoing = (tty = false): Fakes => ({ containers: { tty: () => tty, attach: (_name, _options, client) => echo(client) } });
const UPGRADE = "Host: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n";
const body = (text: string): Buffer => Buffer.from(text.slice(text.indexOf("\r\n\r\n") + 4), "latin1");

describe("attach", () => {
  test("with Upgrade: 101, frames, half-close of the client, end of the server", async () => {
    const client = await (await serve(echoing())).raw();
    client.socket.write(`POST /v1.44/containers/c/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\n${UPGRADE}\r\n`);
    await client.until((c) => c.text.includes("\r\n\r\n"));
    expect(client.text).toMatch(/^HTTP\/1\.1 101 UPGRADED\r\n/);
    expect(client.text).toContain("Content-Type: application/vnd.docker.multiplexed-stream\r\n");
    expect(client.text).toContain("Connection: Upgrade\r\nUpgrade: tcp\r\n");
    client.socket.write("hello");
    await client.until((c) => frames(body(c.text)).length >= 2);
    expect(frames(body(client.text))).toEqual([{ stream: 1, text: "hello" }, { stream: 2, text: "5" }]);
    client.socket.end();
    await client.until((c) => c.ended);
    expect(frames(body(client.text)).at(-1)).toEqual({ stream: 1, text: "bye" });
  });
  test("input sent with the headers is input", async () => {
    const client = await (await serve(echoing(true))).raw();
    client.socket.end(`POST /containers/c/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\n${UPGRADE}Content-Length: 2\r\n\r\n{}early`);
    await client.until((c) => c.ended);
    expect(client.text).toContain("Content-Type: application/vnd.docker.raw-stream\r\n");
    expect(body(client.text).toString()).toBe("early5bye");
  });
  test("older versions call the frames a raw stream", async () => {
    const client = await (await serve(echoing())).raw();
    client.socket.end(`POST /v1.41/containers/c/attach?stream=1&stdout=1 HTTP/1.1\r\n${UPGRADE}\r\n`);
    await client.until((c) => c.ended);
    expect(client.text).toContain("Content-Type: application/vnd.docker.raw-stream\r\n");
    expect(frames(body(client.text))).toEqual([{ stream: 1, text: "bye" }]);
  });
  test("without Upgrade: 200, and what follows the request is input", async () => {
    const client = await (await serve(echoing())).raw();
    client.socket.write("POST /containers/c/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    await client.until((c) => c.text.includes("\r\n\r\n"));
    expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    client.socket.write("GET / HTTP/1.1\r\n\r\n");
    await client.until((c) => frames(body(c.text)).length >= 2);
    expect(frames(body(client.text))[0]).toEqual({ stream: 1, text: "GET / HTTP/1.1\r\n\r\n" });
    client.socket.end();
    await client.until((c) => c.ended);
  });
  test("without Upgrade: a chunked body is input", async () => {
    const a = await serve(echoing(true));
    const text = await new Promise<string>((resolve, reject) => {
      const post = request({ socketPath: a.socket, method: "POST", path: "/containers/c/attach?stream=1&stdin=1&stdout=1", headers: { "Transfer-Encoding": "chunked" } }, (response) => {
        let all = "";
        response.on("data", (d: Buffer) => {
          all += d.toString();
          if (all === "one3") post.end("three");
        }).on("end", () => resolve(all)).on("error", reject);
      });
      post.on("error", reject);
      post.write("one");
    });
    expect(text).toBe("one3three5bye");
  });
  test("errors before the session are answers", async () => {
    const fakes: Fakes = { containers: { tty: () => { throw new NotFound("No such container: c"); } } };
    const client = await (await serve(fakes)).raw();
    client.socket.write(`POST /containers/c/attach?stream=1 HTTP/1.1\r\n${UPGRADE}\r\n`);
    await client.until((c) => c.ended);
    expect(client.text).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
    expect(client.text).toContain('{"message":"No such container: c"}');
  });
  test("a client that vanishes ends its session, one that half-closes does not", async () => {
    let gone: (() => void) | undefined, write: (() => void) | undefined;
    const closed = new Promise<void>((resolve) => (gone = resolve));
    const a = await serve({
      containers: {
        tty: () => true,
        async attach(_n, _o, c) {
          write = () => c.write("stdout", Buffer.from("still here"));
          await c.closed;
          gone!();
        },
      },
    });
    const client = await a.raw();
    client.socket.write(`POST /containers/c/attach?stream=1&stdout=1 HTTP/1.1\r\n${UPGRADE}\r\n`);
    await client.until((c) => c.text.includes("101"));
    await new Promise<void>((resolve) => client.socket.end(resolve));
    write!();
    await client.until((c) => c.text.endsWith("still here"));
    client.socket.destroy();
    await closed;
  });
  test("a server that closes ends its sessions", async () => {
    let over: (() => void) | undefined;
    const ended = new Promise<void>((resolve) => (over = resolve));
    const a = await serve({ containers: { tty: () => true, attach: async (_n, _o, c) => { await c.closed; over!(); } } });
    const client = await a.raw();
    client.socket.write(`POST /containers/c/attach?stream=1&stdout=1 HTTP/1.1\r\n${UPGRADE}\r\n`);
    await client.until((c) => c.text.includes("101"));
    api = undefined;
    await Promise.all([a.stop(), ended]);
  });
  test("a slow client is waited for, and gets everything", async () => {
    const piece = Buffer.alloc(256 * 1024, "x");
    let waited = 0;
    const client = await (await serve({
      containers: {
        tty: () => false,
        async attach(_n, _o, c) {
          for (let i = 0; i < 40; i++) {
            if (!c.write(i % 2 === 0 ? "stdout" : "stderr", piece)) {
              waited++;
              await c.drained();
            }
          }
        },
      },
    })).raw();
    client.socket.write(`POST /containers/c/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\n${UPGRADE}\r\n`);
    await client.until((c) => c.ended);
    expect(waited).toBeGreaterThan(0);
    const got = frames(client.received.subarray(client.text.indexOf("\r\n\r\n") + 4));
    expect(got.map((f) => [f.stream, f.text.length])).toEqual(Array.from({ length: 40 }, (_, i) => [i % 2 === 0 ? 1 : 2, piece.length]));
  });
  test("over a WebSocket", async () => {
    const a = await serve(echoing());
    const ws = new WebSocket(`ws+unix://${a.socket}:/containers/c/attach/ws?stream=1&stdin=1&stdout=1&stderr=1`);
    const got: string[] = [];
    ws.on("message", (data: Buffer) => got.push(data.toString()));
    await new Promise((resolve, reject) => ws.once("open", resolve).once("error", reject));
    ws.send("hi");
    await new Promise<void>((resolve) => ws.on("message", () => { if (got.length === 2) resolve(); }));
    expect(got).toEqual(["hi", "2"]);
    ws.close();
  });
});

const exec: Exec = {
  id: "e" as never, container: "c" as never, running: false, pid: 0, exitCode: null,
  spec: { cmd: ["sh", "-c", "x"], tty: false, attachStdin: true, attachStdout: true, attachStderr: true, env: [], user: "", workingDir: "", privileged: false },
};
describe("exec", () => {
  test("start over a hijacked connection, body in pieces", async () => {
    const client = await (await serve({ exec: { inspect: () => exec, start: (_id, _o, c) => echo(c!) } })).raw();
    client.socket.write(`POST /exec/e/start HTTP/1.1\r\n${UPGRADE}Content-Type: application/json\r\nContent-Length: ${'{"Detach":false,"Tty":false   }'.length}\r\n\r\n{"Detach":fal`);
    await new Promise((resolve) => setImmediate(resolve));
    client.socket.write('se,"Tty":false   }');
    client.socket.end("in");
    await client.until((c) => c.ended);
    expect(client.text).toMatch(/^HTTP\/1\.1 101 UPGRADED\r\n/);
    expect(frames(body(client.text))).toEqual([{ stream: 1, text: "in" }, { stream: 2, text: "2" }, { stream: 1, text: "bye" }]);
  });
  test.each([[true, false, true], [true, true, false], [false, true, false], [false, false, true]])("of terminal %s, started as terminal %s, comes in frames: %s", async (tty, startTty, framed) => {
    const a = await serve({ exec: { inspect: () => ({ ...exec, spec: { ...exec.spec, tty } }), start: (_id, _o, c) => { c!.write("stdout", Buffer.from("out")); return Promise.resolve(); } } });
    const client = await a.raw(), json = JSON.stringify({ Tty: startTty });
    client.socket.write(`POST /exec/e/start HTTP/1.1\r\n${UPGRADE}Content-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json}`);
    await client.until((c) => c.ended);
    expect(client.text).toContain(`Content-Type: application/vnd.docker.${framed ? "multiplexed" : "raw"}-stream`);
    expect(framed ? frames(body(client.text)) : body(client.text).toString()).toEqual(framed ? [{ stream: 1, text: "out" }] : "out");
  });
  test("a failure to start is a status, hijacked or not", async () => {
    const a = await serve({ exec: { inspect: () => exec, start: () => Promise.reject(new Conflict("container c is not running")) } });
    for (const headers of [UPGRADE, "Host: x\r\n"]) {
      const client = await a.raw();
      client.socket.write(`POST /exec/e/start HTTP/1.1\r\n${headers}Content-Length: 2\r\n\r\n{}`);
      await client.until((c) => c.ended);
      expect(client.text).toMatch(/^HTTP\/1\.1 409 Conflict\r\n/);
      expect(client.text).toContain("container c is not running");
    }
  });
  test("detached", async () => {
    const a = await serve({ exec: { inspect: () => exec, start: (_id, _o, c) => (c === null ? Promise.resolve() : Promise.reject(new Error("attached"))) } });
    expect(await a.call("POST", "/exec/e/start", { body: '{"Detach":true}' })).toMatchObject({ status: 200, text: "" });
  });
  test("a response through dockerode's kind of upgrade", async () => {
    const a = await serve({ exec: { inspect: () => exec, start: (_id, _o, c) => echo(c!) } });
    const text = await new Promise<string>((resolve, reject) => {
      const post = request({ socketPath: a.socket, method: "POST", path: "/exec/e/start", headers: { Connection: "Upgrade", Upgrade: "tcp", "Content-Length": 2 } });
      post.on("upgrade", (_response, socket: Duplex, head: Buffer) => {
        let all = head;
        socket.on("data", (d: Buffer) => { all = Buffer.concat([all, d]); }).on("end", () => resolve(frames(all).map((f) => f.text).join()));
        socket.end("q");
      }).on("error", reject);
      post.end("{}");
    });
    expect(text).toBe("q,1,bye");
  });
});

describe("wait", () => {
  test("headers come at once, the body at the exit", async () => {
    let finish: ((exit: { code: number }) => void) | undefined;
    const a = await serve({ containers: { wait: () => ({ exit: new Promise((resolve) => (finish = resolve)) }) } });
    const response = await a.open("POST", "/containers/c/wait?condition=next-exit");
    expect(response.statusCode).toBe(200);
    finish!({ code: 137 });
    let text = "";
    for await (const chunk of response) text += String(chunk);
    expect(JSON.parse(text)).toEqual({ StatusCode: 137 });
  });
  test("an unknown container is 404", async () => {
    const a = await serve({ containers: { wait: () => { throw new NotFound("No such container: c"); } } });
    expect((await a.call("POST", "/containers/c/wait")).status).toBe(404);
  });
  test("the signal aborts when the client leaves", async () => {
    let aborted: (() => void) | undefined;
    const seen = new Promise<void>((resolve) => (aborted = resolve));
    const a = await serve({ containers: { wait: (_n, _c, signal) => { signal.addEventListener("abort", () => aborted!()); return { exit: new Promise(() => undefined) }; } } });
    (await a.open("POST", "/containers/c/wait")).destroy();
    await seen;
  });
});

describe("events and logs", () => {
  test("headers before the first event, each event when it happens", async () => {
    let give: ((event: StrataEvent) => void) | undefined;
    const first = new Promise<StrataEvent>((resolve) => (give = resolve));
    const a = await serve({ system: { async *events() { yield await first; } } });
    const response = await a.open("GET", "/events");
    expect(response.statusCode).toBe(200);
    give!({ type: "container", action: "die", id: "i", attributes: { image: "b", exitCode: "3" }, time: 1_700_000_000_123.5 });
    let text = "";
    for await (const chunk of response) text += String(chunk);
    expect(JSON.parse(text)).toEqual({
      status: "die", id: "i", from: "b", Type: "container", Action: "die", Actor: { ID: "i", Attributes: { image: "b", exitCode: "3" } }, scope: "local", time: 1_700_000_000, timeNano: 1_700_000_000_123_500_000,
    });
  });
  const line = (stream: "stdout" | "stderr", text: string, partial = false): LogLine => ({ stream, data: Buffer.from(text), time: "2026-01-01T00:00:00.000000001Z", partial });
  test("logs: frames, and times before whole lines only", async () => {
    const lines = [line("stdout", "a", true), line("stdout", "b\n"), line("stderr", "c\n")];
    const a = await serve({ containers: { tty: () => false, logs: async () => (async function* () { yield lines; })() } });
    const response = await a.open("GET", "/containers/c/logs?stdout=1&stderr=1&timestamps=1&tail=all&since=0");
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    expect(response.headers["content-type"]).toBe("application/vnd.docker.multiplexed-stream");
    expect(frames(Buffer.concat(chunks))).toEqual([
      { stream: 1, text: "2026-01-01T00:00:00.000000001Z a" }, { stream: 1, text: "b\n" }, { stream: 2, text: "2026-01-01T00:00:00.000000001Z c\n" },
    ]);
  });
  test("logs need a stream", async () => {
    const a = await serve({});
    expect(await a.call("GET", "/containers/c/logs")).toMatchObject({ status: 400, json: { message: "Bad parameters: you must choose at least one stream" } });
  });
});
