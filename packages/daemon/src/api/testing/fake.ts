import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { request as httpRequest, type IncomingMessage, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, systemClock } from "../../core/index.js";
import { routes, type Backends } from "../routes.js";
import { Api, type ApiOptions } from "../server.js";
import type { ServerFacts } from "../system.js";

const facts: ServerFacts = {
  product: "Strata 0", version: "28.0.0", gitCommit: "abc", buildTime: "", kernel: "6.1", arch: "amd64", machine: "x86_64", components: [{ name: "runc", version: "1.1" }], debug: false, experimental: false,
  proxies: { http: "", https: "", no: "" },
};

/** Services of which a test gives the methods it needs; any other call fails by name. */
export type Fakes = { readonly [K in "images" | "containers" | "files" | "exec" | "volumes" | "networks" | "system" | "builds" | "graph" | "gc" | "checks"]?: Partial<Backends[K]> };

function standIn<T extends object>(name: string, methods: Partial<T> | undefined): T {
  return new Proxy({}, {
    get: (_target, key) => (methods as Record<string | symbol, unknown> | undefined)?.[key] ?? (() => { throw new Error(`${name}.${String(key)} was not expected`); }),
  }) as T;
}

/** The API over a Unix socket with fake services behind it. */
export class TestApi {
  readonly socket: string;
  readonly #dir = mkdtempSync(join(tmpdir(), "strata-api-"));
  readonly #api: Api;
  readonly #server: Server;
  readonly #clients: Socket[] = [];

  constructor(fakes: Fakes, answered?: ApiOptions["answered"]) {
    this.socket = join(this.#dir, "s");
    const backends: Backends = {
      images: standIn("images", fakes.images), builds: standIn("builds", fakes.builds), checks: standIn("checks", fakes.checks), containers: standIn("containers", fakes.containers), files: standIn("files", fakes.files), exec: standIn("exec", fakes.exec), volumes: standIn("volumes", fakes.volumes),
      networks: standIn("networks", fakes.networks), system: standIn("system", fakes.system), graph: standIn("graph", fakes.graph), gc: standIn("gc", fakes.gc), clock: systemClock, facts,
      inspectFacts: () => ({ directory: "/c", graphDriver: { name: "overlay2", data: {} }, sandbox: "", execs: [] }),
    };
    this.#api = new Api(routes(backends), { experimental: false, server: "Strata/0 (linux)", log: silentLogger, ...(answered === undefined ? {} : { answered }) });
    this.#server = this.#api.createServer();
  }
  start(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.socket, resolve));
  }
  async stop(): Promise<void> {
    await this.#api.closeServer(this.#server);
    for (const client of this.#clients) client.destroy();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** One request; the whole answer. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests pick what they check
  async call(method: string, path: string, options: { body?: string; headers?: Record<string, string> } = {}): Promise<{ status: number; headers: IncomingMessage["headers"]; text: string; json: any }> {
    const response = await this.open(method, path, options);
    let text = "";
    for await (const chunk of response) text += String(chunk);
    let json: unknown;
    try { json = JSON.parse(text); } catch { json = undefined; }
    return { status: response.statusCode!, headers: response.headers, text, json };
  }
  /** One request; resolves with the headers. */
  open(method: string, path: string, options: { body?: string; headers?: Record<string, string> } = {}): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = httpRequest({ socketPath: this.socket, method, path, agent: false, headers: { ...(options.body === undefined ? {} : { "Content-Length": Buffer.byteLength(options.body) }), ...options.headers } }, resolve);
      request.on("error", reject).end(options.body);
    });
  }
  raw(): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ path: this.socket, allowHalfOpen: true });
      this.#clients.push(socket);
      socket.once("error", reject).once("connect", () => resolve(new RawClient(socket)));
    });
  }
}

/** A client without an HTTP library. */
export class RawClient {
  #received = Buffer.alloc(0);
  ended = false;
  constructor(readonly socket: Socket) {
    socket.on("data", (d: Buffer) => { this.#received = Buffer.concat([this.#received, d]); });
    socket.on("end", () => { this.ended = true; });
    socket.on("error", () => { this.ended = true; });
  }
  get received(): Buffer { return this.#received; }
  get text(): string { return this.#received.toString("latin1"); }
  /** Waits until what came satisfies `test`. */
  async until(test: (client: this) => boolean): Promise<void> {
    while (!test(this)) {
      if (this.socket.destroyed) throw new Error(`the connection is gone after: ${this.text}`);
      await new Promise<void>((resolve) => {
        const done = (): void => {
          for (const event of ["data", "end", "close"]) this.socket.off(event, done);
          setImmediate(resolve);
        };
        for (const event of ["data", "end", "close"]) this.socket.on(event, done);
      });
    }
  }
}

/** The frames of a multiplexed stream. */
export function frames(data: Buffer): { stream: number; text: string }[] {
  const found = [];
  for (let at = 0; at + 8 <= data.length;) {
    const length = data.readUInt32BE(at + 4);
    found.push({ stream: data[at]!, text: data.toString("latin1", at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return found;
}
