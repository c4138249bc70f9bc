import { Unavailable, errnoOf, messageOf } from "../core/index.js";

/** A request that got no answer. The message is Docker's (Go's) wording, which users and scripts know. */
export class NetworkError extends Unavailable {
  /** Trying again may help: the connection was there and was lost. */
  readonly lost: boolean;
  /** A plain HTTP server answered a TLS handshake. */
  readonly plainHttp: boolean;
  /** The peer refused or does not exist. */
  readonly refused: boolean;
  /** Nobody could be spoken to; that may change. */
  readonly unreached: boolean;

  constructor(method: string, url: URL, cause: unknown) {
    const { text, errno } = describe(url, cause);
    super(`${nameOf(method)} "${url.href}": ${text}`, { cause });
    this.lost = LOST.has(errno);
    this.unreached = DIAL[errno] !== undefined || errno === "ENOTFOUND" || errno === "EAI_AGAIN";
    this.plainHttp = errno === "EPROTO" || errno === "ERR_SSL_WRONG_VERSION_NUMBER";
    this.refused = errno === "ECONNREFUSED" || errno === "ENOTFOUND";
  }
}

/** `Get` for `GET`, as Go prints it. */
export const nameOf = (method: string): string => `${method.charAt(0)}${method.slice(1).toLowerCase()}`;

const LOST = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED", "ETIMEDOUT", "HPE_INVALID_CONSTANT", "HPE_INVALID_EOF_STATE", "ERR_STREAM_PREMATURE_CLOSE"]);

const DIAL: Readonly<Record<string, string | undefined>> = {
  ECONNREFUSED: "connect: connection refused",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
};
const OTHER: Readonly<Record<string, string | undefined>> = {
  ECONNRESET: "read: connection reset by peer",
  EPIPE: "write: broken pipe",
  ECONNABORTED: "unexpected EOF",
  EPROTO: "http: server gave HTTP response to HTTPS client",
  ERR_SSL_WRONG_VERSION_NUMBER: "http: server gave HTTP response to HTTPS client",
  SELF_SIGNED_CERT_IN_CHAIN: "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  DEPTH_ZERO_SELF_SIGNED_CERT: "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  CERT_HAS_EXPIRED: "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
};

function describe(url: URL, cause: unknown): { text: string; errno: string } {
  // Node tries every address of a name and reports them together.
  const first: unknown = cause instanceof AggregateError && cause.errors.length > 0 ? cause.errors[0] : cause;
  const errno = errnoOf(first) ?? errnoOf(cause) ?? "";
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const address = typeof first === "object" && first !== null && "address" in first && typeof first.address === "string" ? first.address : url.hostname;
  const peer = `${address.includes(":") && !address.startsWith("[") ? `[${address}]` : address}:${port}`;
  if (DIAL[errno] !== undefined) return { errno, text: `dial tcp ${peer}: ${DIAL[errno]}` };
  if (errno === "ENOTFOUND") return { errno, text: `dial tcp: lookup ${url.hostname}: no such host` };
  if (errno === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const { cert } = first as { cert?: { subjectaltname?: string } };
    const names = (cert?.subjectaltname ?? "").replace(/(?:DNS|IP Address):/g, "");
    return { errno, text: `tls: failed to verify certificate: x509: certificate is valid for ${names || "no name"}, not ${url.hostname}` };
  }
  if (errno === "EAI_AGAIN") return { errno, text: `dial tcp: lookup ${url.hostname}: Temporary failure in name resolution` };
  if (errno === "ETIMEDOUT") return { errno, text: `dial tcp ${peer}: i/o timeout` };
  return { errno, text: OTHER[errno] ?? messageOf(first) };
}
