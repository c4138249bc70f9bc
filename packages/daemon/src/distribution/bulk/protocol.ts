import type { IncomingHttpHeaders } from "node:http";
import type { WireError } from "../../archive/workers/wire-error.js";
import type { ProxyOptions } from "../proxy.js";
import type { Patience } from "../transport.js";

/** What the thread's transport is made of. */
export interface BulkOptions {
  readonly certificateDirectories: readonly string[];
  readonly userAgent: string;
  readonly proxies: ProxyOptions;
  readonly patience?: Patience;
}

export type ToThread =
  | { readonly call: number; readonly type: "send"; readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly unverified: boolean }
  /** One more block may be sent. */
  | { readonly call: number; readonly type: "credit" }
  | { readonly call: number; readonly type: "abort" };

export type FromThread =
  | { readonly call: number; readonly type: "head"; readonly status: number; readonly headers: IncomingHttpHeaders; readonly url: string }
  | { readonly call: number; readonly type: "block"; readonly buffer: ArrayBuffer; readonly length: number }
  | { readonly call: number; readonly type: "end" }
  /** `address`: of the peer that could not be reached. `network`: there was no answer. */
  | { readonly call: number; readonly type: "failed"; readonly error: WireError; readonly network: boolean; readonly address?: string };

/** Blocks under way before one is taken. */
export const CREDITS = 3;
export const BLOCK = 256 * 1024;
/** A block that does not fill goes on after so many milliseconds. */
export const LINGER = 100;
