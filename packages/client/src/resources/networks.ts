import type { Api } from "../api.js";
import { encodeFilters, type Filters } from "../query.js";
import type { CallSignal, Network, NetworkConnectRequest, NetworkCreateRequest, NetworkCreateResponse, NetworksPruneReport } from "../types.js";

export class Networks {
  readonly #api: Api;
  constructor(api: Api) { this.#api = api; }

  create(spec: NetworkCreateRequest, { signal }: CallSignal = {}): Promise<NetworkCreateResponse> {
    return this.#api.call("post", "/networks/create", { json: spec, signal });
  }

  list({ filters, signal }: CallSignal & { readonly filters?: Filters } = {}): Promise<Network[]> {
    return this.#api.call("get", "/networks", { query: { filters: encodeFilters(filters) }, signal });
  }

  inspect(id: string, { signal }: CallSignal = {}): Promise<Network> {
    return this.#api.call("get", "/networks/{id}", { path: { id }, signal });
  }

  async remove(id: string, { signal }: CallSignal = {}): Promise<void> {
    await this.#api.send("delete", "/networks/{id}", { path: { id }, signal });
  }

  async connect(id: string, container: string, { endpoint, signal }: CallSignal & { readonly endpoint?: NetworkConnectRequest["EndpointConfig"] } = {}): Promise<void> {
    await this.#api.send("post", "/networks/{id}/connect", { path: { id }, json: { Container: container, EndpointConfig: endpoint }, signal });
  }

  async disconnect(id: string, container: string, { force, signal }: CallSignal & { readonly force?: boolean } = {}): Promise<void> {
    await this.#api.send("post", "/networks/{id}/disconnect", { path: { id }, json: { Container: container, Force: force }, signal });
  }

  /** Removes networks that no container is on. */
  prune({ filters, signal }: CallSignal & { readonly filters?: Filters } = {}): Promise<NetworksPruneReport> {
    return this.#api.call("post", "/networks/prune", { query: { filters: encodeFilters(filters) }, signal });
  }
}
