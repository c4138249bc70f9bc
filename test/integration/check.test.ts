import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, readdirSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import Database from "better-sqlite3";
import { type CheckFinding, type Daemon, type Registry, TestBed, checked, daemonNeeds, emptied, findingNames, importBusybox, needs, ok, open, run, unmountBelow, until, which } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "registry");
const program = resolve(__dirname, "../../../packages/cli/bin/strata.js");
const WORD = "a word that is known".repeat(40);
/** As random names are. */
const stray = (n: number): string => `${n}`.repeat(4).padStart(64, "abcdef");

let bed: TestBed;
let registry: Registry;
const name = (path: string): string => registry.name(path);
beforeAll(async () => {
  bed = await TestBed.create();
  registry = await bed.registry();
  const maker = await bed.daemonWithBusybox({ storageDriver: "overlay2" });
  const commit = async (from: string, to: string, script: string): Promise<void> => {
    await maker.dockerOk("run", "--name", "maker", from, "sh", "-c", script);
    await maker.dockerOk("commit", "maker", to);
    await maker.dockerOk("rm", "maker");
  };
  await commit("busybox", name("base"), `echo '${WORD}' > /word`);
  await commit(name("base"), name("app"), "echo app > /app");
  await commit(name("base"), name("neighbour"), "echo neighbour > /neighbour");
  for (const path of ["app", "neighbour"]) await maker.dockerOk("push", "-q", name(path));
  await bed.end(maker);
}, 180_000);
afterAll(() => bed.close(), 60_000);

interface Layer { readonly ChainId: string; readonly DiffId: string; readonly Snapshot: string; readonly Images: string[] }
const layersOf = async (daemon: Daemon): Promise<Layer[]> => (await daemon.api("GET", "/layers")).json as Layer[];
async function layerOf(daemon: Daemon, image: string, at: number): Promise<Layer> {
  const diffId = ((await daemon.inspect(image, "image")).RootFS.Layers as string[]).at(at)!;
  return (await layersOf(daemon)).find(({ DiffId }) => DiffId === diffId)!;
}
const idOf = async (daemon: Daemon, image: string): Promise<string> => (await daemon.inspect(image, "image")).Id as string;
/** Digest of the manifest that a name came with. */
const manifestOf = async (daemon: Daemon, image: string): Promise<string> => ((await daemon.inspect(image, "image")).RepoDigests as string[])[0]!.split("@")[1]!;

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
const wordOf: Readonly<Record<string, (snapshot: string) => string>> = { overlay2: (id) => `overlay2/${id}/diff/word`, erofs: (id) => `erofs/${id}/layer.tar` };

