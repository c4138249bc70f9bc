import { mkdirSync, writeFileSync } from "node:fs";
import { type Daemon, type DriverName, type TestBed, daemonNeeds, disagreements, emptied, importBusybox, needsDrivers, ok, setUp, sleep, tarOf, until } from "../helpers/index.js";

let bed: TestBed;
setUp((made) => { bed = made; });

interface Layer { readonly DiffId: string; readonly Driver: string; readonly Copies: readonly { readonly Driver: string }[]; readonly Parent: string | null }
const layersOf = async (daemon: Daemon): Promise<readonly Layer[]> => (await daemon.api("GET", "/layers")).json as Layer[];
const diffIdsOf = async (daemon: Daemon, image: string): Promise<string[]> => (await daemon.inspect(image, "image")).RootFS.Layers as string[];
const driverOf = async (daemon: Daemon, name: string, type = "container"): Promise<string> => (await daemon.inspect(name, type)).GraphDriver.Name as string;
const diffOf = async (daemon: Daemon, container: string): Promise<string[]> => (await daemon.dockerOk("diff", container)).split("\n").sort();

/** A small root file system that no other image has. */
async function fresh(daemon: Daemon, name: string): Promise<void> {
  const folder = bed.path(`fresh-${name.replace(/\W/g, "-")}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/${name.replace(/\W/g, "-")}`, name);
  await tarOf(folder, `${folder}.tar`);
  await daemon.dockerOk("import", `${folder}.tar`, name);
}

/** Each driver is once the former and once the later one. */
const pairs: readonly (readonly [DriverName, DriverName])[] = [
  ["overlay2", "vfs"], ["vfs", "erofs"], ["erofs", "fuse-overlayfs"], ["fuse-overlayfs", "aufs"], ["aufs", "overlay"], ["overlay", "btrfs"], ["btrfs", "overlay2"], ["overlay2", "zfs"], ["zfs", "overlay2"], ["overlay2", "erofs"],
];

