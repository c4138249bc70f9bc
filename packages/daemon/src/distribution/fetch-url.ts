import { STATUS_CODES, type IncomingHttpHeaders } from "node:http";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { InvalidArgument, NotFound, Unavailable } from "../core/index.js";
import { NetworkError } from "./network-error.js";
import { discard, type HttpResponse, type Transport } from "./transport.js";

export interface FetchedUrl {
  /** Fails when the connection drops or stands still, or when more comes than may. */
  readonly body: Readable;
  /** Milliseconds since the epoch, where the server tells. */
  readonly modified?: number;
  /** The file's name, where the server tells. */
  readonly filename?: string;
}
export interface FetchUrlOptions {
  readonly signal: AbortSignal;
  /** Bytes at most; no limit where there is none. */
  readonly limit?: number;
  /** Certificates are not checked. */
  readonly unverified?: boolean;
}

/** `http://…` and `https://…`; what names no protocol is HTTP. InvalidArgument for anything else. */
export function readUrl(text: string): URL {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw new InvalidArgument(`cannot fetch ${text}: only URLs of http and https are fetched`);
  return url;
}

/** A file of any web server. Errors name the URL without its credentials. */
export async function fetchUrl(transport: Transport, url: URL, { signal, limit, unverified = false }: FetchUrlOptions): Promise<FetchedUrl> {
  const { username, password } = url, plain = new URL(url);
  plain.username = plain.password = plain.hash = "";
  const authorization: Record<string, string> = username === "" ? {} : { Authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}` };
  const response = await transport.send({ method: "GET", url: plain, headers: authorization, signal, unverified });
  const { status, headers } = response;
  if (status !== 200) {
    await discard(response);
    const message = `cannot fetch ${plain.href}: ${status} ${STATUS_CODES[status] ?? ""}`.trim();
    throw status === 404 ? new NotFound(message) : status < 500 ? new InvalidArgument(message) : new Unavailable(message);
  }
  const announced = Number(headers["content-length"] ?? 0);
  if (limit !== undefined && announced > limit) {
    response.body.destroy();
    throw tooLarge(plain, limit);
  }
  const modified = Date.parse(headers["last-modified"] ?? ""), filename = filenameOf(headers);
  return { body: Readable.from(chunks(response, plain, limit), { objectMode: false }), ...(Number.isNaN(modified) ? {} : { modified }), ...(filename === undefined ? {} : { filename }) };
}

async function* chunks({ body }: HttpResponse, url: URL, limit = Infinity): AsyncGenerator<Buffer, void> {
  let length = 0;
  try {
    for await (const chunk of body) {
      if ((length += (chunk as Buffer).length) > limit) throw tooLarge(url, limit);
      yield chunk as Buffer;
    }
  } catch (error) {
    throw error instanceof InvalidArgument ? error : new NetworkError("GET", url, error);
  }
}

const tooLarge = (url: URL, limit: number): InvalidArgument => new InvalidArgument(`${url.href} has more than ${limit} bytes, which is what there is room for`);

/** Of Content-Disposition (RFC 6266), its last part only. */
function filenameOf(headers: IncomingHttpHeaders): string | undefined {
  const [, quoted, plain] = /;\s*filename=(?:"([^"]*)"|([^\s;]+))/i.exec(headers["content-disposition"] ?? "") ?? [];
  const name = posix.basename(quoted ?? plain ?? "");
  return name === "" || name === "." || name === ".." ? undefined : name;
}