interface Fault {
  /** As `findingNames` has it. */
  readonly name: string;
  readonly says: RegExp;
  readonly images?: readonly string[];
  /** Repair cannot bring it back. */
  readonly stays?: boolean;
}
/** What is made wrong with a root that holds app, neighbour, a container and a volume. */
async function spoil(daemon: Daemon, driver: string): Promise<Fault[]> {
  const at = (...path: string[]): string => join(daemon.dataRoot, ...path), put = (...path: string[]): void => { mkdirSync(at(...path, ".."), { recursive: true }); writeFileSync(at(...path), "x"); };
  const [app, neighbour] = [await idOf(daemon, name("app")), await idOf(daemon, name("neighbour"))];
  const [word, top] = [await layerOf(daemon, name("app"), -2), await layerOf(daemon, name("app"), -1)];
  const [cut, lost] = [await manifestOf(daemon, name("app")), await manifestOf(daemon, name("neighbour"))];
  const box = await daemon.dockerOk("create", "--name", "bereft", name("neighbour"), "true");
  await daemon.dockerOk("volume", "create", "data");

  const bottom = await layerOf(daemon, name("app"), 0), shown = driver === "erofs" ? flip(at("erofs", bottom.Snapshot, "layer.erofs")) : changeMode(at("overlay2", bottom.Snapshot, "diff"));
  damage(at(wordOf[driver]!(word.Snapshot)), WORD);
  await unmountBelow(at(driver, top.Snapshot));
  rmSync(at(driver, top.Snapshot), { recursive: true });
  truncateSync(at("content/blobs/sha256", cut.slice(7)), 10);
  rmSync(at("content/blobs/sha256", lost.slice(7)));
  rmSync(at("containers", box), { recursive: true });
  rmSync(at("volumes/data/_data"), { recursive: true });
  put(driver, stray(1), "diff", "file");
  put("containers", stray(2), "hosts");
  put("volumes", "nobodys", "_data", "file");
  put("image", driver, "layerdb", "mounts", stray(3), "mount-id");
  put("content/blobs/sha256", stray(4));
  put("content/ingest", stray(5), "data");
  put("trash", "left", "file");
  put("tmp", "left", "file");
  utimesSync(at("tmp/left"), 1000, 1000);
  mkdirSync(at("tmp/mounted"));
  await ok("mount", ["-t", "tmpfs", "none", at("tmp/mounted")]);
  mkdirSync(join(daemon.execRoot, "netns"), { recursive: true });
  writeFileSync(join(daemon.execRoot, "netns", stray(6)), "");
  await ok("unshare", [`--net=${join(daemon.execRoot, "netns", stray(6))}`, "true"]);
  mkdirSync(join(daemon.execRoot, "containers", stray(7), "shm"), { recursive: true });
  await ok("mount", ["-t", "tmpfs", "none", join(daemon.execRoot, "containers", stray(7), "shm")]);
  await bed.netns.ok("ip", ["link", "add", "veth0123abc", "master", await bridgeOf(daemon), "type", "veth", "peer", "name", `p${driver}`]);
  const withRules = which("nft") !== undefined;
  const network = withRules ? await spoilNetwork() : [];
  const ledger = new Database(at("strata.db"), { timeout: 5_000 });
  ledger.pragma("foreign_keys = OFF");
  ledger.exec("INSERT INTO health (container, document) VALUES ('nobody', '{}')");
  ledger.close();

  return [
    { name: `corrupt layer ${word.ChainId}`, says: /digest sha256:[0-9a-f]+/, images: [app, neighbour].sort() },
    { name: `missing layer ${top.ChainId}`, says: new RegExp(`${driver}/${top.Snapshot} is gone`), images: [app] },
    { name: `corrupt blob ${cut}`, says: /has 10 bytes, not \d+/, images: [app] },
    { name: `missing blob ${lost}`, says: /its file is gone/, images: [neighbour] },
    { name: `missing container ${box}`, says: /containers\/.*, with its log, is gone/ },
    { name: "missing volume data", says: /volumes\/data\/_data, .* is gone/, stays: true },
    { name: `orphan snapshot ${driver}/${stray(1)}`, says: /no layer or container/ },
    { name: `orphan container ${stray(2)}`, says: /belongs to no container/ },
    { name: "orphan volume nobodys", says: /belongs to no volume/ },
    { name: `orphan file image/${driver}/layerdb/mounts/${stray(3)}`, says: /no container/ },
    { name: `orphan blob sha256:${stray(4)}`, says: /is no blob's/ },
    { name: `orphan ingest ${stray(5)}`, says: /is no download's/ },
    { name: "orphan file trash/left", says: /nobody is removing it/ },
    { name: "orphan file tmp/left", says: /nobody has written to it since 1970/ },
    { name: "orphan mount tmp/mounted", says: /nobody holds/ },
    { name: `orphan namespace ${stray(6)}`, says: /a network namespace/ },
    { name: `orphan bundle ${stray(7)}`, says: /a bundle/ },
    { name: "orphan interface veth0123abc", says: /no container has its other end/ },
    { name: `corrupt layer ${bottom.ChainId}`, says: shown, images: bottom.Images },
    ...network,
    { name: "inconsistent ledger health.container", says: /1 row of health with nobody, which no container is called/, stays: true },
  ];
}
/** Spoils the index of a layer; what is said then. */
function flip(index: string): RegExp {
  const bytes = readFileSync(index);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(index, bytes);
  return /layer\.erofs is missing, or is not the index that its tar makes/;
}
function changeMode(tree: string): RegExp {
  const [name] = readdirSync(tree), { mode, mtime } = statSync(join(tree, name!));
  chmodSync(join(tree, name!), (mode & 0o777) ^ 0o002);
  utimesSync(join(tree, name!), mtime, new Date(1_000_000));
  return new RegExp(`/${name} has mode .*; /${name} is of 1970-01-01T00:16:40`);
}
/** Leaves in the kernel what is the daemon's by its name or note, and is for nothing; and what looks like it and is somebody else's. */
async function spoilNetwork(): Promise<Fault[]> {
  const { netns } = bed, nobody = stray(8);
  const table = /^table ip (strata_(?!0{8})[0-9a-f]+)$/m.exec(await netns.ok("nft", ["list", "tables"]))![1]!;
  const link = async (called: string, alias: string, ...type: string[]): Promise<void> => { await netns.ok("ip", ["link", "add", called, "type", ...type]); await netns.ok("ip", ["link", "set", called, "alias", alias]); };
  if (!(await netns.ok("ip", ["link"])).includes("br-othersown")) {
    await link("br-othersown", `strata ${nobody} strata_00000000`, "bridge");
    await link("br-formers", `strata ${nobody}`, "bridge");
    await netns.ok("ip", ["link", "add", "docker0", "type", "bridge"]);
    await netns.ok("nft", ["add", "table", "ip", "strata_00000000"]);
  }
  await link("br-nobodys", `strata ${nobody} ${table}`, "bridge");
  await link("vethfedcba9", `strata port ${table}`, "veth", "peer", "name", "vethpeer");
  await netns.ok("nft", ["add", "element", "ip", table, "anywhere", "{ tcp . 8099 : 172.17.0.99 . 80 }"]);
  await netns.ok("nft", ["add", "chain", "ip", table, "in_6e6f626f6479"]);
  await netns.ok("nft", ["add", "element", "ip", table, "bridges", "{ \"nobody0\" }"]);
  await netns.ok("nft", ["add", "element", "ip", table, "subnets", "{ 192.0.2.0/24 }"]);
  await netns.ok("nft", ["insert", "rule", "ip", table, "forward", "counter"]);
  const withIptables = (await netns.run("iptables", ["-w", "-N", `${table.toUpperCase()}-FORWARD`])).code === 0, accept = "FORWARD -i br-gone -m comment --comment strata -j ACCEPT";
  if (withIptables) {
    await netns.ok("iptables", ["-w", "-A", "FORWARD", "-j", `${table.toUpperCase()}-FORWARD`]);
    await netns.ok("iptables", ["-w", "-A", ...accept.split(" ")]);
  }
  return [
    { name: "orphan interface br-nobodys", says: new RegExp(`made for the network ${nobody}`) },
    { name: "orphan interface vethfedcba9", says: /no container has its other end/ },
    { name: "orphan rule ip tcp . 8099", says: /no container has published it/ },
    { name: `orphan rule ip ${table} chain in_6e6f626f6479`, says: /no network has this chain/ },
    { name: `orphan rule ip ${table} bridges nobody0`, says: /is no network's/ },
    { name: `orphan rule ip ${table} subnets 192.0.2.0/24`, says: /is no network's/ },
    { name: `orphan rule ip ${table} chain forward`, says: /it has 3 rules, of which 2 are the daemon's/ },
    ...(withIptables ? [
      { name: `orphan rule iptables filter ${table.toUpperCase()}-FORWARD`, says: /when iptables made the rules/ },
      { name: `orphan rule iptables ${accept}`, says: /a bridge through that is not there/ },
    ] : []),
  ];
}
/** The default network's. */
const bridgeOf = async (daemon: Daemon): Promise<string> => (await daemon.inspect("bridge", "network")).Options["com.docker.network.bridge.name"] as string;

describe.each(["overlay2", "erofs"])("%s", (driver) => {
  it("every fault is found once, in its words, and repaired where it can be; containers on other images never notice", async () => {
    const daemon = await bed.daemon({ storageDriver: driver });
    for (const path of ["app", "neighbour"]) await daemon.dockerOk("pull", "-q", name(path));
    await importBusybox(daemon);
    await daemon.dockerOk("tag", "busybox", "other:1");
    await daemon.dockerOk("run", "-d", "--name", "runs", "-v", "kept:/kept", "other:1", "sh", "-c", "while :; do cat /etc/passwd >/dev/null || exit 5; sleep 0.1; done");
    expect(await checked(daemon, { deep: true })).toMatchObject({ findings: [], unchecked: [] });

    const faults = await spoil(daemon, driver);
    const found = await checked(daemon, { deep: true });
    expect(findingNames(found)).toEqual(faults.map((fault) => fault.name).sort());
    const named = (findings: readonly CheckFinding[]): Map<string, CheckFinding> => new Map(findings.map((f) => [`${f.problem} ${f.kind} ${f.id}`, f]));
    for (const { name: fault, says, images = [] } of faults) {
      const { detail, images: suffer, repaired } = named(found.findings).get(fault)!;
      expect({ fault, detail, suffer: [...suffer].sort(), repaired }).toEqual({ fault, detail: expect.stringMatching(says) as string, suffer: [...images].sort(), repaired: false });
    }

    const mended = await checked(daemon, { deep: true, repair: true });
    expect(Object.fromEntries(mended.findings.map((f) => [`${f.problem} ${f.kind} ${f.id}`, f.repaired]))).toEqual(Object.fromEntries(faults.map((fault) => [fault.name, fault.stays !== true])));
    const stays = faults.filter((fault) => fault.stays === true).map((fault) => fault.name).sort();
    const after = await checked(daemon, { deep: true });
    expect({ left: findingNames(after), unchecked: after.unchecked }).toEqual({ left: stays, unchecked: [] });

    // What was brought back is what it was.
    expect(await daemon.dockerOk("run", "--rm", name("app"), "cat", "/word", "/app")).toBe(`${WORD}\napp`);
    await daemon.dockerOk("start", "-a", "bereft");
    expect(await daemon.inspect("runs")).toMatchObject({ State: { Running: true }, RestartCount: 0 });
    const ledger = new Database(join(daemon.dataRoot, "strata.db"), { timeout: 5_000 });
    ledger.exec("DELETE FROM health WHERE container = 'nobody'");
    ledger.close();
    await daemon.removeContainers();
    for (const volume of ["data", "kept"]) await daemon.dockerOk("volume", "rm", volume);
    await daemon.dockerOk("image", "prune", "-af");
    rmSync(join(daemon.dataRoot, "tmp/mounted"), { recursive: true });
    await emptied(daemon);
    await bed.end(daemon);
  }, 240_000);

  it("without a registry a damaged layer is named with its images, stays, and is mended by whoever brings it again", async () => {
    const daemon = await bed.daemonWithBusybox({ storageDriver: driver });
    await daemon.dockerOk("run", "--name", "maker", "busybox", "sh", "-c", `echo '${WORD}' > /word`);
    await daemon.dockerOk("commit", "maker", "local:1");
    const archive = bed.path(`${driver}-local.tar`);
    await daemon.dockerOk("save", "-o", archive, "local:1");
    const layer = await layerOf(daemon, "local:1", -1);
    damage(join(daemon.dataRoot, wordOf[driver]!(layer.Snapshot)), WORD);
    expect(findingNames(await checked(daemon))).toEqual([]);
    const wanted = { findings: [{ kind: "layer", id: layer.ChainId, problem: "corrupt", images: [await idOf(daemon, "local:1")], repaired: false }] };
    expect(await checked(daemon, { deep: true, repair: true })).toMatchObject(wanted);
    // Once it is known, no reading is needed; a restart does not forget it.
    await daemon.restart();
    expect(await checked(daemon, { repair: true })).toMatchObject(wanted);
    expect(existsSync(join(daemon.dataRoot, driver, layer.Snapshot))).toBe(true);
    await daemon.dockerOk("load", "-i", archive);
    expect(await checked(daemon, { deep: true })).toMatchObject({ findings: [], unchecked: [] });
    expect(await daemon.dockerOk("run", "--rm", "local:1", "cat", "/word")).toBe(WORD);
    await bed.end(daemon);
  }, 120_000);
});

it("finds nothing that is only being made or removed", async () => {
  const daemon = await bed.daemonWithBusybox();
  let over = false, rounds = 0;
  const busy = async (work: (round: number) => Promise<unknown>): Promise<void> => { for (let round = 0; !over; round++) { await work(round); rounds++; } };
  const load = Promise.all([
    busy(async () => { await daemon.dockerOk("pull", "-q", name("app")); await daemon.dockerOk("rmi", name("app")); }),
    busy(() => daemon.dockerOk("run", "--rm", "-v", "/anonymous", "busybox", "sh", "-c", "echo x > /anonymous/x")),
    busy(async (round) => { await daemon.dockerOk("run", "--name", `m${round}`, "busybox", "touch", "/made"); await daemon.dockerOk("commit", `m${round}`, `made:${round}`); await daemon.dockerOk("rm", `m${round}`); await daemon.dockerOk("rmi", `made:${round}`); }),
    busy(async (round) => { await daemon.dockerOk("build", "-q", "-t", "built", "--build-arg", `ROUND=${round}`, await context()); await daemon.dockerOk("image", "prune", "-f"); await daemon.api("POST", "/build/prune", { query: { all: true } }); }),
  ]);
  try {
    for (let time = 0; time < 8; time++) expect({ time, ...await checked(daemon, { deep: time % 2 === 1 }) }).toMatchObject({ findings: [], unchecked: [] });
  } finally {
    over = true;
    await load;
  }
  expect(rounds).toBeGreaterThan(8);
  await bed.end(daemon);
}, 240_000);

let made: string | undefined;
async function context(): Promise<string> {
  if (made === undefined) {
    made = bed.path("context");
    mkdirSync(made);
    writeFileSync(join(made, "Dockerfile"), "FROM busybox\nARG ROUND\nRUN echo $ROUND > /round\nCOPY . /context\n");
    for (let i = 0; i < 20; i++) writeFileSync(join(made, `f${i}`), "x".repeat(10_000));
  }
  return Promise.resolve(made);
}

it("one at a time, ended by its client, by the clock too; its exit code tells", async () => {
  const config = bed.path("scrub.json");
  writeFileSync(config, JSON.stringify({ scrub: { schedule: "0 0 1 1 *", rate: "10m" } }));
  const daemon = await bed.daemonWithBusybox({ flags: ["--config-file", config] });
  const strata = (...args: string[]) => run(process.execPath, [program, "check", ...args], { env: { ...daemon.env(), STRATA_HOST: `unix://${daemon.socket}` } });
  const leave = new AbortController();
  const slow = await open(daemon.socket, "POST", "/graph/check", { json: { deep: true, rate: 1 }, signal: leave.signal });
  slow.on("error", () => undefined);
  expect(await daemon.api("POST", "/graph/check", { json: {} })).toMatchObject({ status: 409, json: { message: expect.stringContaining("already running") as string } });
  expect(await strata()).toMatchObject({ code: 1, stderr: expect.stringContaining("a check is already running") as string });
  leave.abort();
  await until(async () => (await daemon.api("POST", "/graph/check", { json: {} })).status === 200 || undefined, 20_000, "the first check to have ended");
  expect(await daemon.api("POST", "/graph/check", { json: { rate: -1 } })).toMatchObject({ status: 400, json: { message: expect.stringContaining("rate") as string } });

  expect(await strata("--deep")).toMatchObject({ code: 0, stdout: expect.stringMatching(/: nothing is wrong\.\n$/) as string, stderr: "" });
  mkdirSync(join(daemon.dataRoot, "containers", stray(1)));
  expect(await strata()).toMatchObject({ code: 1, stdout: expect.stringMatching(new RegExp(`^orphan container ${stray(1)}: .*\nChecked in .*: 1 finding\\.\n$`)) as string });
  expect(await strata("--repair")).toMatchObject({ code: 0, stdout: expect.stringMatching(/^repaired: orphan container .*\nChecked in .*: 1 finding, 1 repaired\.\n$/) as string });

  const since = Math.floor(Date.now() / 1000);
  writeFileSync(config, JSON.stringify({ scrub: { schedule: "* * * * * *", deep: false } }));
  process.kill(daemon.pid, "SIGHUP");
  const scheduled = await until(async () => ((await daemon.api("GET", "/graph/check")).json as { scheduled: boolean }[]).find((r) => r.scheduled), 30_000, "a scheduled check");
  expect(scheduled).toMatchObject({ deep: false, repair: false, found: 0, findings: [], unchecked: [] });
  writeFileSync(config, "{}");
  process.kill(daemon.pid, "SIGHUP");
  expect(await daemon.dockerOk("events", "--since", String(since), "--until", String(Math.ceil(Date.now() / 1000)), "-f", "event=check", "--format", "{{.Type}} {{.Actor.Attributes.found}}")).toMatch(/^daemon 0$/m);
  expect(readdirSync(join(daemon.dataRoot, "trash"))).toEqual([]);
  await bed.end(daemon);

  writeFileSync(config, JSON.stringify({ scrub: { schedule: "every day" } }));
  const refused = bed.prepare({ flags: ["--config-file", config] });
  await expect(refused.start()).rejects.toThrow(/scrub: schedule: "every day" is not a cron expression/);
}, 120_000);
