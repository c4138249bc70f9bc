import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import type { Answer, BodyOf, Method, MethodOf, Operation, Path, PathOf, QueryOf } from "./operation-types.js";
import type { Query } from "./query.js";
import { Output, Session, type TerminalSize } from "./session.js";
import { jsonLines } from "./json-lines.js";
import { readText, type RequestOptions, type Transport } from "./transport.js";
import { StrataApiError } from "./errors.js";

/** The newest API version whose shapes the types describe. */
export const API_VERSION = "1.51";

/** What a call of one operation takes: its parameters as the contract has them. */
export type CallOptions<O> = {
  readonly query?: QueryOf<O>;
  readonly json?: BodyOf<O>;
  readonly body?: Readable;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
} & (PathOf<O> extends undefined ? { readonly path?: undefined } : { readonly path: PathOf<O> });

/** Knows versions and the shapes of streams; resources are built on it. */
export class Api {
  readonly #transport: Transport;
  #prefix: string | undefined;
  #negotiation: Promise<string> | undefined;

  constructor(transport: Transport, version?: string) {
    this.#transport = transport;
    if (version !== undefined) {
      if (!/^v?\d+\.\d+$/.test(version)) throw new TypeError(`invalid API version ${JSON.stringify(version)}`);
      this.#prefix = `/v${version.replace(/^v/, "")}`;
    }
  }

  /** The version spoken with this daemon, without the `v`. */
  async version(signal?: AbortSignal): Promise<string> {
    return (await this.#versioned(signal)).slice(2);
  }

  /** A call that is answered with JSON. */
  async call<P extends Path, M extends MethodOf<P>>(method: M, path: P, options: CallOptions<Operation<P, M>>): Promise<Answer<Operation<P, M>>> {
    return (await this.#transport.json(verb(method), await this.#path(path, options), request(options))) as Answer<Operation<P, M>>;
  }

  /** A call that is answered at once with headers and much later with JSON: resolves with the promise of that JSON. */
  async deferred<P extends Path, M extends MethodOf<P>>(method: M, path: P, options: CallOptions<Operation<P, M>>): Promise<{ value: Promise<Answer<Operation<P, M>>> }> {
    const response = await this.open(method, path, options);
    const value = readText(response).then((text) => JSON.parse(text) as Answer<Operation<P, M>>);
    // It may be looked at only after it has failed.
    value.catch(() => undefined);
    return { value };
  }

  /** A call whose body, if any, is of no interest. */
  async send<P extends Path, M extends MethodOf<P>>(method: M, path: P, options: CallOptions<Operation<P, M>>): Promise<IncomingMessage> {
    const response = await this.open(method, path, options);
    await readText(response);
    return response;
  }

  /** A call that is answered with bytes. */
  async open<P extends Path, M extends MethodOf<P>>(method: M, path: P, options: CallOptions<Operation<P, M>>): Promise<IncomingMessage> {
    return this.#transport.request(verb(method), await this.#path(path, options), request(options));
  }

  /** A call that is answered with a JSON value a line, for as long as it takes. */
  async *lines<P extends Path, M extends MethodOf<P>>(method: M, path: P, options: CallOptions<Operation<P, M>>): AsyncGenerator<Answer<Operation<P, M>>, void, undefined> {
    yield* jsonLines<Answer<Operation<P, M>>>(await this.open(method, path, options));
  }

  /** A call that is answered with a process's output. */
  async output<P extends Path, M extends MethodOf<P>>(method: M, path: P, tty: boolean, options: CallOptions<Operation<P, M>>): Promise<Output> {
    return new Output(await this.open(method, path, options), tty);
  }

  /** A call that turns the connection into a process's input and output. */
  async session<P extends Path, M extends MethodOf<P>>(
    method: M, path: P, tty: boolean, resize: (size: TerminalSize) => Promise<void>, options: CallOptions<Operation<P, M>>,
  ): Promise<Session> {
    const { socket, head } = await this.#transport.hijack(verb(method), await this.#path(path, options), request(options));
    return new Session(socket, head, tty, resize);
  }

  /** The answer to a ping: its headers tell about the daemon. */
  async ping(signal?: AbortSignal): Promise<IncomingMessage> {
    const response = await this.#transport.request("GET", "/_ping", { signal });
    await readText(response);
    return response;
  }

  async #path(template: string, options: { readonly path?: unknown; readonly signal?: AbortSignal }): Promise<string> {
    const values = (options.path ?? {}) as Readonly<Record<string, string>>;
    const path = template.replace(/\{(\w+)\}/g, (_whole, name: string) => {
      const value = values[name];
      // An empty name would address the collection instead of a member.
      if (value === undefined || value === "") throw new StrataApiError(400, `invalid argument: ${name} is empty`);
      return value.split("/").map(encodeURIComponent).join("/");
    });
    return (await this.#versioned(options.signal)) + path;
  }

  async #versioned(signal?: AbortSignal): Promise<string> {
    if (this.#prefix !== undefined) return this.#prefix;
    this.#negotiation ??= this.#negotiate(signal);
    try {
      return (this.#prefix = await this.#negotiation);
    } catch (error) {
      this.#negotiation = undefined;
      throw error;
    }
  }

  async #negotiate(signal?: AbortSignal): Promise<string> {
    const theirs = (await this.ping(signal)).headers["api-version"];
    return `/v${typeof theirs === "string" && older(theirs, API_VERSION) ? theirs : API_VERSION}`;
  }
}

function older(a: string, b: string): boolean {
  const [majorA = 0, minorA = 0] = a.split(".").map(Number);
  const [majorB = 0, minorB = 0] = b.split(".").map(Number);
  return majorA < majorB || (majorA === majorB && minorA < minorB);
}

const verb = (method: Method): string => method.toUpperCase();

function request(options: { query?: unknown; json?: unknown; body?: Readable; headers?: Readonly<Record<string, string>>; signal?: AbortSignal }): RequestOptions {
  return { ...options, query: options.query as Query | undefined };
}
