import { ServerResponse, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { WebSocketServer } from "ws";
import { InvalidArgument, messageOf } from "../core/index.js";
import type { AttachClient } from "../services/types.js";
import type { Context, Upgrade } from "./context.js";
import { SocketClient, WebSocketClient, hangUp } from "./stdio.js";
import { sendError } from "./errors.js";
import type { ApiVersion } from "./version.js";

/** Longest body of a JSON request, in bytes. */
export const MAX_BODY = 16 << 20;

/**
 * Serves a request that asks for an upgrade like any other: through `handler`, with a response bound to the socket, so
 * that errors before a hijack are ordinary answers. The connection ends with the response.
 */
export function serveUpgrade(handler: (request: IncomingMessage, response: ServerResponse) => void, request: IncomingMessage, socket: Socket): void {
  socket.on("error", () => socket.destroy());
  const response = new ServerResponse(request);
  bind(response, socket);
  handler(request, response);
}

/** Makes a response answer on a socket that no HTTP server looks after; the connection ends with it. */
function bind(response: ServerResponse, socket: Socket): void {
  response.assignSocket(socket);
  response.setHeader("Connection", "close");
  response.once("finish", () => {
    response.detachSocket(socket);
    hangUp(socket);
  });
}

/** Reads the body of a JSON request, from the socket itself when the parser has left it. */
export async function readBody(request: IncomingMessage, upgrade: Upgrade | undefined): Promise<string> {
  if (upgrade === undefined) {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      if ((size += chunk.length) > MAX_BODY) throw new InvalidArgument(`the body is larger than ${MAX_BODY} bytes`);
      chunks.push(chunk);
    }
    return chunks.length === 1 ? chunks[0]!.toString() : Buffer.concat(chunks).toString();
  }
  const { body, rest } = await splitBody(request, upgrade.head);
  upgrade.head = rest;
  return body.toString();
}

/** Cuts the body that Content-Length announces off the bytes of an upgraded connection; what follows it is input. */
async function splitBody(request: IncomingMessage, head: Buffer): Promise<{ body: Buffer; rest: Buffer }> {
  if (request.headers["transfer-encoding"] !== undefined) {
    // A client that announces chunks and sends none closes them at once.
    const empty = Buffer.from("0\r\n\r\n");
    return { body: Buffer.alloc(0), rest: head.subarray(0, empty.length).equals(empty) ? head.subarray(empty.length) : head };
  }
  const length = Number(request.headers["content-length"] ?? 0);
  if (length > MAX_BODY) throw new InvalidArgument(`the body is larger than ${MAX_BODY} bytes`);
  const socket = request.socket;
  let all = head;
  while (all.length < length) {
    const more = await new Promise<Buffer | null>((resolve) => {
      const settle = (data: Buffer | null): void => {
        socket.pause();
        socket.off("data", onData).off("close", onClose).off("end", onClose);
        resolve(data);
      };
      const onData = (data: Buffer): void => settle(data);
      const onClose = (): void => settle(null);
      socket.on("data", onData).on("close", onClose).on("end", onClose).resume();
    });
    if (more === null) throw new InvalidArgument("the connection closed before the whole body came");
    all = Buffer.concat([all, more]);
  }
  return { body: all.subarray(0, length), rest: all.subarray(length) };
}

/** Media type of a session's output. */
export function streamType(raw: boolean, version: ApiVersion): string {
  return raw || version < 42 ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream";
}

/**
 * Takes the connection from HTTP and makes it a session. With `Upgrade: tcp` it answers 101 and the socket is the
 * stream both ways. Without, it answers 200; input is the request's body when that is chunked, else what the client
 * goes on to send after its request.
 */
function openSession(context: Context, options: { raw: boolean; stdin: boolean }): SocketClient {
  const { request, response } = context;
  const socket = request.socket;
  const head = context.upgrade?.head;
  const type = streamType(options.raw, context.version);
  const headers = `Content-Type: ${type}\r\nApi-Version: ${String(response.getHeader("Api-Version") ?? "")}\r\n`;
  const chunked = head === undefined && request.headers["transfer-encoding"] !== undefined;
  response.removeAllListeners("finish");
  response.detachSocket(socket);
  if (head === undefined && !chunked) {
    // The HTTP parser would take what follows for another request.
    for (const event of ["data", "end", "error", "drain", "timeout"]) socket.removeAllListeners(event);
  }
  return new SocketClient(socket, {
    ...options,
    source: chunked ? (request.readableEnded ? null : request) : undefined,
    head: head ?? Buffer.alloc(0),
    preamble: head === undefined ? `HTTP/1.1 200 OK\r\n${headers}Connection: close\r\n\r\n` : `HTTP/1.1 101 UPGRADED\r\n${headers}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
  });
}

/**
 * Runs a session over the request's connection. `run` resolves when it is over. What it throws within its first turn of
 * the event loop is answered as a status. Then the session begins: its head must not come in one piece with output,
 * which some clients (docker-py) would lose. What fails later is told as a line of output.
 */
export async function runSession(context: Context, options: { raw: boolean; stdin: boolean }, run: (client: AttachClient) => Promise<void>): Promise<void> {
  const { request, response } = context;
  const client = openSession(context, options);
  const turn = setImmediate(() => client.begin());
  try {
    await run(client);
    client.end();
  } catch (error) {
    clearImmediate(turn);
    if (client.begun) {
      client.write("stderr", Buffer.from(`${messageOf(error)}\r\n`));
      client.end();
      return;
    }
    bind(response, request.socket);
    sendError(response, error);
  }
}

/** Runs a session over a WebSocket. */
export async function runWebSocket(context: Context, stdin: boolean, run: (client: AttachClient) => Promise<void>): Promise<void> {
  const { request, response } = context;
  const head = context.upgrade?.head;
  if (head === undefined) throw new InvalidArgument("a WebSocket handshake is expected");
  const server = new WebSocketServer({ noServer: true, clientTracking: false });
  const socket = request.socket;
  response.removeAllListeners("finish");
  response.detachSocket(socket);
  const ws = await new Promise<ConstructorParameters<typeof WebSocketClient>[0]>((resolve) => server.handleUpgrade(request, socket, head, resolve));
  const client = new WebSocketClient(ws, stdin);
  try {
    await run(client);
  } catch (error) {
    client.write("stderr", Buffer.from(`${messageOf(error)}\r\n`));
  }
  client.end();
}
