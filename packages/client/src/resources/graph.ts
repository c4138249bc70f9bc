import type { Api } from "../api.js";
import type { CallSignal, GraphUsage, GraphWhy } from "../types.js";

/** Strata's own resource: what holds what, and what it takes on disk. */
export class Graph {
  readonly #api: Api;
  constructor(api: Api) { this.#api = api; }

  /** `refresh`: what may have changed is measured first. `owners: false` leaves out the single images, containers and volumes. */
  usage({ refresh, owners, signal }: CallSignal & { readonly refresh?: boolean; readonly owners?: boolean } = {}): Promise<GraphUsage> {
    return this.#api.call("get", "/graph/usage", { query: { refresh, owners }, signal });
  }

  /** Of everything that is called so; rejects with status 404 when nothing is. */
  why(id: string, { signal }: CallSignal = {}): Promise<GraphWhy[]> {
    return this.#api.call("get", "/graph/why/{id}", { path: { id }, signal });
  }
}
