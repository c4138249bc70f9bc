import type { Api } from "../api.js";
import { encodeFilters, type Filters } from "../query.js";
import type { CallSignal, Layer } from "../types.js";

/** Strata's own resource: the layers themselves. */
export class Layers {
  readonly #api: Api;
  constructor(api: Api) { this.#api = api; }

  /** Filters: `image`, `driver`, `dangling`, `unused`. */
  list({ filters, signal }: CallSignal & { readonly filters?: Filters } = {}): Promise<Layer[]> {
    return this.#api.call("get", "/layers", { query: { filters: encodeFilters(filters) }, signal });
  }

  /** By chain ID or an unambiguous beginning of it. */
  inspect(chainId: string, { signal }: CallSignal = {}): Promise<Layer> {
    return this.#api.call("get", "/layers/{chainId}", { path: { chainId }, signal });
  }
}
