import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { addProgram, type Daemon, importTree, ok, type Registry } from "../helpers/index.js";

/** What the suites know by these names, as far as they use it: each is one of our own trees with what is added here. */
const standIns: readonly { readonly names: readonly [string, ...string[]]; readonly changes?: readonly string[]; readonly add?: (tree: string) => void | Promise<void> }[] = [
  { names: ["busybox:latest", "busybox:1", "busybox:1.36"] },
  {
    names: ["alpine:latest", "alpine:3.10"],
    add: (tree) => {
      mkdirSync(join(tree, "var/opt"));
      writeFileSync(join(tree, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\npostgres:x:70:70:postgres:/var/lib/postgresql:/bin/sh\n");
    },
  },
  { names: ["ubuntu:latest", "debian:bookworm"], changes: ['CMD ["/bin/bash"]'], add: (tree) => addProgram(tree, "bash") },
  { names: ["hello-world:latest"], changes: ['CMD ["echo", "Hello from Docker!"]'] },
];
const usual = ['CMD ["sh"]', "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];

/** Fills the registry, from which the suites' pulls are served, by way of the daemon. */
export async function publish(daemon: Daemon, registry: Registry): Promise<void> {
  const applets = (await ok("busybox", ["--list"])).split("\n");
  for (const { names, changes = [], add } of standIns) {
    const made = registry.name(`library/${names[0]}`);
    await importTree(daemon, made, [...usual, ...changes], async (tree) => {
      for (const applet of applets) if (!existsSync(join(tree, "bin", applet))) symlinkSync("busybox", join(tree, "bin", applet));
      writeFileSync(join(tree, "etc/os-release"), `ID=${names[0].replace(/:.*/, "")}\n`);
      await add?.(tree);
    });
    for (const name of names) {
      await daemon.dockerOk("tag", made, registry.name(`library/${name}`));
      await daemon.dockerOk("push", "-q", registry.name(`library/${name}`));
    }
  }
  await daemon.dockerOk("rmi", "-f", ...new Set((await daemon.dockerOk("images", "-q", "--no-trunc")).split("\n")));
}

/** Suites prune images: each file of theirs begins with all of them. */
export async function seed(daemon: Daemon): Promise<void> {
  for (const name of standIns.flatMap(({ names }) => names)) await daemon.dockerOk("pull", "-q", name);
}
