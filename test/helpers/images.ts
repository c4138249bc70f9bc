import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { which } from "./needs.js";
import { type Netns } from "./netns.js";
import { ok } from "./run.js";

/** Kept between runs: what takes long to make and is the same each time. */
export const cacheFolder = process.env["STRATA_TEST_CACHE"] ?? (process.getuid?.() === 0 ? "/var/cache/strata-test" : join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "strata-test"));

const applets = [
  "sh", "ash", "true", "false", "echo", "cat", "ls", "mkdir", "seq", "sleep", "awk", "dd", "rm", "cp", "mv", "touch", "wc", "head", "tail", "env", "id", "ps", "grep", "sed",
  "test", "printf", "date", "kill", "ping", "ip", "wget", "nc", "httpd", "hostname", "mount", "df", "du", "find", "sort", "tr", "cut", "chmod", "chown", "ln", "stat",
  "md5sum", "sha256sum", "stty", "tty", "readlink", "uname", "yes", "xargs", "mknod", "usleep",
];

/** Fills a folder with a root file system of busybox. */
function busyboxTree(folder: string): void {
  for (const name of ["bin", "etc", "tmp", "root", "var", "proc", "sys", "dev", "home"]) mkdirSync(join(folder, name), { recursive: true });
  copyFileSync(which("busybox")!, join(folder, "bin", "busybox"));
  for (const applet of applets) symlinkSync("busybox", join(folder, "bin", applet));
  writeFileSync(join(folder, "etc", "passwd"), "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nuser:x:1000:1000:user:/home:/bin/sh\n");
  writeFileSync(join(folder, "etc", "group"), "root:x:0:\nnogroup:x:65534:\nuser:x:1000:\nextra:x:2000:user\n");
}

/** A program of this machine in a tree, with the libraries that it is linked with. */
export async function addProgram(tree: string, program: string): Promise<void> {
  const path = which(program)!;
  const libraries = [...(await ok("ldd", [path])).matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]!);
  for (const [from, to] of [[path, join("/bin", basename(path))] as const, ...libraries.map((library) => [library, library] as const)]) {
    mkdirSync(join(tree, dirname(to)), { recursive: true });
    copyFileSync(from, join(tree, to));
  }
}

/** Imports busybox's tree with what `add` puts into it. */
export async function importTree(daemon: { dockerOk(...args: readonly string[]): Promise<string> }, name: string, changes: readonly string[], add: (tree: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "st-i")), tree = join(folder, "tree");
  try {
    mkdirSync(tree);
    await ok("tar", ["-C", tree, "-xf", await busyboxTar()]);
    await add(tree);
    await tarOf(tree, join(folder, "tar"));
    await daemon.dockerOk("import", ...changes.flatMap((change) => ["--change", change]), join(folder, "tar"), name);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A tar of a folder, as the textbook makes it. */
export async function tarOf(folder: string, file: string): Promise<void> {
  await ok("tar", ["--numeric-owner", "--exclude=./proc/*", "--exclude=./sys/*", "-C", folder, "-cf", file, "."]);
}

/** A file below the cache, made once: `make` fills `path`, which becomes visible when it is whole. */
async function cached(name: string, make: (path: string) => Promise<void>): Promise<string> {
  const path = join(cacheFolder, name);
  if (existsSync(path)) return path;
  mkdirSync(cacheFolder, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  await make(unfinished);
  renameSync(unfinished, path);
  return path;
}

/** Tar of a busybox root file system. */
export function busyboxTar(): Promise<string> {
  const revision = readFileSync(which("busybox")!).length;
  return cached(`busybox-${revision}-1.tar`, async (path) => {
    const folder = `${path}.tree`;
    busyboxTree(folder);
    await tarOf(folder, path);
    rmSync(folder, { recursive: true });
  });
}

/** Tar of a minimal Debian (or Ubuntu), made by debootstrap from the machine's own mirror. */
export function debianTar(): Promise<string> {
  const codename = /^VERSION_CODENAME=(\S+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "bookworm";
  return cached(`${codename}-minbase.tar`, async (path) => {
    const folder = `${path}.tree`;
    const targets = await ok("apt-get", ["indextargets", "--format", "$(SITE) $(CODENAME) $(COMPONENT)", "Created-By: Packages"]);
    const mirror = targets.split("\n").map((line) => line.split(" ")).find(([, name, component]) => name === codename && component === "main")?.[0];
    await ok("debootstrap", ["--variant=minbase", codename, folder, ...(mirror ? [mirror] : [])], { timeoutMs: 600_000 });
    await ok("tar", ["--numeric-owner", "--exclude=./proc", "--exclude=./sys", "-C", folder, "-cf", path, "."]);
    rmSync(folder, { recursive: true });
  });
}

/** Pushes the image of 6 layers and 40,000 files to a registry as `bench/app:latest`; made once by the bench's generator. */
export async function pushAppImage(netns: Netns, registry: string): Promise<string> {
  const generator = resolve(__dirname, "../../../bench/gen.mjs");
  await netns.ok(process.execPath, [generator, join(cacheFolder, "bench"), "--images=app", `--registry=http://${registry}`], { timeoutMs: 300_000 });
  return `${registry}/bench/app:latest`;
}
