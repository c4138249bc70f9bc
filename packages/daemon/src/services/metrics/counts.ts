import { setImmediate } from "node:timers/promises";
import { collectDefaultMetrics, Counter, Histogram, Registry } from "prom-client";
import type { CollectionFigures, Metrics, StrataEvent, Subject } from "../../core/index.js";

/** Seconds. Most answers take milliseconds, a pull minutes. */
const REQUEST_BUCKETS = [0.005, 0.02, 0.1, 0.5, 2, 10];
const ACTION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const COLLECTION_BUCKETS = [0.001, 0.01, 0.1, 1, 10, 60, 600];

/** Dashboards expect these from the start. */
const ACTIONS: Readonly<Record<Subject, readonly string[]>> = { container: ["changes", "commit", "create", "delete", "start"], image: ["pull", "push", "import", "load", "delete"], network: ["allocate", "release", "connect", "disconnect"] };
const FAILURES = ["build_canceled", "build_target_not_reachable_error", "command_not_supported_error", "dockerfile_empty_error", "dockerfile_syntax_error", "error_processing_commands_error", "missing_onbuild_arguments_error", "unknown_instruction_error"];

/** One request that was answered. */
export interface ServedRequest {
  /** As openapi.yaml names it; `none` where there is no such path. */
  readonly operation: string;
  readonly method: string;
  readonly code: number;
  /** Until the answer began. */
  readonly seconds: number;
}

/** Counts what happens, under the names that dashboards for Docker know and some of our own (`strata_`). */
export class Counts implements Metrics {
  readonly registry = new Registry();
  readonly #actions: Readonly<Record<Subject, Histogram<"action">>>;
  readonly #failures = this.#counter("strata_actions_failed_total", "Actions that failed", ["subject", "action"]);
  readonly #requests = new Histogram({ name: "strata_api_request_seconds", help: "Seconds until an answer began, of every request but those that become sessions", labelNames: ["operation", "method", "code"], buckets: REQUEST_BUCKETS, registers: [this.registry] });
  readonly #events = this.#counter("engine_daemon_events_total", "Events that happened");
  readonly #eventsByType = this.#counter("strata_events_total", "Events that happened, by what they are about", ["type"]);
  readonly #checks = this.#counter("engine_daemon_health_checks_total", "Health checks that ran");
  readonly #failedChecks = this.#counter("engine_daemon_health_checks_failed_total", "Health checks that failed");
  readonly #builds = this.#counter("builder_builds_triggered_total", "Builds that were begun");
  readonly #failedBuilds = this.#counter("builder_builds_failed_total", "Builds that failed", ["reason"]);
  readonly #collections = this.#counter("strata_gc_runs_total", "Collections, by how they ended", ["result"]);
  readonly #collected = this.#counter("strata_gc_items_total", "What collections forgot", ["kind"]);
  readonly #freed = this.#counter("strata_gc_freed_bytes_total", "Bytes that collections gave back");
  readonly #freedInodes = this.#counter("strata_gc_freed_inodes_total", "Inodes that collections gave back");
  readonly #collectionTime = new Histogram({ name: "strata_gc_seconds", help: "Seconds that collections took", buckets: COLLECTION_BUCKETS, registers: [this.registry] });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    this.#actions = { container: this.#actionTime("container"), image: this.#actionTime("image"), network: this.#actionTime("network") };
    for (const reason of FAILURES) this.#failedBuilds.inc({ reason }, 0);
    for (const result of ["done", "failed"]) this.#collections.inc({ result }, 0);
  }

  action(subject: Subject, action: string, seconds: number, failed: boolean): void {
    if (failed) this.#failures.inc({ subject, action });
    else this.#actions[subject].observe({ action }, seconds);
  }
  healthCheck(failed: boolean): void {
    this.#checks.inc();
    if (failed) this.#failedChecks.inc();
  }
  buildBegun(): void { this.#builds.inc(); }
  buildFailed(reason: string): void { this.#failedBuilds.inc({ reason }); }
  collection({ seconds, items, freed, failed }: CollectionFigures): void {
    this.#collections.inc({ result: failed ? "failed" : "done" });
    this.#collectionTime.observe(seconds);
    for (const [kind, count] of Object.entries(items)) this.#collected.inc({ kind }, count);
    this.#freed.inc(freed.bytes);
    this.#freedInodes.inc(freed.inodes);
  }
  request({ operation, method, code, seconds }: ServedRequest): void { this.#requests.observe({ operation, method, code: String(code) }, seconds); }
  /** All of it as Prometheus reads it. Other work has its turn after each metric: hundreds of operations make thousands of lines. */
  async text(): Promise<string> {
    const parts: string[] = [];
    for (const { name } of this.registry.getMetricsAsArray()) {
      parts.push(await this.registry.getSingleMetricAsString(name));
      await setImmediate();
    }
    return `${parts.join("\n\n")}\n`;
  }
  event({ type }: StrataEvent): void {
    this.#events.inc();
    this.#eventsByType.inc({ type });
  }

  #counter<L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }
  #actionTime(subject: Subject): Histogram<"action"> {
    const histogram = new Histogram({ name: `engine_daemon_${subject}_actions_seconds`, help: `Seconds that actions on a ${subject} took`, labelNames: ["action"], buckets: ACTION_BUCKETS, registers: [this.registry] });
    for (const action of ACTIONS[subject]) histogram.zero({ action });
    return histogram;
  }
}
