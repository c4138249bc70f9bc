import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import express from "express";
import { NotFound, messageOf, type Logger } from "../core/index.js";
import { swarmRefusal } from "./absent.js";
import { type Context, type Handler, type Reply, type Routes, type Upgrade } from "./context.js";
import { loadContract, type Operation, type OperationId } from "./contract.js";
import { sendError, statusOf } from "./errors.js";
import { readBody, serveUpgrade } from "./hijack.js";
import { sendJson } from "./json.js";
import { MAX_VERSION, formatVersion, normalizePath, splitVersion, type ApiVersion } from "./version.js";

export interface ApiOptions {
  /** Name and version for the Server header. */
  readonly server: string;
  /** Clients may offer what they have for daemons that try things out. */
  readonly experimental: boolean;
  readonly log: Logger;
  /** Hears of every request that is answered, when its answer begins. Sessions have no answer. */
  readonly answered?: (request: { operation: string; method: string; code: number; seconds: number }) => void;
}

/** What the first step of a request found out. */
interface Incoming { version: ApiVersion; upgrade: Upgrade | undefined; search: string; operation?: OperationId }

/**
 * The API over HTTP: version prefix, routes as openapi.yaml lists them, requests read against it, errors in one place.
 * `attach` serves it on a server; several servers may share it.
 */
export class Api {
  readonly #app: (request: IncomingMessage, response: ServerResponse) => void;
  readonly #incoming = new WeakMap<IncomingMessage, Incoming>();
  readonly #upgrades = new WeakMap<IncomingMessage, Upgrade>();
  readonly #sockets = new WeakMap<Server, Set<Socket>>();
  readonly #options: ApiOptions;

  constructor(routes: Routes, options: ApiOptions) {
    this.#options = options;
    const app = express();
    app.disable("x-powered-by").disable("etag").disable("query parser");
    app.use((request, response, next) => {
      this.#begin(request, response);
      next();
    });
    for (const operation of loadContract()) {
      const handler = routes[operation.id] as Handler<OperationId>;
      app[operation.method](operation.path.replace(/\{(\w+)\}/g, ":$1"), (request, response) => this.#serve(operation, handler, request, response));
    }
    app.use((request) => { throw swarmRefusal(request.path) ?? new NotFound("page not found"); });
    app.use((error: unknown, request: express.Request, response: express.Response, _next: express.NextFunction) => {
      this.#fail(error, request, response);
    });
    this.#app = app;
  }

  /** A server without an address; `listen` is the caller's. */
  createServer(): Server {
    const server = createServer({ maxHeaderSize: 64 * 1024, requestTimeout: 0, keepAliveTimeout: 0 }, this.#app);
    server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.#upgrades.set(request, { head });
      serveUpgrade(this.#app, request, socket);
    });
    const sockets = new Set<Socket>();
    this.#sockets.set(server, sockets);
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
    return server;
  }

  /** Takes no more connections and ends those that are open, sessions among them: those the HTTP server no longer knows. */
  async closeServer(server: Server): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#sockets.get(server) ?? []) socket.destroy();
    await closed;
  }

  /** Headers of every answer; the path without version and with an image's name as one segment. */
  #begin(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader("Api-Version", formatVersion(MAX_VERSION));
    response.setHeader("Docker-Experimental", String(this.#options.experimental));
    response.setHeader("Ostype", "linux");
    response.setHeader("Server", this.#options.server);
    const { answered } = this.#options;
    if (answered !== undefined) onAnswer(response, (code, seconds) => answered({ operation: this.#incoming.get(request)?.operation ?? "none", method: request.method ?? "", code, seconds }));
    const url = request.url ?? "/";
    const mark = url.indexOf("?");
    const search = mark < 0 ? "" : url.slice(mark + 1);
    const { version, path } = splitVersion(mark < 0 ? url : url.slice(0, mark));
    request.url = normalizePath(request.method ?? "GET", path);
    this.#incoming.set(request, { version, search, upgrade: this.#upgrades.get(request) });
  }

  async #serve(operation: Operation, handler: Handler<OperationId>, request: express.Request, response: ServerResponse): Promise<void> {
    const incoming = this.#incoming.get(request)!;
    const { version, search, upgrade } = incoming;
    incoming.operation = operation.id;
    const query = operation.readQuery(new URLSearchParams(search));
    // A body that nobody asked for is read too: what follows it may be the input of a session.
    const hasBody = operation.body === "json" || (operation.body === "none" && (upgrade !== undefined || Number(request.headers["content-length"] ?? 0) > 0));
    const body = hasBody ? operation.readBody(await readBody(request, upgrade)) : undefined;
    let abort: AbortController | undefined;
    const context: Context = {
      version, request, response, upgrade, path: request.params as never, query: query, body: body as never,
      get signal() {
        if (abort === undefined) {
          const controller = (abort = new AbortController());
          if (response.destroyed) controller.abort();
          else response.once("close", () => { if (!response.writableFinished) controller.abort(); });
        }
        return abort.signal;
      },
    };
    await reply(response, await handler(context));
  }

  #fail(error: unknown, request: IncomingMessage, response: ServerResponse): void {
    const status = statusOf(error);
    const context = { method: request.method, path: request.url, status };
    if (status >= 500) this.#options.log.error({ ...context, err: error }, messageOf(error));
    else this.#options.log.debug(context, messageOf(error));
    sendError(response, error);
  }
}

/** Calls back once the head of a response is written. */
function onAnswer(response: ServerResponse, tell: (code: number, seconds: number) => void): void {
  const start = performance.now(), writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
  response.writeHead = (...args: unknown[]) => {
    const result = writeHead(...args);
    tell(response.statusCode, (performance.now() - start) / 1000);
    return result;
  };
}

async function reply(response: ServerResponse, answer: Reply): Promise<void> {
  if (answer === undefined || response.headersSent) return;
  if ("json" in answer) await sendJson(response, answer.status, answer.json);
  else response.writeHead(answer.status, answer.status === 204 || answer.status === 304 ? {} : { "Content-Length": 0 }).end();
}
