import { close, O_DIRECTORY, O_RDONLY, openat, syncfs, AT_FDCWD } from "./libc.js";

/** Flushes the file system that holds a directory. */
export async function syncFileSystem(directory: string): Promise<void> {
  const fd = openat(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
  try { await syncfs(fd); } finally { close(fd); }
}
