import { join } from "node:path";
import { type Daemon, TestBed, checked, daemonNeeds, emptied, findingNames, importBusybox, needs } from "../helpers/index.js";
import { Chance } from "./soak/chance.js";
import { SmallDisk, Soak } from "./soak/soak.js";
import { accounted } from "./soak/usage.js";

const it = needs(...daemonNeeds, "docker", "registry", "loop");

/** `npm run soak -- --minutes 30 --seed N` is the long form. */
const MINUTES = Number(process.env["STRATA_SOAK_MINUTES"] ?? 0.4), LONG = MINUTES > 1;
const SEED = Number(process.env["STRATA_SOAK_SEED"] ?? Date.now() % 1_000_000);
const TAGS = ["1", "2", "3", "4", "5", "6"];

let bed: TestBed;
let disk: SmallDisk | undefined;
let daemon: Daemon | undefined;
let repository: string;
beforeAll(async () => {
  bed = await TestBed.create();
  const registry = await bed.registry();
  repository = registry.name("app");
  const maker = await bed.daemon({ storageDriver: "overlay2" });
  await importBusybox(maker);
  // A tree of layers: each stands on one of those before it.
  for (const tag of TAGS) {
    const below = tag === "1" ? "busybox" : `${repository}:${Math.ceil(Number(tag) / 2)}`;
    await maker.dockerOk("run", "--name", "maker", below, "sh", "-c", `mkdir -p /t${tag}; for i in $(seq 100); do echo ${tag} $i > /t${tag}/f$i; done; head -c 6000000 /dev/urandom > /t${tag}/big`);
    await maker.dockerOk("commit", "maker", `${repository}:${tag}`);
    await maker.dockerOk("rm", "maker");
    await maker.dockerOk("push", "-q", `${repository}:${tag}`);
  }
  await bed.end(maker);
  disk = await SmallDisk.make(bed, LONG ? 700 : 300);
}, 180_000);
afterAll(async () => {
  if (daemon !== undefined) await bed.end(daemon);
  await disk?.remove();
  await bed.close();
}, 60_000);

it(`whatever befalls the daemon at work, every byte is accounted for, nothing is lost, and all of it can be removed (seed ${SEED})`, async () => {
  const chance = new Chance(SEED), storageDriver = chance.next() < 0.6 ? "erofs" : "overlay2";
  daemon = await bed.daemon({ dataRoot: join(disk!.folder, "data"), storageDriver });
  const soak = new Soak(daemon, disk!, { repository, tags: TAGS }, chance, (n) => new Chance(SEED * 31 + n + 1));
  await soak.setPolicies();
  const done = await soak.run({ minutes: MINUTES, pause: LONG ? 4 : 2, workers: 3 });
  const context = { seed: SEED, storageDriver, done, ...soak.tally };
  if (LONG) console.log(JSON.stringify(context));
  expect({ ...context, unexpected: soak.unexpected }).toEqual({ ...context, unexpected: [] });
  expect(done).toBeGreaterThan(10);
  expect(soak.tally.kills).toBeGreaterThan(0);

  await daemon.restart();
  const found = await checked(daemon, { deep: true });
  expect({ ...context, found: findingNames(found), unchecked: found.unchecked }).toEqual({ ...context, found: [], unchecked: [] });
  expect({ ...context, usage: await accounted(daemon) }).toEqual({ ...context, usage: [] });
  await soak.removeEverything();
  await emptied(daemon, { butDownloads: true });
  expect({ ...context, found: findingNames(await checked(daemon, { deep: true })) }).toEqual({ ...context, found: [] });
}, MINUTES * 60_000 + 300_000);
