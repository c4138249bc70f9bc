import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, type NamespaceManager } from "../../core/index.js";
import type { NetworkThread } from "../../kernel/network-thread.js";

/**
 * Network namespaces named by bind mounts `<dir>/<id>`: they live while a process is in them or the name stands,
 * whatever becomes of the daemon. Made in about 1 ms; removal drops the name and leaves the rest to the kernel.
 */
export class NetnsManager implements NamespaceManager {
  private readonly dir: string;
  private readonly thread: NetworkThread;

  /** `dir`: `<exec-root>/netns`. */
  constructor(options: { dir: string; thread: NetworkThread }) {
    this.dir = options.dir;
    this.thread = options.thread;
  }

  async create(id: string): Promise<string> {
    await this.thread.call("createNamespace", this.path(id));
    return this.path(id);
  }
  async adopt(id: string, pid: number): Promise<string> {
    await this.thread.call("adoptNamespace", this.path(id), pid);
    return this.path(id);
  }
  path(id: string): string {
    return join(this.dir, id);
  }
  async remove(id: string): Promise<void> {
    await this.thread.call("removeNamespace", this.path(id));
  }
  async list(): Promise<string[]> {
    try {
      return await readdir(this.dir);
    } catch (e) {
      if (errnoOf(e) === "ENOENT") return [];
      throw e;
    }
  }
}
