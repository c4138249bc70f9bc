#!/usr/bin/env node
// gen.mjs DATA_DIR [--images=w1,w3,…] [--registry=URL] [--contexts]
//
// Makes images under DATA_DIR/store, once; with a registry pushes each as bench/NAME:latest. With --contexts also writes
// the build contexts and W3 as a docker-archive.
//   w1 busybox            w2 Debian minbase, 1 layer   w3 w2 + 6 layers, 40,000 files
//   w4 busybox + 1 GiB    w5 busybox + 39 small layers   app busybox + 5 layers, 40,000 files
//   w6 busybox + 4 × 512 MiB
// W2 is taken from DATA_DIR/minbase (a debootstrap tree); the rest is synthetic.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { ImageStore } from "./images.mjs";
import { push } from "./push.mjs";
import { tarStream } from "./tar.mjs";
import * as trees from "./trees.mjs";

const args = process.argv.slice(2);
const data = args.find((arg) => !arg.startsWith("--"));
if (!data) { console.error("usage: gen.mjs DATA_DIR [--images=w1,w3,…] [--registry=URL] [--contexts]"); process.exit(2); }
const option = (name) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
const registry = option("registry");
mkdirSync(data, { recursive: true });
const store = new ImageStore(`${data}/store`);

function debianTar() {
  const left = ["./var/cache/apt", "./var/log", "./var/lib/apt/lists", "./var/cache/ldconfig", "./dev", "./proc", "./sys", "./debootstrap"];
  const tar = ["--sort=name", "--mtime=@0", "--numeric-owner", "--format=gnu", "-C", `${data}/minbase`, "-c", ...left.map((path) => `--exclude=${path}/*`), "."];
  return spawn("tar", tar, { stdio: ["ignore", "pipe", "inherit"] }).stdout;
}

const layers = {
  busybox: () => [["busybox", () => tarStream(trees.busybox())]],
  debian: () => [["debian", debianTar]],
  app: (count) => trees.appLayers(count).map((entries, i) => [count === 6 ? `app-${i}` : `app${count}-${i}`, () => tarStream(entries())]),
  big: () => [["big", () => tarStream(trees.halfCompressible())]],
  parts: (count) => Array.from({ length: count }, (_, i) => [`part-${i}`, () => tarStream(trees.halfCompressible(10 + i, 32))]),
  small: (count) => Array.from({ length: count }, (_, i) => [`small-${i}`, () => tarStream(trees.small(i))]),
};
const images = {
  w1: { layers: layers.busybox },
  w2: { layers: layers.debian, cmd: ["bash"] },
  w3: { layers: () => [...layers.debian(), ...layers.app(6)], cmd: ["bash"] },
  w4: { layers: () => [...layers.busybox(), ...layers.big()] },
  w5: { layers: () => [...layers.busybox(), ...layers.small(39)] },
  w6: { layers: () => [...layers.busybox(), ...layers.parts(4)] },
  app: { layers: () => [...layers.busybox(), ...layers.app(5)] },
};

const made = {};
for (const name of option("images")?.split(",") ?? Object.keys(images)) {
  const parts = [];
  for (const [part, tar] of images[name].layers()) parts.push(await store.layer(part, tar));
  made[name] = store.image(name, parts, images[name].cmd);
  if (registry) await push(registry, `bench/${name}`, made[name], store);
}
if (args.includes("--contexts")) {
  const base = "127.0.0.1:5000/bench/w1:latest";
  await store.file(`${data}/context-40k.tar`, tarStream(trees.contextCopy(base)));
  await store.file(`${data}/context-12.tar`, tarStream(trees.contextSteps(base)));
  if (made.w3) await store.file(`${data}/w3.tar`, store.dockerArchive("127.0.0.1:5000/bench/w3:latest", made.w3));
}
