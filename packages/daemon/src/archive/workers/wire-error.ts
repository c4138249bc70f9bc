import * as errors from "../../core/errors.js";

/** An error as it crosses a thread: structured clone keeps no classes and no extra fields. */
export interface WireError {
  readonly message: string;
  readonly strata?: errors.ErrorCode;
  readonly code?: string;
  readonly errno?: number;
  readonly syscall?: string;
  readonly path?: string;
  readonly stack?: string;
  readonly cause?: WireError;
}

export function toWire(thrown: unknown): WireError {
  if (!(thrown instanceof Error)) return { message: String(thrown) };
  const { message, stack, code, errno, syscall, path, cause } = thrown as NodeJS.ErrnoException;
  return {
    message,
    ...(stack === undefined ? {} : { stack }),
    ...(thrown instanceof errors.StrataError ? { strata: thrown.code } : typeof code === "string" ? { code } : {}),
    ...(errno === undefined ? {} : { errno }), ...(syscall === undefined ? {} : { syscall }), ...(path === undefined ? {} : { path }),
    ...(cause === undefined ? {} : { cause: toWire(cause) }),
  };
}

export function fromWire(wire: WireError): Error {
  const options = wire.cause ? { cause: fromWire(wire.cause) } : {};
  if (wire.strata) return new errors[wire.strata](wire.message, options);
  const error: NodeJS.ErrnoException = new Error(wire.message, options);
  if (wire.stack !== undefined) error.stack = wire.stack;
  if (wire.code !== undefined) error.code = wire.code;
  if (wire.errno !== undefined) error.errno = wire.errno;
  if (wire.syscall !== undefined) error.syscall = wire.syscall;
  if (wire.path !== undefined) error.path = wire.path;
  return error;
}
