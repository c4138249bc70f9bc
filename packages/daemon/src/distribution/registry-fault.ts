import { StrataError } from "../core/index.js";
import type { ErrorCode } from "../core/index.js";
import { readBody } from "./transport.js";
import type { HttpResponse } from "./transport.js";

/** A registry's refusal. `registryCode` is the distribution-spec's (`MANIFEST_UNKNOWN`), or the HTTP status. */
export class RegistryFault extends StrataError {
  constructor(readonly registryCode: string, readonly status: number, message: string, readonly retryAfterMs?: number) {
    super(classify(status), message);
  }
  /** Asking again later may succeed. */
  get transient(): boolean {
    return this.status === 429 || this.status >= 500;
  }
}

function classify(status: number): ErrorCode {
  if (status === 401) return "Unauthenticated";
  if (status === 403) return "PermissionDenied";
  if (status === 404) return "NotFound";
  if (status === 429 || status >= 500) return "Unavailable";
  return "InvalidArgument";
}

const BY_STATUS: Readonly<Record<number, readonly [code: string, text: string] | undefined>> = {
  401: ["UNAUTHORIZED", "unauthorized: authentication required"],
  403: ["DENIED", "denied: requested access to the resource is denied"],
  429: ["TOOMANYREQUESTS", "toomanyrequests: too many requests"],
};

/** Reads the error document (distribution-spec "Error Codes") of an answer; the words are those Docker prints. */
export async function faultOf(response: HttpResponse, unknownCode = "UNKNOWN"): Promise<RegistryFault> {
  const { status } = response;
  const retryAfterMs = parseRetryAfter(response.headers["retry-after"]);
  const body = await readBody(response, 64 * 1024).then((b) => b.toString("utf8"), () => "");
  const first = firstError(body);
  if (first !== undefined) {
    const code = first.code.toLowerCase().replaceAll("_", " ");
    return new RegistryFault(first.code, status, `${code}: ${first.message === "" ? code : first.message}`, retryAfterMs);
  }
  const known = BY_STATUS[status] ?? (status === 404 && unknownCode !== "UNKNOWN" ? [unknownCode, phrase(unknownCode)] as const : undefined);
  if (known !== undefined) return new RegistryFault(known[0], status, known[1], retryAfterMs);
  return new RegistryFault(String(status), status, `received unexpected HTTP status: ${status} from ${response.url.host}`, retryAfterMs);
}

function phrase(code: string): string {
  const words = code.toLowerCase().replaceAll("_", " ");
  return `${words}: ${words}`;
}

function firstError(body: string): { code: string; message: string } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  const errors: unknown = typeof value === "object" && value !== null && "errors" in value ? value.errors : undefined;
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  if (typeof first !== "object" || first === null || !("code" in first) || typeof first.code !== "string") return undefined;
  return { code: first.code, message: "message" in first && typeof first.message === "string" ? first.message : "" };
}

/** Seconds or an HTTP date (RFC 9110 "Retry-After"). */
function parseRetryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
