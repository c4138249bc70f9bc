import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type Daemon, type Member, type Registry, type TestBed, busyboxTar, daemonNeeds, driverNames, emptied, needsDrivers, ok, setUp, tarOfMembers, unmet } from "../helpers/index.js";

const sha256 = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A file of 5 MB that is a hole but for its end, as GNU tar packs it. */
async function sparse(folder: string): Promise<Buffer> {
  await ok("sh", ["-c", "mkdir -p s/t && truncate -s 5M s/t/hole && printf end >> s/t/hole && touch -d @1000000000 s/t/hole && tar -b1 --sparse --format=gnu --owner=0 --group=0 --numeric-owner -C s -cf s.tar t/hole"], { cwd: folder });
  return readFileSync(`${folder}/s.tar`).subarray(0, -1024);
}

/** What tars, file systems and unions find hard. */
async function trickyLayers(folder: string): Promise<Buffer[]> {
  const deep = `t/${Array.from({ length: 6 }, (_, i) => `${"d".repeat(59)}${i}`).join("/")}`;
  const parents = deep.split("/").slice(1).map((_, i, all) => ({ name: `t/${all.slice(0, i + 1).join("/")}/` }));
  const filled: Member[] = [
    { name: "t/", mtime: "1000000001.5" }, { name: "t/a", data: "a\n", mtime: "1000000000.123456789" }, { name: "t/hard", type: "hardlink", link: "t/a" },
    { name: "t/soft", type: "symlink", link: "../nowhere", mode: 0o777 }, { name: "t/suid", data: "#!/bin/sh\n", mode: 0o4755 }, { name: "t/sticky/", mode: 0o1777 },
    { name: "t/null", type: "char", device: [1, 3], mode: 0o666 }, { name: "t/disk", type: "block", device: [7, 0], mode: 0o660 }, { name: "t/pipe", type: "fifo" },
    { name: "t/cap", data: "cap\n", mode: 0o755, xattrs: { "security.capability": Buffer.from("0100000200040000000000000000000000000000", "hex") } },
    { name: "t/cap-only-read", data: "cap\n", mode: 0o755, xattrs: { "security.capability": Buffer.from("0100000200040000000000000000000000000000", "hex") } },
    { name: "t/far", data: "x", uid: 1_234_567, gid: 654_321 }, { name: "t/with spaces and ünïcödé ☃", data: "u" }, { name: `t/${"n".repeat(200)}`, data: "long" },
    ...parents, { name: `${deep}/end`, data: "deep" }, { name: "t/big", data: Buffer.alloc(2_000_001, "0123456789abcdef") }, { name: "t/empty" },
    { name: "d/" }, { name: "d/keep", data: "k" }, { name: "d/gone", data: "g" }, { name: "d/sub/" }, { name: "d/sub/x", data: "x" }, { name: "d/sub/y", data: "y" },
    { name: "o/" }, { name: "o/old", data: "old" }, { name: "o/old-dir/" }, { name: "o/old-dir/z", data: "z" },
    { name: "file-to-dir", data: "f" }, { name: "dir-to-file/" }, { name: "dir-to-file/child", data: "c" }, { name: "link-to-dir", type: "symlink", link: "d" }, { name: "whole/" }, { name: "whole/w", data: "w" },
  ];
  const changed: Member[] = [
    { name: "t/", mode: 0o711, mtime: "1000000002" }, { name: "t/suid", data: "#!/bin/sh\n", mode: 0o755 },
    { name: "d/.wh.gone" }, { name: "d/sub/" }, { name: "d/sub/.wh.x" }, { name: "o/" }, { name: "o/.wh..wh..opq" }, { name: "o/new", data: "new" }, { name: ".wh.whole" },
    { name: "file-to-dir/" }, { name: "file-to-dir/inside", data: "i" }, { name: "dir-to-file", data: "now a file" }, { name: "link-to-dir/" }, { name: "link-to-dir/own", data: "own" },
  ];
  return [readFileSync(await busyboxTar()), tarOfMembers([...filled, { raw: await sparse(folder) }]), tarOfMembers(changed)];
}

