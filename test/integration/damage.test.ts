import { closeSync, existsSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, type Registry, type TestBed, daemonNeeds, disagreements, emptied, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "registry");

let bed: TestBed;
let registry: Registry;
const name = (path: string): string => registry.name(path);
const WORD = "a word that is known".repeat(40);

setUp(async (made) => {
  bed = made;
  registry = await bed.registry();
  const maker = await bed.daemonWithBusybox({ storageDriver: "overlay2" });
  const commit = async (from: string, to: string, script: string): Promise<void> => {
    await maker.dockerOk("run", "--name", "maker", from, "sh", "-c", script);
    await maker.dockerOk("commit", "maker", to);
    await maker.dockerOk("rm", "maker");
  };
  await commit("busybox", name("base"), `echo '${WORD}' > /word; echo other > /other`);
  await commit(name("base"), name("app"), "echo app > /app");
  await commit(name("base"), name("neighbour"), "echo neighbour > /neighbour");
  for (const path of ["app", "neighbour"]) await maker.dockerOk("push", "-q", name(path));
  await bed.end(maker);
});

/** Flips one bit of a text in a file. */
function damage(file: string, text: string): void {
  const fd = openSync(file, "r+");
  const bytes = Buffer.alloc(1 << 20);
  const at = bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0)).indexOf(text);
  expect(at).toBeGreaterThanOrEqual(0);
  bytes[at + 5]! ^= 1;
  writeSync(fd, bytes, at + 5, 1, at + 5);
  closeSync(fd);
}
/** Where a driver keeps the file `/word` of a snapshot. */
const places: Readonly<Record<string, (snapshot: string) => string>> = {
  overlay2: (id) => `overlay2/${id}/diff/word`,
  erofs: (id) => `erofs/${id}/layer.tar`,
};

interface Layer { readonly DiffId: string; readonly Snapshot: string }
const layersOf = async (daemon: Daemon): Promise<Map<string, string>> => new Map(((await daemon.api("GET", "/layers")).json as Layer[]).map((l) => [l.DiffId, l.Snapshot]));

for (const driver of ["overlay2", "erofs"]) {
  describe(driver, () => {
    it("a layer that is found damaged is fetched and applied anew by the next pull; who runs on it goes on", async () => {
      const daemon = await bed.daemon({ storageDriver: driver });
      for (const path of ["app", "neighbour"]) await daemon.dockerOk("pull", "-q", name(path));
      await daemon.dockerOk("run", "-d", "--name", "runs", name("neighbour"), "sleep", "1000");
      const diffIds = (await daemon.inspect(name("app"), "image")).RootFS.Layers as string[];
      const before = (await layersOf(daemon)).get(diffIds[1]!)!;
      damage(join(daemon.dataRoot, places[driver]!(before)), WORD);

      // Reading all of it finds it.
      const archive = bed.path(`${driver}.tar`);
      expect((await daemon.docker(["save", "-o", archive, name("app")])).code).not.toBe(0);
      const told = await daemon.dockerOk("pull", name("app"));
      expect(told.match(/: Already exists$/gm)).toHaveLength(2);
      expect(told.match(/: Pull complete$/gm)).toHaveLength(1);
      const after = (await layersOf(daemon)).get(diffIds[1]!)!;
      expect(after).not.toBe(before);
      await daemon.dockerOk("save", "-o", archive, name("app"));
      expect(await daemon.dockerOk("run", "--rm", name("app"), "cat", "/word")).toBe(WORD);
      expect(await daemon.dockerOk("pull", name("app"))).not.toMatch(/Pull complete/);

      // What it was started with stays as long as it runs, over a restart and a collection too.
      await daemon.dockerOk("image", "prune", "-f");
      await daemon.restart();
      expect(await daemon.dockerOk("exec", "runs", "cat", "/other", "/neighbour")).toBe("other\nneighbour");
      expect(existsSync(join(daemon.dataRoot, places[driver]!(before)))).toBe(true);
      await daemon.dockerOk("restart", "-t", "0", "runs");
      expect(await daemon.dockerOk("exec", "runs", "cat", "/word")).toBe(WORD);
      await daemon.dockerOk("rm", "-f", "runs");
      await until(() => !existsSync(join(daemon.dataRoot, places[driver]!(before))) || undefined, 60_000, "the damaged snapshot to go");
      await until(async () => (await disagreements(daemon)).length === 0 || undefined, 60_000, "ledger and disk to agree");
      await daemon.dockerOk("image", "prune", "-af");
      await emptied(daemon);
      await bed.end(daemon);
    }, 120_000);
  });
}
