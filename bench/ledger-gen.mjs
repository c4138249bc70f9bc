// node bench/ledger-gen.mjs DATA-ROOT [LAYERS [IMAGES [CONTAINERS]]] - writes a ledger for a daemon that does not run, as years of
// use would leave it: bases that many images share, images of 5 to 20 layers with their history, tags, manifests, stopped containers,
// volumes, records of builds, layers that nothing refers to. All is at rest: every figure was measured. Rows only; of volumes and of
// containers' own layers the directories, too. The same seed gives the same ledger.
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const DRIVER = "overlay2", DAY = 24 * 3_600_000, KB = 1024;

/** mulberry32 */
function random(seed) {
  return (n) => {
    let t = (seed += 0x6d2b79f5);
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}
const hex = (text) => createHash("sha256").update(text).digest("hex");
const digest = (text) => `sha256:${hex(text)}`;

/**
 * `tags`: so many more on each of the ten newest images. `dead`: layers that nothing refers to, in chains of four.
 * Returns names of things to ask for.
 */
export function generate(dataRoot, { layers = 100_000, images = layers / 5, containers = layers / 20, tags = 0, dead = 0, seed = 1 } = {}) {
  const { Ledger } = require(fileURLToPath(new URL("../packages/daemon/dist/db/ledger.js", import.meta.url)));
  mkdirSync(dataRoot, { recursive: true });
  const ledger = Ledger.open(join(dataRoot, "strata.db"));
  const known = ledger.transaction(() => fill(ledger, dataRoot, { layers, images, containers, tags, dead }, random(seed)));
  ledger.close();
  // What is asked for its size is walked.
  for (const { id } of known.boxes) mkdirSync(join(dataRoot, DRIVER, id, "diff", "var", "log"), { recursive: true });
  return known;
}

function fill(ledger, dataRoot, { layers, images, containers, tags, dead }, roll) {
  const now = Date.now(), ago = (days) => now - roll(days * DAY);
  const insert = (table, columns) => {
    const statement = ledger.sql(`INSERT INTO ${table} (${columns}) VALUES (${columns.split(",").map(() => "?").join(",")})`);
    return (...values) => statement.run(...values);
  };
  const addLayer = insert("layer", "chain_id,diff_id,parent,size,tar_size,created_at,last_used_at");
  const addSnapshot = insert("snapshot", "id,driver,kind,state,chain,bytes,inodes,created_at,tree_size,measured_at,stale");
  const addImage = insert("image", "id,top,parent,size,created_at,labels,stored_at,last_used_at,last_tagged_at");
  const addConfig = insert("image_config", "image,config"), addImageLayer = insert("image_layer", "chain,image");
  const addReference = insert("reference", "name,image,digest,created_at"), addManifest = insert("image_manifest", "image,digest");
  const addBlob = insert("blob", "digest,media_type,size,created_at"), addSource = insert("packed_source", "diff_id,digest,repository,size,media_type");
  const addContainer = insert("container", "id,name,image,created_at,driver,revision,status,pid,exit_code,error,oom_killed,started_at,finished_at,stopped_by_user,restart_count,document");
  const addWritable = insert("writable", "owner,snapshot,init,parent,volatile");
  const addFiles = insert("container_usage", "container,bytes,inodes,log_bytes,log_inodes,measured_at,stale");
  const addVolume = insert("volume", "name,driver,anonymous,labels,options,created_at,last_used_at,bytes,inodes,size,measured_at,stale"), addUse = insert("volume_use", "volume,owner");
  const addRecord = insert("build_record", "key,parent,config,top,description,size,created_at,last_used_at,uses");

  let made = 0;
  /** `chain`: layers from the bottom, each with the size of all up to it. */
  function grow(chain, repository) {
    const n = made++, parent = chain.at(-1), size = 2 ** roll(14) * KB + roll(4 * KB);
    const diffId = digest(`diff ${n}`), chainId = digest(`chain ${n}`);
    addLayer(chainId, diffId, parent?.chainId ?? null, size, size + 10 * KB, ago(700), ago(300));
    addSnapshot(hex(`snapshot ${n}`), DRIVER, "layer", "committed", chainId, size + 8 * KB, 1 + roll(200), ago(700), size, now, 0);
    if (repository !== undefined) addSource(diffId, digest(`packed ${n}`), repository, size >> 1, "application/vnd.oci.image.layer.v1.tar+gzip");
    return [...chain, { chainId, diffId, total: (parent?.total ?? 0) + size }];
  }
  function growBy(chain, count, repository) {
    for (let i = 0; i < count; i++) chain = grow(chain, repository);
    return chain;
  }

  const baseCount = Math.max(2, Math.round(images / 100)), middleCount = Math.max(4, Math.round(images / 20));
  const bases = Array.from({ length: baseCount }, (_, i) => growBy([], 1 + roll(5), `docker.io/library/base${i}`));
  const middles = Array.from({ length: middleCount }, () => growBy(bases[roll(baseCount)], 3 + roll(4)));
  const all = [];
  for (let i = 0; i < images; i++) {
    const pulled = roll(2) === 0, repository = `registry.example.com/team${roll(40)}/app${i >> 4}`;
    const left = layers - dead - made, own = i === images - 1 ? left : Math.min(left, Math.round((left / (images - i)) * (0.5 + roll(1000) / 1000)));
    const chain = growBy(middles[roll(middleCount)], own, pulled ? repository : undefined);
    const created = ago(700), id = digest(`image ${i}`), labels = roll(3) === 0 ? {} : { "org.opencontainers.image.source": `https://git.example.com/app${i >> 4}`, "com.example.team": `team${roll(40)}` };
    addImage(id, chain.at(-1).chainId, null, chain.at(-1).total, created, JSON.stringify(labels), created, ago(90), created);
    addConfig(id, Buffer.from(JSON.stringify(config(chain, created, labels))));
    for (const { chainId } of chain) addImageLayer(chainId, id);
    // One in twenty lost its name to a newer one.
    const names = roll(20) === 0 ? [] : [`${repository}:v${i}`, ...(roll(4) === 0 ? [`${repository}:latest-${i}`] : [])];
    if (i >= images - 10) for (let t = 0; t < tags; t++) names.push(`${repository}:build-${i}-${t}`);
    for (const name of names) addReference(name, id, null, created);
    if (pulled) {
      const manifest = digest(`manifest ${i}`);
      addBlob(manifest, "application/vnd.oci.image.manifest.v1+json", 1500, created);
      addManifest(id, manifest);
      addReference(`${repository}@${manifest}`, id, manifest, created);
    } else if (roll(2) === 0) {
      const step = chain.at(-1 - roll(Math.min(3, chain.length)));
      addRecord(hex(`record ${i}`), null, Buffer.from("{}"), step.chainId, "RUN make", 1000, created, ago(90), roll(20));
    }
    all.push({ id, top: chain.at(-1).chainId, name: names[0], chain });
  }
  for (let i = 0; i < dead; i += 4) growBy([], Math.min(4, dead - i));

  const boxes = [], used = new Set();
  for (let i = 0; i < containers; i++) {
    const image = all[roll(all.length)], id = hex(`container ${i}`), created = ago(60), name = `box-${i}`, parent = image.top, written = 2 ** roll(12);
    used.add(image.id);
    addContainer(id, name, image.id, created, DRIVER, i + 1, "exited", 0, roll(4) === 0 ? 1 : 0, "", 0, created + 500, created + 500 + roll(DAY), null, 0, JSON.stringify(document(image, id, i)));
    addSnapshot(`${id}-init`, DRIVER, "init", "committed", null, 8 * KB, 8, created, KB, now, 0);
    addSnapshot(id, DRIVER, "writable", "committed", null, (written + 4) * KB, 1 + roll(50), created, written * KB, now, 0);
    addFiles(id, 24 * KB, 8, 2 ** roll(10) * KB, 1, now, 0);
    addWritable(id, id, `${id}-init`, parent, 0);
    if (i % 3 === 0) {
      const volume = i % 2 === 0 ? hex(`volume ${i}`) : `data-${i}`;
      mkdirSync(join(dataRoot, "volumes", volume, "_data"), { recursive: true });
      addVolume(volume, "local", i % 2 === 0 ? 1 : 0, "{}", "{}", created, created, 2 ** roll(14) * KB, 1 + roll(90), 2 ** roll(14) * KB, Date.now() + 1000, 0);
      addUse(volume, id);
    }
    boxes.push({ id, name });
  }
  return { layers: made, images: all.length, containers: boxes.length, boxes, image: all.findLast(({ id, name }) => name !== undefined && !used.has(id)), container: boxes.at(-1), layer: all[0].top };
}

function config(chain, created, labels) {
  const at = new Date(created).toISOString();
  return {
    architecture: "amd64", os: "linux", created: at,
    config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"], Cmd: ["/app/server"], WorkingDir: "/app", Labels: labels, ExposedPorts: { "8080/tcp": {} } },
    rootfs: { type: "layers", diff_ids: chain.map(({ diffId }) => diffId) },
    history: chain.flatMap((_, i) => [{ created: at, created_by: `/bin/sh -c make step-${i} && make install # and what else a step may say` }, { created: at, created_by: "/bin/sh -c #(nop)  ENV A=b", empty_layer: true }]),
  };
}

function document(image, id, i) {
  return {
    imageName: image.name ?? image.id, path: "/app/server", args: ["--port", "8080"],
    config: { Hostname: id.slice(0, 12), Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", `SHARD=${i}`], Cmd: ["/app/server"], Image: image.name ?? image.id, WorkingDir: "/app", Labels: { "com.example.job": `job${i % 100}` }, ExposedPorts: { "8080/tcp": {} } },
    hostConfig: { NetworkMode: "default", LogConfig: { Type: "json-file", Config: {} }, RestartPolicy: { Name: "no", MaximumRetryCount: 0 }, Memory: 268435456, PortBindings: {} },
    networks: { bridge: {} }, mounts: [],
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [root, layers = 100_000, images, containers] = process.argv.slice(2);
  const { layers: made, images: named, containers: boxes, image, container, layer } = generate(root, { layers: Number(layers), ...(images && { images: Number(images) }), ...(containers && { containers: Number(containers) }) });
  console.log(JSON.stringify({ layers: made, images: named, containers: boxes, image: image.id, container: container.id, layer }));
}
