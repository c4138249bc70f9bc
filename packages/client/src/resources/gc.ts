import type { Api } from "../api.js";
import type { CallSignal, GcPlan, GcPolicies, GcRestored, GcRun } from "../types.js";

/** Strata's own resource: collection by policy. */
export class Gc {
  readonly #api: Api;
  constructor(api: Api) { this.#api = api; }

  /** Those in force. */
  policies({ signal }: CallSignal = {}): Promise<GcPolicies> {
    return this.#api.call("get", "/gc/policies", { signal });
  }
  /** The `gc` of a daemon.json takes the place of the daemon's own. */
  setPolicies(given: Readonly<Record<string, unknown>>, { signal }: CallSignal = {}): Promise<GcPolicies> {
    return this.#api.call("put", "/gc/policies", { json: given as Record<string, never>, signal });
  }
  /** Back to the daemon's own. */
  resetPolicies({ signal }: CallSignal = {}): Promise<GcPolicies> {
    return this.#api.call("delete", "/gc/policies", { signal });
  }

  /** What a run of all policies, or of one, would do. */
  plan({ policy, signal }: CallSignal & { readonly policy?: string } = {}): Promise<GcPlan> {
    return this.#api.call("post", "/gc/plans", { json: policy === undefined ? {} : { Policy: policy }, signal });
  }
  inspectPlan(id: string, { signal }: CallSignal = {}): Promise<GcPlan> {
    return this.#api.call("get", "/gc/plans/{id}", { path: { id }, signal });
  }

  /** Does what a plan says. */
  run(plan: string, { signal }: CallSignal = {}): Promise<GcRun> {
    return this.#api.call("post", "/gc/runs", { json: { Plan: plan }, signal });
  }
  /** Newest first, without their items. */
  runs({ signal }: CallSignal = {}): Promise<GcRun[]> {
    return this.#api.call("get", "/gc/runs", { signal });
  }
  inspectRun(id: string, { signal }: CallSignal = {}): Promise<GcRun> {
    return this.#api.call("get", "/gc/runs/{id}", { path: { id }, signal });
  }
  /** Brings back the images that a run took away. */
  undo(run: string, { signal }: CallSignal = {}): Promise<GcRestored[]> {
    return this.#api.call("post", "/gc/runs/{id}/undo", { path: { id: run }, signal });
  }

  /** Names of images that policies leave alone. */
  pins({ signal }: CallSignal = {}): Promise<string[]> {
    return this.#api.call("get", "/gc/pins", { signal });
  }
  async pin(name: string, { signal }: CallSignal = {}): Promise<void> {
    await this.#api.send("post", "/images/{name}/pin", { path: { name }, signal });
  }
  async unpin(name: string, { signal }: CallSignal = {}): Promise<void> {
    await this.#api.send("post", "/images/{name}/unpin", { path: { name }, signal });
  }
}