for (const [former, later] of pairs) {
  needsDrivers([former, later], ...daemonNeeds, "docker")(`what ${former} stored stays whole and in use under ${later}, and goes without a trace`, async () => {
    const daemon = await bed.prepareFor([former, later]);
    await daemon.start();
    await importBusybox(daemon);
    await daemon.docker(["run", "--name", "ended", "busybox", "sh", "-c", "echo written > /note; rm /bin/yes; mkdir /etc/new; exit 3"]);
    await daemon.dockerOk("commit", "ended", "noted:1");
    await daemon.dockerOk("run", "-d", "--name", "goes-on", "noted:1", "sh", "-c", "echo first > /began; exec sleep 1000");
    const before = { diff: await diffOf(daemon, "ended"), layers: await diffIdsOf(daemon, "noted:1"), pid: (await daemon.inspect("goes-on")).State.Pid as number };
    expect(before.diff).toEqual(expect.arrayContaining(["A /note", "D /bin/yes", "A /etc/new"]));

    await daemon.restart({ storageDriver: later });
    const info = (await daemon.api("GET", "/info")).json as { Driver: string; DriverStatus: [string, string][]; Containers: number; Images: number; Warnings: string[] };
    expect(info).toMatchObject({ Driver: later, Containers: 2, Images: 2 });
    expect(info.DriverStatus).toContainEqual(["Former Drivers", former]);
    expect((info.Warnings ?? []).filter((line) => line.includes("storage driver"))).toEqual([]);

    // Listed, inspected, compared.
    expect((await daemon.dockerOk("images", "--format", "{{.Repository}}")).split("\n").sort()).toEqual(["busybox", "noted"]);
    expect((await daemon.dockerOk("ps", "-a", "--format", "{{.Names}}")).split("\n").sort()).toEqual(["ended", "goes-on"]);
    for (const [name, type] of [["noted:1", "image"], ["ended", "container"], ["goes-on", "container"]] as const) expect(await driverOf(daemon, name, type)).toBe(former);
    expect((await daemon.inspect("ended")).Driver).toBe(former);
    expect(await diffOf(daemon, "ended")).toEqual(before.diff);
    expect(await diffIdsOf(daemon, "noted:1")).toEqual(before.layers);

    // Run on, started again, run anew: children of what lies on the former driver lie there, too.
    expect((await daemon.inspect("goes-on")).State).toMatchObject({ Status: "running", Pid: before.pid });
    expect(await daemon.dockerOk("exec", "goes-on", "sh", "-c", "echo second >> /began; cat /note /began")).toBe("written\nfirst\nsecond");
    expect((await daemon.docker(["start", "-a", "ended"])).code).toBe(3);
    expect(await daemon.dockerOk("run", "--name", "new", "noted:1", "sh", "-c", "cat /note; ls /bin/yes 2>&1; echo more > /more")).toBe("written\nls: /bin/yes: No such file or directory");
    expect(await driverOf(daemon, "new")).toBe(former);
    await daemon.dockerOk("commit", "goes-on", "began:1");
    expect(await driverOf(daemon, "began:1", "image")).toBe(former);
    await daemon.dockerOk("export", "-o", bed.path("exported.tar"), "ended");
    expect(await ok("tar", ["-xOf", bed.path("exported.tar"), "note"])).toBe("written");

    // Saved, it is what it was.
    const archive = bed.path(`saved-${former}-${later}.tar`);
    await daemon.dockerOk("save", "-o", archive, "noted:1");
    await ok("tar", ["-tf", archive]);

    // What is new lies on the new driver; the same content again lies on both.
    await fresh(daemon, "fresh:1");
    expect(await driverOf(daemon, "fresh:1", "image")).toBe(later);
    const count = (await layersOf(daemon)).length;
    await importBusybox(daemon);
    const twice = (await layersOf(daemon)).filter(({ Copies }) => Copies.length > 1);
    expect(twice).toMatchObject([{ DiffId: before.layers[0], Driver: later, Copies: [{ Driver: later }, { Driver: former }] }]);
    expect(await layersOf(daemon)).toHaveLength(count);
    await daemon.dockerOk("run", "--name", "on-the-later", "busybox", "sh", "-c", "echo x > /x; rm -r /home");
    expect(await driverOf(daemon, "on-the-later")).toBe(later);
    expect(await driverOf(daemon, "noted:1", "image")).toBe(former);
    await daemon.dockerOk("commit", "on-the-later", "later:1");
    expect(await driverOf(daemon, "later:1", "image")).toBe(later);
    expect(await disagreements(daemon)).toEqual([]);

    // A crash in the middle of a change, and the way back.
    const importing = daemon.docker(["import", archive, "broken-off:1"]);
    await sleep(60);
    await daemon.kill9();
    await importing;
    daemon.change({ storageDriver: former });
    await daemon.start();
    await until(async () => (await disagreements(daemon)).length === 0 || undefined, 10_000, "ledger and disk to agree").catch(() => undefined);
    expect(await disagreements(daemon)).toEqual([]);
    expect((await daemon.inspect("goes-on")).State).toMatchObject({ Status: "running", Pid: before.pid });
    expect(await driverOf(daemon, "busybox", "image")).toBe(former);
    expect(await daemon.dockerOk("run", "--rm", "later:1", "cat", "/x")).toBe("x");
    expect(await diffOf(daemon, "on-the-later")).toEqual(expect.arrayContaining(["A /x", "D /home"]));

    // Gone, with the same images come back from the archive to where new ones go.
    const left = (await daemon.dockerOk("ps", "-aq")).split("\n");
    await daemon.dockerOk("rm", "-f", ...left);
    await daemon.dockerOk("rmi", "-f", ...new Set((await daemon.dockerOk("images", "-aq")).split("\n")));
    await emptied(daemon);
    await daemon.dockerOk("load", "-i", archive);
    expect([await diffIdsOf(daemon, "noted:1"), await driverOf(daemon, "noted:1", "image")]).toEqual([before.layers, former]);
    await daemon.dockerOk("rmi", "noted:1");
    await emptied(daemon);
    await bed.end(daemon);
  }, 300_000);
}

