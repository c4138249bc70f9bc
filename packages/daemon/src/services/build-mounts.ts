import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type BuildCacheView, type CacheMount, type CacheMountKeeper, type CacheMounts, Conflict, NotFound, type VolumeStore } from "../core/index.js";

export interface CacheMountRequest {
  readonly id: string;
  /** `shared`: with whoever else has it; `private`: another one while somebody has it; `locked`: one after the other. */
  readonly sharing: "shared" | "private" | "locked";
}

export interface HeldMount {
  readonly volume: string;
  /** Where its files are, for who it belongs to. */
  readonly mountpoint: string;
  /** It was made for this. */
  readonly fresh: boolean;
  /** Resolves when somebody waits for it. */
  readonly wanted: Promise<void>;
  release(): void;
}

const LABEL = "com.strata.build-cache";
/** Between looks at a mount that somebody has locked, in milliseconds. */
const PAUSE = 100;

/** Directories that RUN keeps from build to build: volumes. */
export class CacheVolumes implements CacheMountKeeper {
  /** Volumes that commands have, and how many of them. */
  private readonly held = new Map<string, { count: number; readonly wanted: Promise<void>; want(): void }>();

  /** Those that are being removed. */
  private readonly leaving = new Map<string, Promise<unknown>>();

  constructor(private readonly volumes: VolumeStore, private readonly notes: CacheMounts) {}

  async hold(request: CacheMountRequest, signal: AbortSignal): Promise<HeldMount> {
    const name = await this.claim(request, signal);
    try {
      await this.leaving.get(name);
      const fresh = !this.there(name);
      const { mountpoint } = await this.volumes.create({ name, labels: { [LABEL]: request.id } });
      this.notes.used(name, request.id);
      return { volume: name, mountpoint, fresh, wanted: this.held.get(name)!.wanted, release: () => this.leave(name) };
    } catch (error) {
      this.release(name);
      throw error;
    }
  }

  /** The name of the volume, from now on ours. */
  private async claim({ id, sharing }: CacheMountRequest, signal: AbortSignal): Promise<string> {
    const name = `build-cache-${createHash("sha256").update(id).digest("hex").slice(0, 16)}`;
    let own = name;
    if (sharing === "private") for (let n = 1; this.held.has(own); n++) own = `${name}-${n}`;
    if (sharing === "locked") {
      for (let other = this.held.get(own); other !== undefined; other = this.held.get(own)) {
        other.want();
        await sleep(PAUSE, undefined, { signal });
      }
    }
    const there = this.held.get(own);
    if (there !== undefined) there.count++;
    else {
      let want!: () => void;
      const wanted = new Promise<void>((resolve) => { want = resolve; });
      this.held.set(own, { count: 1, wanted, want });
    }
    return own;
  }
  private leave(name: string): void {
    this.release(name);
    try { this.notes.left(name); } catch { /* a full disk: it only ranks what goes first */ }
  }
  private release(name: string): void {
    if (--this.held.get(name)!.count === 0) this.held.delete(name);
  }
  private there(name: string): boolean {
    try { this.volumes.get(name); } catch (e) {
      if (e instanceof NotFound) return false;
      throw e;
    }
    return true;
  }

  async views(): Promise<BuildCacheView[]> {
    return Promise.all(this.mounts().map(async ({ volume, id, usage: _, ...mount }): Promise<BuildCacheView> => ({
      ...mount, key: volume, parent: null, type: "exec.cachemount", description: `cached mount ${id}`, size: await this.volumes.usage(volume).catch(() => 0), shared: false,
    })));
  }

  mounts(): CacheMount[] {
    return this.notes.mounts().map((mount) => ({ ...mount, inUse: mount.inUse || this.held.has(mount.volume) }));
  }
  async remove(volume: string): Promise<boolean> {
    if (this.held.has(volume)) return false;
    const going = this.volumes.remove(volume);
    // Whoever wants it from now on waits, and gets a new one.
    const gone = going.catch(() => undefined).then(() => { if (this.leaving.get(volume) === gone) this.leaving.delete(volume); });
    this.leaving.set(volume, gone);
    try { await going; } catch (e) {
      if (e instanceof Conflict) return false;
      if (!(e instanceof NotFound)) throw e;
    }
    return true;
  }
}
