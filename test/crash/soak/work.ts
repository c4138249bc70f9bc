import type { Answer, Daemon, Json } from "../../helpers/index.js";
import { sleep } from "../../helpers/index.js";
import type { Chance } from "./chance.js";

/** Names of images in a registry that share layers. */
export interface Wares { readonly repository: string; readonly tags: readonly string[] }

/** In whose words ever a full disk refuses. */
export const NO_ROOM = /no space left|ENOSPC|disk is full|quota exceeded/i;

/** What users do, one thing after the other, until told to stop. What fails for no good reason is kept. */
export class Worker {
  readonly unexpected: string[] = [];
  done = 0;

  /** `down`: the daemon has just been killed, or is on its way back. */
  constructor(private readonly daemon: Daemon, private readonly wares: Wares, private readonly chance: Chance, private readonly name: string, private readonly down: () => boolean) {}

  async work(over: () => boolean): Promise<void> {
    for (let i = 0; !over(); i++) {
      const verb = this.chance.weighed({ pull: 5, run: 6, stay: 2, commit: 4, rm: 4, rmi: 4, untag: 2, prune: 1, restart: 1 });
      try {
        await this[verb](i);
        this.done++;
      } catch (e) {
        // Connections break when the daemon dies under them.
        const text = String(e);
        if (!NO_ROOM.test(text) && !this.down() && !/ECONNRESET|ECONNREFUSED|socket hang up|ENOENT.*s\.sock|aborted/.test(text)) this.unexpected.push(`${this.name} ${i} ${verb}: ${text}`);
        await sleep(50);
      }
    }
  }

  private async pull(): Promise<void> {
    const { text } = await this.call("POST", "/images/create", { fromImage: this.wares.repository, tag: this.chance.of(this.wares.tags)! });
    const failure = /"error":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
    if (failure !== undefined) throw new Error(failure);
  }
  private async run(i: number): Promise<void> {
    const id = await this.start(i, `head -c ${this.chance.below(400_000)} /dev/urandom > /file; echo said; exit 0`);
    if (id === undefined) return;
    await this.call("POST", `/containers/${id}/wait`);
    if (this.chance.next() < 0.5) await this.call("DELETE", `/containers/${id}`, { v: 1 });
  }
  private async stay(i: number): Promise<void> { await this.start(i, "head -c 100000 /dev/zero > /file; sleep 1000"); }
  private async commit(i: number): Promise<void> {
    const box = this.chance.of((await this.containers()).filter((c) => c.State !== "running"));
    if (box !== undefined) await this.call("POST", "/commit", { container: box.Id, repo: "made", tag: `${this.name}-${i}` });
  }
  private async rm(): Promise<void> {
    const box = this.chance.of(await this.containers());
    if (box !== undefined) await this.call("DELETE", `/containers/${box.Id}`, { force: 1, v: 1 });
  }
  private async rmi(): Promise<void> {
    const image = this.chance.of(await this.images());
    if (image !== undefined) await this.call("DELETE", `/images/${image.Id}`, { force: 1 });
  }
  private async untag(): Promise<void> {
    const tag = this.chance.of((await this.images()).flatMap((image) => (image.RepoTags ?? []) as string[]));
    if (tag !== undefined) await this.call("DELETE", `/images/${encodeURIComponent(tag)}`);
  }
  private async restart(): Promise<void> {
    const box = this.chance.of(await this.containers());
    if (box !== undefined) await this.call("POST", `/containers/${box.Id}/restart`, { t: 0 });
  }
  private async prune(): Promise<void> {
    const [path, filters] = this.chance.of([["/containers/prune", {}], ["/images/prune", {}], ["/images/prune", { dangling: ["false"] }], ["/volumes/prune", { all: ["true"] }], ["/build/prune", {}]] as const)!;
    await this.call("POST", path, { filters: JSON.stringify(filters) });
  }

  /** A container that was started; undefined without an image. */
  private async start(i: number, script: string): Promise<string | undefined> {
    const image = this.chance.of(await this.images());
    if (image === undefined) return undefined;
    const volume = this.chance.next() < 0.3 ? { HostConfig: { Binds: [`v${this.chance.below(4)}:/data`] } } : this.chance.next() < 0.3 ? { Volumes: { "/anonymous": {} } } : {};
    const { json } = await this.call("POST", "/containers/create", { name: `${this.name}-${i}-${this.chance.below(1_000_000)}` }, { Image: image.Id, Cmd: ["sh", "-c", script], StopTimeout: 0, ...volume });
    const id = json?.Id as string | undefined;
    if (id !== undefined) await this.call("POST", `/containers/${id}/start`);
    return id;
  }
  private async containers(): Promise<Json[]> { return (await this.call("GET", "/containers/json", { all: 1 })).json ?? []; }
  private async images(): Promise<Json[]> { return (await this.call("GET", "/images/json")).json ?? []; }

  /** What somebody else has removed, or holds, is no fault. */
  private async call(method: string, path: string, query: Record<string, string | number> = {}, json?: unknown): Promise<Answer> {
    const answer = await this.daemon.api(method, path, { query, ...(json === undefined ? {} : { json }) });
    if (answer.status >= 400 && answer.status !== 404 && answer.status !== 409) throw new Error(`${method} ${path}: ${answer.status} ${answer.text.trim()}`);
    return answer;
  }
}