/** What `docker load` takes. */
function archiveOf(layers: readonly Buffer[], tag: string): Buffer {
  const config = JSON.stringify({
    architecture: "amd64", os: "linux", created: "2020-01-01T00:00:00Z", config: { Cmd: ["sh"], Env: ["PATH=/bin"] }, rootfs: { type: "layers", diff_ids: layers.map(sha256) },
    history: layers.map((_, i) => ({ created: "2020-01-01T00:00:00Z", created_by: `step ${i}` })),
  });
  const manifest = JSON.stringify([{ Config: "config.json", RepoTags: [tag], Layers: layers.map((_, i) => `${i}.tar`) }]);
  return tarOfMembers([{ name: "manifest.json", data: manifest }, { name: "config.json", data: config }, ...layers.map((data, i) => ({ name: `${i}.tar`, data }))]);
}

const TREE = 'cd /; find t d o file-to-dir dir-to-file link-to-dir whole 2>/dev/null | sort | while read -r f; do if [ -d "$f" ] && [ ! -L "$f" ]; then stat -c "%n|%f|%u|%g|%Y" "$f"; else stat -c "%n|%f|%u|%g|%s|%Y|%t:%T" "$f"; fi; done; [ t/a -ef t/hard ] && echo linked; md5sum t/big t/hole t/hard "t/with spaces and ünïcödé ☃"';
/** Each kind of change; then all that changed gets a time of its own, so that what is committed is the same whenever it is made. */
const CHANGES = [
  "echo new > /t/new", "rm /t/soft", "echo more >> /t/big", "chmod 4711 /t/suid", "touch -d '2003-04-05 06:07:08' /t/cap", "chown 5:6 /t/far", "rm -r /d/sub",
  "mv /d/keep /d/kept", "rm -r /file-to-dir", "echo f > /file-to-dir", "mv /o /o2", "mkdir -p /n/e/w", "ln -s x /n/link", "mknod /n/null c 1 3", "mkfifo /n/pipe",
  "ln /t/new /n/hard", "chmod 700 /link-to-dir", "rm /t/empty", "echo again > /t/empty", "mkdir /whole", "touch /n/ends", "rm /n/ends", "rm -r /home",
  "touch -h -d '2020-02-02 02:02:02' /n/link", "touch -d '2020-02-02 02:02:02' /t/new /t/big /d /file-to-dir /n/e/w /n/e /n/null /n/pipe /n /t/empty /t /whole /o2 /",
].join(" && ");
const DIFF = [
  "A /d/kept", "A /n", "A /n/e", "A /n/e/w", "A /n/hard", "A /n/link", "A /n/null", "A /n/pipe", "A /o2", "A /o2/new", "A /t/new", "A /whole",
  "C /d", "C /file-to-dir", "C /link-to-dir", "C /t", "C /t/big", "C /t/cap", "C /t/empty", "C /t/far", "C /t/suid", "D /d/keep", "D /d/sub", "D /home", "D /o", "D /t/soft",
];
/** Directories that are made anew in the place of others: what stacks layers marks them opaque, what compares trees lists what is gone. Users see the same. */
const REMADE = "rm -r /d/sub && mkdir /d/sub && echo z > /d/sub/z && rm /dir-to-file && mkdir /dir-to-file && rm -r /o && mkdir /o && touch -d '2020-02-02 02:02:02' /d/sub/z /d/sub /d /dir-to-file /o /";
const DIFF_REMADE = ["A /d/sub/z", "C /d", "C /d/sub", "C /dir-to-file", "C /o", "D /d/sub/y", "D /o/new"];

/** All that is the same on every driver. */
interface Facts {
  readonly layers: readonly string[];
  readonly tree: string;
  readonly diff: readonly string[];
  readonly diffRemade: readonly string[];
  readonly treeRemade: string;
  readonly committed: readonly string[];
  readonly treeOfCommitted: string;
  /** Digests in the pushed manifest, and of what they unpack to. */
  readonly pushed: readonly { readonly packed: string; readonly plain: string }[];
  readonly saved: string;
  /** What comes out of a container by `docker cp`, and its changes after something went in. */
  readonly copied: readonly string[];
}

let bed: TestBed, source: Registry, target: Registry;
let layers: readonly Buffer[], reference: Facts;
const ready = unmet([...daemonNeeds, "docker", "registry", "curl"]) === undefined;
setUp(async (made) => {
  bed = made;
  if (!ready) return;
  [source, target] = [await bed.registry(), await bed.registry()];
  layers = await trickyLayers(bed.folder);
  writeFileSync(bed.path("tricky.tar"), archiveOf(layers, source.name("tricky:1")));
  const daemon = await bed.daemon({ storageDriver: "vfs" });
  await daemon.dockerOk("load", "-i", bed.path("tricky.tar"));
  await daemon.dockerOk("push", source.name("tricky:1"));
  await daemon.dockerOk("rmi", source.name("tricky:1"));
  reference = await factsOf(daemon, "reference");
  await bed.end(daemon);
}, 300_000);

