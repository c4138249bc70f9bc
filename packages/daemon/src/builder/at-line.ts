import { InvalidArgument, NotFound, NotImplemented, PermissionDenied, StrataError, Unauthenticated, Unavailable } from "../core/errors.js";

const KINDS = [InvalidArgument, NotFound, NotImplemented, PermissionDenied, Unauthenticated, Unavailable];

/** A step's error with its line and text, unless it names a line already. What a command ended with is the client's as it is. */
export function atLine(error: unknown, line: number, text: string): unknown {
  if (!(error instanceof Error)) return error;
  const message = `dockerfile line ${line}: ${error.message}`;
  if (!(error instanceof StrataError)) return error.name === "AbortError" ? error : new Error(message, { cause: error });
  const Kind = KINDS.find((kind) => error instanceof kind);
  return Kind === undefined || /\bline \d+/.test(error.message) ? error : new Kind(`${message}: ${text}`, { cause: error });
}
