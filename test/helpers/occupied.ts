import { readlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Daemon } from "./daemon.js";
import { ok } from "./run.js";

/** Bytes by kind, as `GET /graph/usage` names the kinds. */
export type ByKind = Readonly<Record<string, number>>;

/**
 * What a data root occupies, found by walking it: allocated blocks, each inode once, by kind. Mounts are taken down in a
 * mount namespace of the walk's own, so that what they cover is seen.
 */
export async function occupied(daemon: Daemon): Promise<{ readonly kinds: ByKind; readonly total: number }> {
  const root = daemon.dataRoot;
  const script = `awk -v r="${root}/" 'index($5, r) == 1 { print $5 }' /proc/self/mountinfo | tac | while read -r m; do umount -l "$m"; done; find "${root}" -printf '%D:%i %b %P\\n' && du -s -B1 "${root}" | cut -f1`;
  const lines = (await ok("unshare", ["--mount", "--propagation", "private", "sh", "-c", script])).split("\n");
  const total = Number(lines.pop());
  const seen = new Set<string>(), kinds: Record<string, number> = {};
  const layers = new Set(((await daemon.api("GET", "/layers")).json as { Copies: { Snapshot: string }[] }[]).flatMap(({ Copies }) => Copies.map(({ Snapshot }) => Snapshot)));
  for (const line of lines) {
    const [, inode, blocks, path] = /^(\S+) (\d+) (.*)$/.exec(line)! as unknown as [string, string, string, string];
    if (seen.has(inode)) continue;
    seen.add(inode);
    const kind = kindOf(root, path, layers);
    kinds[kind] = (kinds[kind] ?? 0) + Number(blocks) * 512;
  }
  return { kinds, total };
}

const LOG = /^[0-9a-f]+-json\.log|^local-logs$/;

function kindOf(root: string, path: string, layers: ReadonlySet<string>): string {
  const [first = "", second, third, fourth, fifth] = path.split("/");
  const snapshot = (id: string): string => (layers.has(id) ? "layers" : "containers");
  if (/^strata\.db/.test(first)) return "ledger";
  if (second === undefined) return ["overlay2", "erofs", "vfs", "overlay", "fuse-overlayfs", "btrfs", "aufs", "zfs"].includes(first) ? "drivers" : "directories";
  switch (first) {
    case "content":
      if (second === "ingest") return third === undefined ? "directories" : "ingests";
      return fourth === undefined ? "directories" : "blobs";
    case "image": return fifth === undefined ? "directories" : "container-files";
    case "containers": return third !== undefined && LOG.test(third) ? "logs" : "container-files";
    case "volumes": case "tmp": case "trash": return first;
    case "vfs": return third === undefined ? "drivers" : snapshot(third.replace(/\.gz$/, ""));
    case "overlay2": case "fuse-overlayfs": {
      if (second !== "l") return snapshot(second);
      return third === undefined ? "drivers" : snapshot(basename(dirname(readlinkSync(join(root, path)))));
    }
    default: return snapshot(second);
  }
}

/** The same as the daemon tells it. */
export async function told(daemon: Daemon, query: Readonly<Record<string, string | number>> = {}): Promise<{ readonly kinds: ByKind; readonly total: number }> {
  const { Kinds, Bytes } = (await daemon.api("GET", "/graph/usage", { query })).json as { Kinds: { Kind: string; Bytes: number }[]; Bytes: number };
  return { kinds: Object.fromEntries(Kinds.map(({ Kind, Bytes: bytes }) => [Kind, bytes])), total: Bytes };
}

/** Where the two differ, in words; empty when they do not. A kind of which there is nothing is none. */
export async function usageDifferences(daemon: Daemon, query: Readonly<Record<string, string | number>> = {}): Promise<string[]> {
  const says = await told(daemon, query), is = await occupied(daemon);
  const names = [...new Set([...Object.keys(says.kinds), ...Object.keys(is.kinds)])].sort();
  return [
    ...names.filter((kind) => (says.kinds[kind] ?? 0) !== (is.kinds[kind] ?? 0)).map((kind) => `${kind}: told ${says.kinds[kind] ?? 0}, on disk ${is.kinds[kind] ?? 0}`),
    ...(says.total === is.total ? [] : [`all: told ${says.total}, du ${is.total}`]),
  ];
}
