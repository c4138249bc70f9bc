import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { busyboxTar, type Daemon, ok, type Registry, tarOf, which } from "../helpers/index.js";

/** What the suites know by these names, as far as they use it: each is one of our own trees with what is added here. */
const standIns: readonly { readonly names: readonly string[]; readonly changes?: readonly string[]; add?(tree: string): Promise<void> }[] = [
  { names: ["busybox:latest", "busybox:1", "busybox:1.36"] },
  {
    names: ["alpine:latest", "alpine:3.10"],
    add: async (tree) => {
      mkdirSync(join(tree, "var/opt"));
      writeFileSync(join(tree, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\npostgres:x:70:70:postgres:/var/lib/postgresql:/bin/sh\n");
    },
  },
  { names: ["ubuntu:latest", "debian:bookworm"], changes: ['CMD ["/bin/bash"]'], add: addBash },
  { names: ["hello-world:latest"], changes: ['CMD ["echo", "Hello from Docker!"]'] },
];
const names = standIns.flatMap((image) => image.names);

/** This machine's bash, with the libraries that it is linked with. */
async function addBash(tree: string): Promise<void> {
  const bash = which("bash")!;
  const libraries = [...(await ok("ldd", [bash])).matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]!);
  for (const [from, to] of [[bash, "/bin/bash"] as const, ...libraries.map((path) => [path, path] as const)]) {
    mkdirSync(join(tree, dirname(to)), { recursive: true });
    cpSync(from, join(tree, to), { dereference: true });
  }
}

/** Fills the registry, from which the suites' pulls are served, by way of the daemon. */
export async function publish(daemon: Daemon, registry: Registry): Promise<void> {
  const applets = (await ok("busybox", ["--list"])).split("\n");
  for (const { names: [first, ...others], changes = [], add } of standIns) {
    const folder = mkdtempSync(join(tmpdir(), "st-i")), tree = join(folder, "tree");
    try {
      mkdirSync(tree);
      await ok("tar", ["-C", tree, "-xf", await busyboxTar()]);
      for (const applet of applets) if (!existsSync(join(tree, "bin", applet))) symlinkSync("busybox", join(tree, "bin", applet));
      writeFileSync(join(tree, "etc/os-release"), `ID=${first!.replace(/:.*/, "")}\n`);
      await add?.(tree);
      if (readdirSync(tree).length === 0) throw new Error(`${first!} is empty`);
      await tarOf(tree, join(folder, "tar"));
      const name = registry.name(`library/${first!}`);
      await daemon.dockerOk("import", ...['CMD ["sh"]', "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...changes].flatMap((change) => ["--change", change]), join(folder, "tar"), name);
      for (const other of [first!, ...others]) {
        await daemon.dockerOk("tag", name, registry.name(`library/${other}`));
        await daemon.dockerOk("push", "-q", registry.name(`library/${other}`));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  const known = (await daemon.dockerOk("images", "-q", "--no-trunc")).split("\n");
  await daemon.dockerOk("rmi", "-f", ...new Set(known));
}

/** Suites prune images: each file of theirs begins with all of them. */
export async function seed(daemon: Daemon): Promise<void> {
  for (const name of names) await daemon.dockerOk("pull", "-q", name);
}
