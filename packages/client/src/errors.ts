/** An error the daemon answered: as an HTTP status with `{"message": …}`, or as an error line inside a stream. */
export class StrataApiError extends Error {
  constructor(
    /** The HTTP status; for an error line in a stream its `code`, or 500. */
    readonly status: number,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = "StrataApiError";
  }
}

/** The daemon could not be reached at all. */
export class StrataConnectionError extends Error {
  constructor(
    /** Where a daemon was looked for, as it was given to `connect`. */
    readonly host: string,
    /** Node's errno name, e.g. `ECONNREFUSED`. */
    readonly code: string | undefined,
    options?: { cause?: unknown },
  ) {
    const why = code === "EACCES" || code === "EPERM" ? `permission denied while connecting to ${host}` : `cannot connect to the Strata daemon at ${host}`;
    super(options?.cause instanceof Error ? `${why}: ${options.cause.message}` : why, options);
    this.name = "StrataConnectionError";
  }
}

/** The daemon went away in the middle of an answer. */
export class StrataConnectionLost extends Error {
  constructor(options?: { cause?: unknown }) {
    super("lost the connection to the Strata daemon", options);
    this.name = "StrataConnectionLost";
  }
}

/** Node's error for an answer that ends too early, in words that say so; anything else as it is. */
export function explainLost(error: unknown): Error {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ECONNRESET" || code === "EPIPE" || code === "ERR_STREAM_PREMATURE_CLOSE" ? new StrataConnectionLost({ cause: error }) : (error as Error);
}
