import type { Api } from "../api.js";
import type { CallSignal, GraphUsage, GraphWhy } from "../types.js";

/** Strata's own resource: what holds what, and what it takes on disk. */
export class Graph {
  readonly #api: Api;
  constructor(api: Api) { this.#api = api; }

  /** `refresh`: what may have changed is measured first. `limit`: so many images, containers, volumes and build records at most, the largest; by default 1000. */
  usage({ refresh, limit, signal }: CallSignal & { readonly refresh?: boolean; readonly limit?: number } = {}): Promise<GraphUsage> {
    return this.#api.call("get", "/graph/usage", { query: { refresh, limit }, signal });
  }

  /** Of everything that is called so; rejects with status 404 when nothing is. */
  why(id: string, { signal }: CallSignal = {}): Promise<GraphWhy[]> {
    return this.#api.call("get", "/graph/why/{id}", { path: { id }, signal });
  }
}
