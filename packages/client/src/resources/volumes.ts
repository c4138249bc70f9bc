import type { Api } from "../api.js";
import { encodeFilters, type Filters } from "../query.js";
import type { CallSignal, Volume, VolumeCreateRequest, VolumeList, VolumesPruneReport, VolumeUpdateRequest } from "../types.js";

export class Volumes {
  readonly #api: Api;
  constructor(api: Api) { this.#api = api; }

  /** Without a name the daemon makes one up. One that exists already is the answer. */
  create(spec: VolumeCreateRequest = {}, { signal }: CallSignal = {}): Promise<Volume> {
    return this.#api.call("post", "/volumes/create", { json: spec, signal });
  }

  list({ filters, signal }: CallSignal & { readonly filters?: Filters } = {}): Promise<VolumeList> {
    return this.#api.call("get", "/volumes", { query: { filters: encodeFilters(filters) }, signal });
  }

  inspect(name: string, { signal }: CallSignal = {}): Promise<Volume> {
    return this.#api.call("get", "/volumes/{name}", { path: { name }, signal });
  }

  /** Changes its size. */
  update(name: string, spec: VolumeUpdateRequest, { signal }: CallSignal = {}): Promise<Volume> {
    return this.#api.call("put", "/volumes/{name}", { path: { name }, json: spec, signal });
  }

  /** `force`: success also when there is none. */
  async remove(name: string, { force, signal }: CallSignal & { readonly force?: boolean } = {}): Promise<void> {
    await this.#api.send("delete", "/volumes/{name}", { path: { name }, query: { force }, signal });
  }

  /** Removes unused anonymous volumes; named ones too with the filter `all: ["true"]`. */
  prune({ filters, signal }: CallSignal & { readonly filters?: Filters } = {}): Promise<VolumesPruneReport> {
    return this.#api.call("post", "/volumes/prune", { query: { filters: encodeFilters(filters) }, signal });
  }
}
