import type { HostConfig } from "../../core/index.js";
import { ContainerRig } from "./container-rig.js";

/** A daemon that starts containers, says so, and waits to be killed. */
async function main(): Promise<void> {
  const rig = await ContainerRig.open();
  await rig.image("busybox:latest");
  const ids: Record<string, string> = {};
  const start = async (name: string, args: string[], hostConfig: HostConfig = {}): Promise<void> => {
    ids[name] = await rig.create(args, { name, hostConfig });
    await rig.containers.start(ids[name]);
  };
  const counting = (n: number, code: number): string[] => ["sh", "-c", `i=0; while [ $i -lt ${n} ]; do echo line $i; i=$((i+1)); sleep 0.05; done; exit ${code}`];
  await Promise.all([
    start("counts", counting(60, 11)), start("ends", counting(10, 12)), start("volume", ["sleep", "100"], { Binds: ["kept:/data"] }), start("frozen", ["sleep", "100"]),
    start("passing", ["sh", "-c", "sleep 0.5; exit 13"], { AutoRemove: true }), start("again", ["sh", "-c", "echo run; sleep 0.5; exit 1"], { RestartPolicy: { Name: "always" } }),
    start("done", ["sh", "-c", "exit 14"]),
  ]);
  await rig.containers.pause(ids["frozen"]!, true);
  await rig.exit(ids["done"]!);
  process.stdout.write(`${JSON.stringify({ ids, directory: rig.directory, bench: rig.bench!.root, runtime: rig.runtime.path })}\n`);
}

void main();
