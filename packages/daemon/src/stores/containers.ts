import { existsSync } from "node:fs";
import { join } from "node:path";
import type { WorkerPool } from "../archive/workers/pool.js";
import {
  AlreadyExists, type Clock, type Collectable, Conflict, type Container, type ContainerId, type ContainerState, type ContainerStatus, type ContainerStore, type DataRoot, type Health, InvalidArgument, type Logger, NotFound, noUsage, type Usage,
} from "../core/index.js";
import { type Ledger, violated } from "../db/ledger.js";
import { writeMirror } from "./container-mirror.js";
import { Leaving } from "./leaving.js";
import { namesIn } from "./names.js";
import { afterPrefix, flag, orNull, parseFrozen } from "./rows.js";
import type { Trash } from "./trash.js";
import { ContainerFigures } from "./usage/container-figures.js";
import type { Figures } from "./usage/figures.js";
import type { Measurable } from "./usage/meter.js";
import { makeDirectories } from "../core/make-directories.js";

/** What of a container only changes on update, rename, connect: one JSON column. */
type Document = Pick<Container, "imageName" | "path" | "args" | "config" | "hostConfig" | "networks" | "mounts">;

interface Row {
  id: ContainerId; name: string; image: Container["imageId"]; created_at: number; driver: string; revision: number;
  status: ContainerStatus; pid: number; exit_code: number; error: string; oom_killed: number;
  started_at: number | null; finished_at: number | null; stopped_by_user: number | null; restart_count: number;
}
const COLUMNS = "id, name, image, created_at, driver, revision, status, pid, exit_code, error, oom_killed, started_at, finished_at, stopped_by_user, restart_count";

/**
 * Containers in the ledger. Records that come out are frozen; to change one, `update` with a new object.
 * Parsed documents are kept by revision, so that a list reads small columns only.
 */
export class LedgerContainers implements ContainerStore, Collectable {
  readonly kind = "container";
  private readonly documents = new Map<ContainerId, { revision: number; document: Document }>();
  private listed = new Map<ContainerId, { readonly revision: number; readonly container: Container }>();
  /** Their directories are not made yet, or on their way out. */
  private readonly coming = new Set<ContainerId>();
  private readonly leaving = new Leaving();
  /** Every write takes the next, also one that is rolled back: a kept document cannot be mistaken for another. */
  private revision: number;
  readonly measurable: Measurable;

  constructor(
    private readonly ledger: Ledger, private readonly root: DataRoot, private readonly trash: Trash, workers: WorkerPool, private readonly figures: Figures, clock: Clock, private readonly logger: Logger,
  ) {
    this.measurable = new ContainerFigures(ledger, root, workers, figures, clock);
    this.revision = ledger.sql<[], { last: number }>("SELECT coalesce(max(revision), 0) AS last FROM container").get()!.last;
  }

  /** On disk when `makeDirectory` returns. */
  create(container: Container): void {
    this.coming.add(container.id);
    try {
      this.ledger.transaction(() => this.ledger.sql<Bound>(`INSERT INTO container (${COLUMNS}, document) VALUES (@id, @name, @image, @created_at, @driver, @revision, @status, @pid, @exit_code,
        @error, @oom_killed, @started_at, @finished_at, @stopped_by_user, @restart_count, @document)`).run(this.bind(container)), { durable: false });
    } catch (e) {
      this.coming.delete(container.id);
      throw this.explain(e, container);
    }
  }

  get(id: ContainerId): Container {
    const row = this.ledger.sql<[string], Row>(`SELECT ${COLUMNS} FROM container WHERE id = ?`).get(id);
    if (row === undefined) throw missing(id);
    return this.fromRow(row);
  }

  resolve(nameOrPrefix: string): ContainerId {
    const name = nameOrPrefix.startsWith("/") ? nameOrPrefix.slice(1) : nameOrPrefix;
    const exact = this.ledger.sql<[string, string, string], { id: ContainerId }>("SELECT id FROM container WHERE id = ? OR name = ? ORDER BY id = ? DESC LIMIT 1").get(name, name, name);
    if (exact !== undefined) return exact.id;
    if (!/^[0-9a-f]{1,63}$/.test(name)) throw missing(nameOrPrefix);
    const found = this.ledger.sql<[string, string], { id: ContainerId }>("SELECT id FROM container WHERE id >= ? AND id < ? LIMIT 2").all(name, afterPrefix(name));
    if (found.length > 1) throw new InvalidArgument(`Multiple IDs found with provided prefix: ${nameOrPrefix}`);
    if (found[0] === undefined) throw missing(nameOrPrefix);
    return found[0].id;
  }

  update(container: Container, options: { durable?: boolean } = {}): void {
    try {
      const { changes } = this.ledger.transaction(() => this.ledger.sql<Bound>(`UPDATE container SET name = @name, image = @image, created_at = @created_at, driver = @driver, revision = @revision,
        status = @status, pid = @pid, exit_code = @exit_code, error = @error, oom_killed = @oom_killed, started_at = @started_at, finished_at = @finished_at,
        stopped_by_user = @stopped_by_user, restart_count = @restart_count, document = @document WHERE id = @id`).run(this.bind(container)), options);
      if (changes === 0) throw missing(container.id);
    } catch (e) {
      throw this.explain(e, container);
    }
  }

  /** On disk when `removeDirectory` returns. */
  remove(id: ContainerId): void {
    const { changes } = this.ledger.transaction(() => this.ledger.sql<[string]>("DELETE FROM container WHERE id = ?").run(id), { durable: false });
    if (changes === 0) throw missing(id);
    this.documents.delete(id);
    this.figures.forget("container", id);
    this.coming.delete(id);
    if (existsSync(this.directory(id))) this.leaving.add(id);
  }