/** Pulls, runs, compares, commits and pushes to a registry that has nothing of it. */
async function factsOf(daemon: Daemon, name: string): Promise<Facts> {
  const image = source.name("tricky:1"), committed = target.name(`${name}:1`);
  const layersOf = async (of: string): Promise<string[]> => (await daemon.inspect(of, "image")).RootFS.Layers as string[];
  await daemon.dockerOk("pull", image);
  const treeOf = (of: string): Promise<string> => daemon.dockerOk("run", "--rm", "--network", "none", of, "sh", "-c", TREE);
  const tree = await treeOf(image);
  await daemon.dockerOk("run", "--name", "changed", "--network", "none", image, "sh", "-c", CHANGES);
  await daemon.dockerOk("run", "--name", "remade", "--network", "none", image, "sh", "-c", REMADE);
  await daemon.dockerOk("commit", "remade", "remade:1");
  await daemon.dockerOk("commit", "changed", committed);
  await daemon.dockerOk("push", committed);
  await daemon.dockerOk("save", "-o", bed.path(`${name}.tar`), image);
  const diffOf = async (container: string): Promise<string[]> => (await daemon.dockerOk("diff", container)).split("\n").sort();
  const facts = {
    layers: await layersOf(image), tree, diff: await diffOf("changed"), diffRemade: await diffOf("remade"), treeRemade: await treeOf("remade:1"), committed: await layersOf(committed), treeOfCommitted: await treeOf(committed), pushed: await pushedLayers(name),
    saved: sha256(readFileSync(bed.path(`${name}.tar`))), copied: await copies(daemon, image),
  };
  await daemon.dockerOk("rm", "changed", "remade");
  await daemon.dockerOk("rmi", image, committed, "remade:1");
  await emptied(daemon);
  return facts;
}

async function copies(daemon: Daemon, image: string): Promise<string[]> {
  const id = await daemon.dockerOk("create", "--network", "none", image);
  const out = await daemon.api("GET", `/containers/${id}/archive`, { query: { path: "/t" } });
  expect([out.status, out.text.length > 2_000_000]).toEqual([200, true]);
  expect((await daemon.api("PUT", `/containers/${id}/archive`, { query: { path: "/link-to-dir/../d" }, body: tarOfMembers([{ name: "put/" }, { name: "put/f", data: "put" }]) })).status).toBe(200);
  const diff = (await daemon.dockerOk("diff", id)).split("\n").sort();
  await daemon.dockerOk("rm", id);
  return [sha256(Buffer.from(out.text)), ...diff];
}

async function pushedLayers(name: string): Promise<{ packed: string; plain: string }[]> {
  const fetch = (path: string, file: string): Promise<string> => bed.netns.ok("curl", ["-sSf", "-H", "Accept: application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json", "-o", bed.path(file), `http://${target.address}/v2/${name}/${path}`]);
  await fetch("manifests/1", "manifest");
  const { layers } = JSON.parse(readFileSync(bed.path("manifest"), "utf8")) as { layers: { digest: string }[] };
  const all = [];
  for (const { digest } of layers) {
    await fetch(`blobs/${digest}`, "blob");
    const packed = readFileSync(bed.path("blob"));
    all.push({ packed: sha256(packed), plain: sha256(gunzipSync(packed)) });
    expect(sha256(packed)).toBe(digest);
  }
  return all;
}

for (const driver of driverNames) {
  needsDrivers([driver], ...daemonNeeds, "docker", "registry", "curl")(`the same image on ${driver} has the same diff IDs, the same tree, the same docker diff, and is pushed and saved as the same bytes`, async () => {
    const daemon = await bed.prepareFor([driver]);
    await daemon.start();
    const facts = await factsOf(daemon, driver);
    expect(facts.layers).toEqual(layers.map(sha256));
    expect([facts.diff, facts.diffRemade]).toEqual([DIFF, DIFF_REMADE]);
    expect(facts.pushed.map(({ plain }) => plain)).toEqual(facts.committed);
    expect(facts.copied.slice(1)).toEqual(["A /d/put", "A /d/put/f", "C /d"]);
    expect(facts).toEqual(reference);
    await bed.end(daemon);
  }, 180_000);
}
