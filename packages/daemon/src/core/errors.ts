/**
 * The one error vocabulary. `code` is stable and is what callers branch on; api/errors.ts alone maps it to HTTP.
 * Context travels in `cause`.
 */
export type ErrorCode =
  | "NotFound" | "AlreadyExists" | "Conflict" | "InvalidArgument" | "NotModified"
  | "PermissionDenied" | "Unauthenticated" | "Unavailable" | "NotImplemented" | "DataLoss";

export class StrataError extends Error {
  constructor(readonly code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = code;
  }
}

const define = (code: ErrorCode) =>
  class extends StrataError {
    constructor(message: string, options?: { cause?: unknown }) { super(code, message, options); }
  };

/** The thing named does not exist. */
export class NotFound extends define("NotFound") {}
/** Something of that name exists already. */
export class AlreadyExists extends define("AlreadyExists") {}
/** The thing exists but its state forbids the request. */
export class Conflict extends define("Conflict") {}
/** The request itself is wrong; the message names the field. */
export class InvalidArgument extends define("InvalidArgument") {}
/** The state asked for holds already. */
export class NotModified extends define("NotModified") {}
export class PermissionDenied extends define("PermissionDenied") {}
/** Credentials are missing or wrong. */
export class Unauthenticated extends define("Unauthenticated") {}
/** A peer (registry, runtime, disk) cannot serve now; trying later may help. */
export class Unavailable extends define("Unavailable") {}
export class NotImplemented extends define("NotImplemented") {}
/** Bytes do not match their digest, or something committed is gone from disk. */
export class DataLoss extends define("DataLoss") {}

/** The message of anything thrown. */
export function messageOf(e: unknown): string {
  return e instanceof Error ? e.message : String(e);
}

/** Node's errno name (`ENOENT`), if the value carries one. */
export function errnoOf(e: unknown): string | undefined {
  return typeof e === "object" && e !== null && "code" in e && typeof e.code === "string" ? e.code : undefined;
}