  health(id: ContainerId): Health | undefined {
    const row = this.ledger.sql<[string], { document: string }>("SELECT document FROM health WHERE container = ?").get(id);
    return row === undefined ? undefined : parseFrozen<Health>(row.document);
  }
  setHealth(id: ContainerId, { status, failingStreak, log }: Health): void {
    this.ledger.transaction(() => this.ledger.sql<[string, string]>("INSERT INTO health (container, document) VALUES (?, ?) ON CONFLICT DO UPDATE SET document = excluded.document").run(id, JSON.stringify({ status, failingStreak, log })), { durable: false });
  }

  /** Every update has a revision of its own: what has the same is what it was. */
  list(): Iterable<Container> {
    return this.ledger.cached("containers", () => {
      const before = this.listed;
      this.listed = new Map();
      for (const [id, revision] of this.ledger.sql<[], [ContainerId, number]>("SELECT id, revision FROM container ORDER BY created_at DESC, id").raw().all()) {
        const known = before.get(id);
        this.listed.set(id, known?.revision === revision ? known : { revision, container: this.get(id) });
      }
      return [...this.listed.values()].map(({ container }) => container);
    }, ["container"]);
  }

  directory(id: ContainerId): string {
    return join(this.root.containers, id);
  }
  async makeDirectory(id: ContainerId): Promise<void> {
    const made = await makeDirectories(this.directory(id), 0o710);
    this.coming.delete(id);
    if (made !== undefined) await this.ledger.flush();
  }
  /** Waits until the row's removal is on disk, so that no power cut leaves a container without its directory. */
  async removeDirectory(id: ContainerId): Promise<void> {
    await this.leaving.sweeping((name) => name === id, async () => {
      await this.ledger.flush();
      await this.trash.discard(this.directory(id));
    });
  }
  async mirror(container: Container): Promise<void> {
    await writeMirror(this.directory(container.id), container);
    this.figures.changed("container", container.id);
  }

  /** Containers are removed by name only. */
  forget(): void {}

  async sweep(): Promise<Usage> {
    for (const id of await namesIn(this.root.containers)) {
      if (!this.isContainer(id)) await this.removeStray(id);
    }
    return noUsage;
  }
  private isContainer(id: string): boolean {
    return this.ledger.sql<[string]>("SELECT 1 FROM container WHERE id = ?").get(id) !== undefined;
  }

  /** Directories that are no container's; none of what is on its way out. */
  async strays(): Promise<string[]> {
    const strays = (await namesIn(this.root.containers)).filter((id) => !this.isContainer(id) && !this.leaving.has(id));
    return strays.filter((id) => existsSync(join(this.root.containers, id)));
  }
  /** As a sweep does. */
  async removeStray(id: string): Promise<void> {
    this.logger.info({ container: id }, "removing a container directory that belongs to no container");
    await this.trash.discard(join(this.root.containers, id));
  }
  /** Containers whose directories are gone. */
  async bereft(): Promise<ContainerId[]> {
    const ids = this.ledger.sql<[], { id: ContainerId }>("SELECT id FROM container").all().map(({ id }) => id);
    const there = new Set(await namesIn(this.root.containers));
    return ids.filter((id) => !there.has(id) && !this.coming.has(id) && this.isContainer(id) && !existsSync(this.directory(id)));
  }

  private fromRow(row: Row): Container {
    let kept = this.documents.get(row.id);
    if (kept?.revision !== row.revision) {
      const { document } = this.ledger.sql<[string], { document: string }>("SELECT document FROM container WHERE id = ?").get(row.id)!;
      kept = { revision: row.revision, document: parseFrozen<Document>(document) };
      this.documents.set(row.id, kept);
    }
    const state: ContainerState = {
      status: row.status, pid: row.pid, exitCode: row.exit_code, error: row.error, oomKilled: row.oom_killed === 1,
      startedAt: row.started_at ?? undefined, finishedAt: row.finished_at ?? undefined,
      stoppedByUser: row.stopped_by_user === null ? undefined : row.stopped_by_user === 1, restartCount: row.restart_count,
    };
    return { ...kept.document, id: row.id, name: row.name, imageId: row.image, createdAt: row.created_at, driver: row.driver, state };
  }

  private bind(c: Container) {
    const { state } = c;
    const document: Document = { imageName: c.imageName, path: c.path, args: c.args, config: c.config, hostConfig: c.hostConfig, networks: c.networks, mounts: c.mounts };
    return {
      id: c.id, name: c.name, image: c.imageId, created_at: c.createdAt, driver: c.driver, revision: ++this.revision, document: JSON.stringify(document),
      status: state.status, pid: state.pid, exit_code: state.exitCode, error: state.error, oom_killed: flag(state.oomKilled),
      started_at: orNull(state.startedAt), finished_at: orNull(state.finishedAt),
      stopped_by_user: state.stoppedByUser === undefined ? null : flag(state.stoppedByUser), restart_count: state.restartCount,
    };
  }

  private explain(e: unknown, container: Container): unknown {
    if (violated(e) === "foreign-key") return new NotFound(`No such image: ${container.imageId}`, { cause: e });
    if (violated(e) !== "unique") return e;
    const holder = this.ledger.sql<[string], { id: ContainerId }>("SELECT id FROM container WHERE name = ?").get(container.name);
    if (holder === undefined || holder.id === container.id) return new AlreadyExists(`container ${container.id} exists already`, { cause: e });
    return new Conflict(`Conflict. The container name "/${container.name}" is already in use by container "${holder.id}". You have to remove (or rename) that container to be able to reuse that name.`, { cause: e });
  }
}
type Bound = ReturnType<LedgerContainers["bind"]>;

const missing = (name: string): NotFound => new NotFound(`No such container: ${name}`);
