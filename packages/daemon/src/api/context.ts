import type { IncomingMessage, ServerResponse } from "node:http";
import type { BodyOf, OperationId, PathOf, QueryOf } from "./contract.js";
import type { ApiVersion } from "./version.js";

/** A request that asked for an upgrade: no HTTP parser reads its connection any more. */
export interface Upgrade {
  /** What came after the headers, or after the body once that is read. */
  head: Buffer;
}

/** One request, read and checked. */
export interface Context<Op extends OperationId = OperationId> {
  readonly version: ApiVersion;
  readonly path: PathOf<Op>;
  readonly query: QueryOf<Op>;
  readonly body: BodyOf<Op>;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Aborts when the client leaves before the response is complete. */
  readonly signal: AbortSignal;
  /** Set when the request asks for an upgrade. */
  readonly upgrade: Upgrade | undefined;
}

/** What a handler answers: a value to send as JSON, a status without a body, or undefined when it wrote the response itself. */
export type Reply = Json | Empty | undefined;
export interface Json { readonly status: number; readonly json: unknown }
export interface Empty { readonly status: number }

export type Handler<Op extends OperationId> = (context: Context<Op>) => Reply | Promise<Reply>;

/** One handler for every operation of openapi.yaml; method and path are written there. */
export type Routes = { readonly [Op in OperationId]: Handler<Op> };

export const ok = (json: unknown): Json => ({ status: 200, json });
export const created = (json: unknown): Json => ({ status: 201, json });
export const empty = (status: number): Empty => ({ status });
