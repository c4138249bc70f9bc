import { Unauthenticated } from "../core/index.js";
import type { Clock } from "../core/index.js";
import { faultOf } from "./registry-fault.js";
import { readBody } from "./transport.js";
import type { Transport } from "./transport.js";

/** What a user has for a registry; all empty is anonymous. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  /** A refresh token of an OAuth 2 token server. */
  readonly identityToken?: string;
  /** A bearer token to be sent as it is. */
  readonly registryToken?: string;
}

export interface Challenge {
  readonly scheme: "basic" | "bearer";
  readonly parameters: Readonly<Record<string, string>>;
}

/** Parses `WWW-Authenticate` (RFC 9110); schemes other than Basic and Bearer are left out. */
export function parseChallenges(header: string | undefined): Challenge[] {
  const challenges: Challenge[] = [];
  const starts = [...(header ?? "").matchAll(/(?:^|,)\s*(basic|bearer)(?=\s|$|,)/gi)];
  starts.forEach((start, i) => {
    const rest = header!.slice(start.index + start[0].length, starts[i + 1]?.index ?? header!.length);
    const parameters: Record<string, string> = {};
    for (const [, name, quoted, plain] of rest.matchAll(/([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
      parameters[name!.toLowerCase()] = quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "";
    }
    challenges.push({ scheme: start[1]!.toLowerCase() as "basic" | "bearer", parameters });
  });
  return challenges;
}

interface Token { readonly value: string; readonly expiresAt: number }

/**
 * Answers one registry's challenges with one user's credentials: Basic, and bearer tokens as the distribution
 * project's token documents have them (`GET realm?service&scope`, or the OAuth 2 refresh grant). Tokens are kept per
 * scope until shortly before they expire.
 */
export class Authorizer {
  readonly #tokens = new Map<string, Token>();
  #challenges: readonly Challenge[] = [];

  constructor(
    private readonly transport: Transport,
    private readonly credentials: Credentials,
    private readonly clock: Clock,
    /** The token server's certificate goes unchecked, as the registry's. */
    private readonly unverified: boolean,
  ) {}

  get anonymous(): boolean {
    const { username, identityToken, registryToken } = this.credentials;
    return !username && !identityToken && !registryToken;
  }

  /** Takes note of a 401. `stale` drops the token that was refused. */
  challenged(header: string | undefined, scopes: readonly string[], stale: boolean): void {
    const challenges = parseChallenges(header);
    if (challenges.length > 0) this.#challenges = challenges;
    if (stale) this.#tokens.delete(key(scopes));
  }

  /** The Authorization header for these scopes (`repository:library/x:pull`); undefined when none is needed or to be had. */
  async header(scopes: readonly string[], signal?: AbortSignal): Promise<string | undefined> {
    if (this.credentials.registryToken) return `Bearer ${this.credentials.registryToken}`;
    const bearer = this.#challenges.find((c) => c.scheme === "bearer" && c.parameters["realm"] !== undefined);
    if (bearer !== undefined) return `Bearer ${(await this.#token(bearer, scopes, signal)).value}`;
    const { username, password } = this.credentials;
    if (username && this.#challenges.some((c) => c.scheme === "basic")) return basic(username, password ?? "");
    return undefined;
  }

  /** Asks the token server for a refresh token to keep instead of the password; empty when it gives none. */
  async identityToken(signal?: AbortSignal): Promise<string> {
    const bearer = this.#challenges.find((c) => c.scheme === "bearer" && c.parameters["realm"] !== undefined);
    if (bearer === undefined) return "";
    return (await this.#ask(bearer, [], true, signal)).refresh;
  }

  async #token(challenge: Challenge, scopes: readonly string[], signal?: AbortSignal): Promise<Token> {
    const known = this.#tokens.get(key(scopes));
    if (known !== undefined && known.expiresAt > this.clock.now() + 10_000) return known;
    const { token, expiresIn } = await this.#ask(challenge, scopes, false, signal);
    const made = { value: token, expiresAt: this.clock.now() + expiresIn * 1000 };
    this.#tokens.set(key(scopes), made);
    return made;
  }

  async #ask(challenge: Challenge, scopes: readonly string[], offline: boolean, signal?: AbortSignal): Promise<{ token: string; refresh: string; expiresIn: number }> {
    const { realm = "", service = "" } = challenge.parameters;
    if (!URL.canParse(realm)) throw new Unauthenticated(`invalid token server "${realm}"`);
    const url = new URL(realm);
    const { username, password, identityToken } = this.credentials;
    const form = new URLSearchParams();
    if (service !== "") form.set("service", service);
    if (identityToken) {
      form.set("scope", scopes.join(" "));
      form.set("grant_type", "refresh_token");
      form.set("refresh_token", identityToken);
      form.set("client_id", CLIENT_ID);
    } else {
      for (const scope of scopes) form.append("scope", scope);
      if (username) form.set("account", username);
      if (offline) {
        form.set("offline_token", "true");
        form.set("client_id", CLIENT_ID);
      }
    }
    if (!identityToken) for (const [name, value] of form) url.searchParams.append(name, value);
    const response = await this.transport.send(identityToken
      ? { method: "POST", url, headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: Buffer.from(form.toString()), signal, unverified: this.unverified }
      : { method: "GET", url, headers: username ? { Authorization: basic(username, password ?? "") } : {}, signal, unverified: this.unverified });
    if (response.status !== 200) throw await faultOf(response);
    return parseToken(await readBody(response, 1024 * 1024));
  }
}

const CLIENT_ID = "strata";
const basic = (username: string, password: string): string => `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
const key = (scopes: readonly string[]): string => [...scopes].sort().join(" ");

function parseToken(body: Buffer): { token: string; refresh: string; expiresIn: number } {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(body.toString("utf8")) as Record<string, unknown>;
  } catch (e) {
    throw new Unauthenticated("unable to decode token response", { cause: e });
  }
  const text = (name: string): string => (typeof value[name] === "string" ? value[name] : "");
  const token = text("token") || text("access_token");
  if (token === "") throw new Unauthenticated("authorization server did not include a token in the response");
  const expires = value["expires_in"];
  return { token, refresh: text("refresh_token"), expiresIn: typeof expires === "number" && expires >= 60 ? expires : 60 };
}
