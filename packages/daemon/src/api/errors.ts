import type { ServerResponse } from "node:http";
import { InvalidReference } from "@strata/oci";
import { StrataError, messageOf, type ErrorCode } from "../core/index.js";

/** The one place that knows what an error is called in HTTP. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  NotFound: 404, AlreadyExists: 409, Conflict: 409, InvalidArgument: 400, NotModified: 304,
  PermissionDenied: 403, Unauthenticated: 401, Unavailable: 503, NotImplemented: 501, DataLoss: 500,
};

/** HTTP status of anything thrown. What is not a StrataError is a fault of ours: 500. */
export function statusOf(error: unknown): number {
  if (error instanceof StrataError) return STATUS[error.code];
  return error instanceof InvalidReference ? 400 : 500;
}

/** Body of an error as every client reads it. */
export function errorBody(error: unknown): string {
  return `${JSON.stringify({ message: messageOf(error) })}\n`;
}

/** Answers with an error. Once a response has begun there is only one way left to say so: it breaks off. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const status = statusOf(error);
  if (status === 304) {
    response.writeHead(304).end();
    return;
  }
  const body = errorBody(error);
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) }).end(body);
}
