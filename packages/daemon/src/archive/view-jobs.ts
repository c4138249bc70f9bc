import { accessSync, constants, readlinkSync } from "node:fs";
import { posix } from "node:path";
import { errnoOf, InvalidArgument, NotFound, PermissionDenied } from "../core/errors.js";
import type { PathStat, TreeView, WriteOptions } from "../core/rootfs.js";
import { cPath, fromByteString, toByteString, type ByteString } from "../kernel/byte-path.js";
import { openDirectoryAt, withFd, withFdSteps } from "../kernel/directory.js";
import { close, O_DIRECTORY, O_PATH, openInRoot, readlinkat } from "../kernel/libc.js";
import { isDirectory, isSymlink, Stater, type Stat } from "../kernel/stat.js";
import { openView } from "../kernel/view.js";
import { TreeApplier } from "./apply.js";
import { TarParser } from "./tar-parser.js";
import { TreePacker, TreeWalker } from "./tree-tar.js";
import type { Consumer, Steps } from "./workers/protocol.js";

/** A path that is to be found in a view. */
export interface ViewPath {
  readonly view: TreeView;
  readonly path: string;
}

/** What a path asks for: where it leads when nothing is followed, and whether its last part is. */
interface Asked {
  readonly clean: string;
  readonly followed: boolean;
  readonly name: string;
}

function asked(path: string): Asked {
  const clean = posix.resolve("/", path);
  const dot = /(^|\/)\.$/.test(path);
  return { clean, followed: clean === "/" || dot || path.endsWith("/"), name: dot ? "." : clean === "/" ? "/" : posix.basename(clean) };
}

/** An entry of an open directory; `.` for the directory itself. Whoever asked closes `dir`. */
interface Found {
  readonly dir: number;
  readonly name: ByteString;
  readonly stat: Stat;
}

/** NotFound when there is nothing. */
function find(tree: number, { clean, followed }: Asked): Found {
  const dir = openIn(tree, followed ? clean : posix.dirname(clean), O_PATH | O_DIRECTORY);
  try {
    const name = followed ? "." : toByteString(posix.basename(clean));
    const stat = lookedUp(clean, () => new Stater().at(dir, name));
    if (stat === undefined) throw new NotFound(`no such file: ${clean}`);
    return { dir, name, stat };
  } catch (error) {
    close(dir);
    throw error;
  }
}

const openIn = (tree: number, path: string, flags: number): number => lookedUp(path, () => openInRoot(tree, path, flags));

function lookedUp<T>(path: string, look: () => T): T {
  try { return look(); }
  catch (cause) {
    if (["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"].includes(errnoOf(cause) ?? "")) throw new NotFound(`no such file: ${path}`, { cause });
    throw cause;
  }
}

/** Where something open lies in its view, without leading slash. */
const placeOf = (fd: number): ByteString => readlinkSync(`/proc/self/fd/${fd}`, { encoding: "latin1" }).slice(1);

/** What lstat(2) tells of a path, and where it leads. */
// eslint-disable-next-line require-yield -- a job of one step
export function* viewStat({ view, path }: ViewPath): Steps<PathStat> {
  return withFd(openView(view), (tree) => {
    const wanted = asked(path);
    const { dir, name, stat } = find(tree, wanted);
    return withFd(dir, () => ({
      name: wanted.name, size: stat.size, mode: stat.mode, mtime: rfc3339(stat), linkTarget: isSymlink(stat.mode) ? targetOf(tree, wanted.clean, dir, name) : "",
    }));
  });
}

function targetOf(tree: number, path: string, dir: number, name: ByteString): string {
  try { return withFd(openIn(tree, path, O_PATH), (fd) => `/${fromByteString(placeOf(fd))}`); }
  catch (error) {
    if (!(error instanceof NotFound)) throw error;
    return posix.resolve("/", fromByteString(placeOf(dir)), fromByteString(readlinkat(dir, cPath(name)).toString("latin1")));
  }
}

function rfc3339({ mtimeSec, mtimeNs }: Stat): string {
  const fraction = String(mtimeNs).padStart(9, "0").replace(/0+$/, "");
  return `${new Date(mtimeSec * 1000).toISOString().slice(0, -5)}${fraction === "" ? "" : `.${fraction}`}Z`;
}

/** What is at a path as a tar. Names begin with the path's last part; those of the whole tree with a slash. */
export function* viewTar({ view, path }: ViewPath): Steps<void> {
  yield* withFdSteps(openView(view), function* (tree) {
    const wanted = asked(path);
    const { dir, name, stat } = find(tree, wanted);
    yield* withFdSteps(dir, function* () {
      const packer = new TreePacker({ sparse: false });
      const first = toByteString(wanted.name);
      yield* packer.member(dir, name, first, stat);
      if (isDirectory(stat.mode)) yield* withFdSteps(openDirectoryAt(dir, name), (fd) => new TreeWalker(packer).walk(fd, first === "/" ? "" : first, (above, entry) => `${above}/${entry}`));
      yield* packer.finish();
    });
  });
}

export interface ViewWrite extends ViewPath, WriteOptions {}

/** Unpacks a tar into a directory of a view. */
export class ViewWriter implements Consumer<void> {
  private readonly applier: TreeApplier;
  private readonly parser: TarParser;

  constructor({ view, path, keepKinds, owner }: ViewWrite) {
    this.applier = withFd(openView(view), (tree) => {
      const place = withFd(openIn(tree, asked(path).clean, O_PATH), (fd) => {
        if (!isDirectory(new Stater().of(fd).mode)) throw new InvalidArgument("extraction point is not a directory");
        checkWritable(view, fd);
        return placeOf(fd);
      });
      return new TreeApplier({ root: tree, whiteouts: "none", split: null, kept: null, live: { place, keepKinds, owner } });
    });
    this.parser = new TarParser(this.applier);
  }

  write(chunk: Buffer): void { told(() => this.parser.write(chunk)); }
  end(): void {
    told(() => {
      this.parser.close();
      this.applier.finish();
    });
  }
  abort(): void { this.applier.abort(); }
}

function checkWritable({ mounts }: TreeView, fd: number): void {
  try { accessSync(`/proc/self/fd/${fd}`, constants.W_OK); }
  catch (cause) {
    if (errnoOf(cause) !== "EROFS") throw cause;
    const place = `/${fromByteString(placeOf(fd))}`;
    const mounted = mounts.some(({ destination }) => place === destination || place.startsWith(`${destination}/`));
    throw new PermissionDenied(mounted ? "mounted volume is marked read-only" : "container rootfs is marked read-only", { cause });
  }
}

/** The place can be written, but a mount below it cannot. */
function told(work: () => void): void {
  try { work(); }
  catch (cause) { throw errnoOf(cause) === "EROFS" ? new PermissionDenied("mounted volume is marked read-only", { cause }) : cause; }
}
