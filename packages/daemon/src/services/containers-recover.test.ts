import { execFileSync, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { whyNoRuntime } from "../drivers/runtime/testing.js";
import { ContainerRig } from "./testing/container-rig.js";

const why = whyNoRuntime();
const withRuntime = why === null ? describe : describe.skip;
if (why !== null) test.skip(`a real runtime: ${why}`, () => undefined);

const lines = (n: number): string => Array.from({ length: n }, (_, i) => `line ${i}\n`).join("");

interface Killed { readonly ids: Readonly<Record<string, string>>; readonly directory: string; readonly bench: string; readonly runtime: string }

async function killedDaemon(): Promise<Killed> {
  const daemon = spawn(process.execPath, [join(__dirname, "testing/container-daemon.js")], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  daemon.stdout.on("data", (d: Buffer) => { said += d.toString(); });
  while (!said.includes("\n")) await sleep(10);
  daemon.kill("SIGKILL");
  await new Promise((resolve) => daemon.once("close", resolve));
  return JSON.parse(said) as Killed;
}

withRuntime("the daemon is killed and comes again", () => {
  test("what runs is found, what ended is known, logs go on, policies hold", async () => {
    const { ids, directory, bench, runtime } = await killedDaemon();
    await sleep(1000);

    const rig = await ContainerRig.reopen(directory, runtime);
    try {
      await rig.containers.recover();
      const id = (name: string): string => ids[name]!;
      expect(rig.state(id("counts")).status).toBe("running");
      expect(rig.state(id("frozen")).status).toBe("paused");
      expect(rig.state(id("done"))).toMatchObject({ status: "exited", exitCode: 14 });
      expect(await rig.exit(id("counts"))).toBe(11);
      expect(await rig.logs(id("counts"))).toBe(lines(60));
      expect(await rig.exit(id("ends"))).toBe(12);
      expect(await rig.logs(id("ends"))).toBe(lines(10));
      expect(() => rig.state(id("passing"))).toThrow("No such container");
      await rig.containers.stop(id("again"), { timeoutSeconds: 0 });
      expect(rig.state(id("again")).restartCount).toBeGreaterThanOrEqual(1);
      expect((await rig.logs(id("again"))).startsWith("run\nrun\n")).toBe(true);
      await rig.containers.pause(id("frozen"), false);
      await rig.containers.stop(id("frozen"), { timeoutSeconds: 0 });
      expect(rig.state(id("frozen")).exitCode).toBe(137);
      await rig.containers.restart(id("volume"), { timeoutSeconds: 0 });
      expect(rig.state(id("volume")).status).toBe("running");
      for (const { id: each } of [...rig.stores.containers.list()]) await rig.containers.remove(each, { force: true, volumes: true, link: false });
      await rig.stores.volumes.remove("kept");
      expect(rig.leftovers()).toEqual([]);
    } finally {
      await rig.close();
      rmSync(bench, { recursive: true, force: true });
    }
  });

  test("with the machine: everything has ended, nobody knows how; policies hold", async () => {
    const { ids, directory, bench, runtime } = await killedDaemon();
    execFileSync("sh", ["-c", `for id in $(ls ${directory}/exec/runc/state); do ${runtime} --root ${directory}/exec/runc/state delete -f $id; done; sleep 0.3; for k in ${directory}/exec/runc/holders/*; do : > $k & done; wait`], { stdio: "ignore" });
    rmSync(join(directory, "exec"), { recursive: true });
    const rig = await ContainerRig.reopen(directory, runtime);
    try {
      await rig.containers.recover();
      for (const name of ["counts", "ends", "volume", "frozen"]) expect(rig.state(ids[name]!)).toMatchObject({ status: "exited", exitCode: 255, pid: 0 });
      expect(rig.state(ids["done"]!).exitCode).toBe(14);
      while (rig.state(ids["again"]!).status !== "running") await sleep(10);
      await rig.containers.start(ids["ends"]!);
      expect(await rig.exit(ids["ends"]!)).toBe(12);
      expect(await rig.logs(ids["ends"]!, { tail: 10 })).toBe(lines(10));
      for (const { id } of [...rig.stores.containers.list()]) await rig.containers.remove(id, { force: true, volumes: true, link: false });
      expect([...rig.stores.containers.list()]).toEqual([]);
      expect(rig.leftovers()).toEqual([]);
      await rig.stores.volumes.remove("kept");
    } finally {
      await rig.close();
      rmSync(bench, { recursive: true, force: true });
    }
  });
});
