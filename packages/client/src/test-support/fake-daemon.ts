import { mkdtemp, rm } from "node:fs/promises";
import * as http from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One request as it arrived, with its whole body unless the route streams. */
export interface FakeRequest {
  readonly method: string;
  /** Without the version prefix and the query. */
  readonly path: string;
  readonly version: string | undefined;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}
export type Route = (request: FakeRequest, response: http.ServerResponse) => void | Promise<void>;
/** Answered with status 200. */
export type FakeJson = { readonly [key: string]: unknown } | readonly unknown[];
export type HijackRoute = (request: FakeRequest, socket: Socket) => void;

/** A scripted daemon on a unix socket, for tests of what talks to one. Routes are named `GET /containers/json`; an `*` stands for anything. */
export class FakeDaemon {
  readonly requests: FakeRequest[] = [];
  readonly #server: http.Server;
  readonly #directory: string;
  readonly #sockets = new Set<Socket>();

  private constructor(directory: string, server: http.Server) {
    this.#directory = directory;
    this.#server = server;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => undefined);
    });
  }

  static async start(routes: Record<string, Route | FakeJson>, hijacks: Record<string, HijackRoute> = {}): Promise<FakeDaemon> {
    const directory = await mkdtemp(join(tmpdir(), "strata-fake-"));
    const server = http.createServer();
    const fake = new FakeDaemon(directory, server);
    server.on("request", (request, response) => {
      void read(request).then(async (parsed) => {
        fake.requests.push(parsed);
        const route = find(routes, parsed);
        if (route === undefined && parsed.path === "/_ping") {
          response.writeHead(200, { "Api-Version": "1.51", OSType: "linux" }).end("OK");
        } else if (route === undefined) {
          answer(response, 404, { message: `no route for ${parsed.method} ${parsed.path}` });
        } else if (typeof route === "function") {
          await route(parsed, response);
        } else {
          answer(response, 200, route);
        }
      });
    });
    server.on("upgrade", (request: http.IncomingMessage, socket: Socket, head: Buffer) => {
      const length = Number(request.headers["content-length"] ?? 0);
      const body = head.subarray(0, length);
      if (head.length > length) socket.unshift(head.subarray(length));
      const parsed = parse(request, body);
      fake.requests.push(parsed);
      const route = find(hijacks, parsed);
      if (!route) return void socket.end('HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{"message":"no such thing"}');
      socket.write("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
      if (body.length === length) return route(parsed, socket);
      // The body comes in a packet of its own.
      let rest = body;
      const more = (chunk: Buffer): void => {
        rest = Buffer.concat([rest, chunk]);
        if (rest.length < length) return;
        socket.off("data", more);
        socket.pause();
        if (rest.length > length) socket.unshift(rest.subarray(length));
        route({ ...parsed, body: rest.subarray(0, length) }, socket);
      };
      socket.on("data", more);
    });
    await new Promise<void>((resolve) => server.listen(fake.path, resolve));
    return fake;
  }

  get path(): string { return join(this.#directory, "s.sock"); }
  get host(): string { return `unix://${this.path}`; }

  /** `METHOD /path` of every request but pings. */
  get calls(): string[] {
    return this.requests.filter((request) => request.path !== "/_ping").map((request) => `${request.method} ${request.path}`);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Answers with JSON. */
export function answer(response: http.ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" }).end(body === undefined ? "" : JSON.stringify(body));
}

/** One frame of a multiplexed stream. */
export function frame(stream: 1 | 2 | 3, data: string | Buffer): Buffer {
  const payload = Buffer.from(data);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

async function read(request: http.IncomingMessage): Promise<FakeRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return parse(request, Buffer.concat(chunks));
}

function parse(request: http.IncomingMessage, body: Buffer): FakeRequest {
  const url = new URL(request.url ?? "/", "http://fake");
  const versioned = /^\/v(\d+\.\d+)(\/.*)$/.exec(url.pathname);
  return {
    method: request.method ?? "GET", path: versioned?.[2] ?? url.pathname, version: versioned?.[1], query: url.searchParams, headers: request.headers, body,
  };
}

function find<T>(routes: Record<string, T>, request: FakeRequest): T | undefined {
  const name = `${request.method} ${request.path}`;
  if (name in routes) return routes[name];
  const key = Object.keys(routes).find((pattern) => pattern.includes("*") && new RegExp(`^${pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`).test(name));
  return key === undefined ? undefined : routes[key];
}