needsDrivers(["vfs", "overlay2"], ...daemonNeeds, "docker")("SIGHUP with another driver in the configuration file changes nothing until the next start", async () => {
  const file = bed.path("daemon.json");
  const write = (driver: string, label: string): void => writeFileSync(file, JSON.stringify({ "storage-driver": driver, labels: [label] }));
  write("vfs", "before=1");
  const daemon = await bed.daemon({ flags: ["--config-file", file] });
  const infoOf = async (): Promise<{ Driver: string; Labels: string[] }> => (await daemon.api("GET", "/info")).json as { Driver: string; Labels: string[] };
  write("overlay2", "after=1");
  process.kill(daemon.pid, "SIGHUP");
  await until(async () => (await infoOf()).Labels.includes("after=1") || undefined, 10_000, "the new labels");
  expect((await infoOf()).Driver).toBe("vfs");
  await fresh(daemon, "reloaded:1");
  expect(await driverOf(daemon, "reloaded:1", "image")).toBe("vfs");
  await daemon.restart();
  expect((await infoOf()).Driver).toBe("overlay2");
  expect(await driverOf(daemon, "reloaded:1", "image")).toBe("vfs");
  await bed.end(daemon);
});

needsDrivers(["fuse-overlayfs", "overlay2"], ...daemonNeeds, "docker")("layers of a driver that does not work any more are kept, and named when they are asked for", async () => {
  const daemon = await bed.prepareFor(["fuse-overlayfs", "overlay2"]);
  await daemon.start();
  await importBusybox(daemon);
  await daemon.dockerOk("run", "--name", "ended", "busybox", "sh", "-c", "echo x > /x");
  await daemon.dockerOk("run", "--name", "removed", "busybox", "true");
  await daemon.dockerOk("run", "-d", "--name", "goes-on", "busybox", "sleep", "1000");
  await fresh(daemon, "unused:1");

  // For this daemon alone the program is not there any more.
  const without = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", `mount --bind /dev/null ${await ok("sh", ["-c", "command -v fuse-overlayfs"])} && exec "$@"`, "sh"];
  await daemon.restart({ storageDriver: "overlay2", wrap: without });
  const why = /the storage driver fuse-overlayfs, on which this lies, does not work here: .*fuse-overlayfs/;
  expect((await daemon.docker(["info"])).stderr).toMatch(/WARNING: the storage driver fuse-overlayfs, which holds layers, does not work here: /);
  expect((await daemon.dockerOk("images", "--format", "{{.Repository}}")).split("\n").sort()).toEqual(["busybox", "unused"]);
  expect((await daemon.dockerOk("ps", "-as", "--format", "{{.Names}}")).split("\n").sort()).toEqual(["ended", "goes-on", "removed"]);
  await daemon.dockerOk("system", "df", "-v");
  expect(await driverOf(daemon, "ended")).toBe("fuse-overlayfs");
  for (const command of [["run", "--rm", "busybox", "true"], ["diff", "ended"], ["start", "ended"], ["commit", "ended", "x"], ["save", "busybox", "-o", bed.path("x.tar")]]) {
    const { code, stderr } = await daemon.docker(command);
    expect({ command, failed: code !== 0, stderr }).toEqual({ command, failed: true, stderr: expect.stringMatching(why) });
  }
  expect((await daemon.api("GET", "/containers/ended/changes")).status).toBe(503);

  // What ran goes on; what is removed is removed as soon as the driver works again; the rest is as it was.
  expect(await daemon.dockerOk("exec", "goes-on", "echo", "alive")).toBe("alive");
  await daemon.dockerOk("rm", "removed");
  await daemon.dockerOk("rmi", "unused:1");
  await fresh(daemon, "other:1");
  expect(await driverOf(daemon, "other:1", "image")).toBe("overlay2");
  await daemon.restart({ wrap: [] });
  await until(async () => (await disagreements(daemon)).length === 0 || undefined, 10_000, "ledger and disk to agree").catch(() => undefined);
  expect(await disagreements(daemon)).toEqual([]);
  expect(await diffOf(daemon, "ended")).toEqual(expect.arrayContaining(["A /x"]));
  await daemon.dockerOk("run", "--rm", "busybox", "true");
  await daemon.dockerOk("rm", "-f", "ended", "goes-on");
  await daemon.dockerOk("rmi", "busybox", "other:1");
  await emptied(daemon);
  await bed.end(daemon);
}, 300_000);
