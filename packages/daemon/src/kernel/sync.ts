import { open, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AT_FDCWD, close, O_DIRECTORY, O_RDONLY, openat, syncfs } from "./libc.js";

/**
 * Makes durable what was written below a directory, with syncfs(2). One call at a time: whoever comes while one runs
 * shares the next. So many layers that end together cost one sync, and only one thread of Node's pool ever waits.
 */
export class FileSystemSync {
  private running: Promise<void> | null = null;
  private next: Promise<void> | null = null;

  constructor(private readonly directory: string) {}

  /** Resolves when everything written before the call is on disk. */
  flush(): Promise<void> {
    if (!this.running) return (this.running = this.start());
    this.next ??= this.running.catch(() => undefined).then(() => {
      this.next = null;
      return (this.running = this.start());
    });
    return this.next;
  }

  private start(): Promise<void> {
    const done = this.sync().finally(() => { if (this.running === done) this.running = null; });
    return done;
  }
  private async sync(): Promise<void> {
    const fd = openat(AT_FDCWD, this.directory, O_RDONLY | O_DIRECTORY);
    try { await syncfs(fd); } finally { close(fd); }
  }
}

/** Makes files and directories durable, all at once. */
export async function flushFiles(paths: readonly string[]): Promise<void> { await Promise.all(paths.map(syncOne)); }

/**
 * Makes a small tree durable that was just made: its files, its directories, and its name in the directory above. Unlike
 * a sync of the file system it does not wait for what others wrote; a journal takes all of it in one commit.
 */
export async function syncNew(path: string): Promise<void> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const made = entries.filter((entry) => entry.isFile() || entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
  await Promise.all([...made, path, dirname(path)].map(syncOne));
}

/** Makes one file's content, or one directory's entries, durable. */
export async function syncOne(path: string): Promise<void> {
  const file = await open(path, "r");
  try { await file.sync(); } finally { await file.close(); }
}
