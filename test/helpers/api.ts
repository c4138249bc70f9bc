import { type IncomingMessage, request } from "node:http";

/** What an engine answers. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests pick what they check
export type Json = any;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  readonly json: Json;
}
export interface Call {
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: Buffer | string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Sends a request over a Unix socket; resolves once the headers are in. */
export function open(socket: string, method: string, path: string, call: Call = {}): Promise<IncomingMessage> {
  const query = call.query ? `?${new URLSearchParams(Object.entries(call.query).map(([key, value]): [string, string] => [key, String(value)])).toString()}` : "";
  const body = call.json === undefined ? call.body : JSON.stringify(call.json);
  const headers = { ...(call.json === undefined ? {} : { "content-type": "application/json" }), ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }), ...call.headers };
  return new Promise((resolve, reject) => {
    request({ socketPath: socket, method, path: path + query, headers, agent: false, ...(call.signal && { signal: call.signal }) }, resolve).on("error", reject).end(body);
  });
}

/** The same, with the whole answer read. `json` is undefined where the body is none. */
export async function call(socket: string, method: string, path: string, options: Call = {}): Promise<Answer> {
  const response = await open(socket, method, path, options);
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  const text = Buffer.concat(parts).toString();
  return { status: response.statusCode ?? 0, headers: response.headers, text, json: parse(text) };
}

function parse(text: string): unknown {
  try { return JSON.parse(text); } catch { return undefined; }
}
