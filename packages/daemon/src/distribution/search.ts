import { InvalidArgument } from "../core/index.js";
import type { Connection } from "./connection.js";
import { RegistryFault } from "./registry-fault.js";
import { readBody } from "./transport.js";

export interface Found {
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly official: boolean;
}

/** Answers are read into memory. */
const MAX_ANSWER = 8 * 1024 * 1024;

/** By the search API of version 1, as Docker Hub has it; a registry without it is looked through by its catalog. */
export async function searchRegistry(connection: Connection, term: string, limit: number, signal: AbortSignal): Promise<Found[]> {
  try {
    const query = new URLSearchParams({ q: term, n: String(limit) });
    const { results } = await ask(connection, `/v1/search?${query.toString()}`, [], signal) as { results?: unknown };
    return (Array.isArray(results) ? results : []).map(read).slice(0, limit);
  } catch (e) {
    if (!(e instanceof RegistryFault) || e.status !== 404) throw e;
  }
  const found: Found[] = [];
  for (let last = ""; found.length < limit; ) {
    const query = new URLSearchParams({ n: "1000", ...(last === "" ? {} : { last }) });
    const { repositories } = await ask(connection, `/v2/_catalog?${query.toString()}`, ["registry:catalog:*"], signal) as { repositories?: unknown };
    const names = (Array.isArray(repositories) ? repositories : []).filter((n): n is string => typeof n === "string");
    for (const name of names) if (name.includes(term)) found.push({ name, description: "", stars: 0, official: false });
    const end = names.at(-1);
    if (end === undefined || end <= last || names.length < 1000) break;
    last = end;
  }
  return found.slice(0, limit);
}

async function ask(connection: Connection, target: string, scopes: readonly string[], signal: AbortSignal): Promise<object> {
  const response = await connection.send({ method: "GET", target, scopes, accept: [200], signal });
  const text = (await readBody(response, MAX_ANSWER)).toString("utf8");
  try {
    return JSON.parse(text) as object;
  } catch (cause) {
    throw new InvalidArgument(`${response.url.host} answered a search with what is no JSON`, { cause });
  }
}

function read(value: unknown): Found {
  const { name, description, star_count, is_official } = (value ?? {}) as Record<string, unknown>;
  return { name: typeof name === "string" ? name : "", description: typeof description === "string" ? description : "", stars: typeof star_count === "number" ? star_count : 0, official: is_official === true };
}
