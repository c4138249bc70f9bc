// The file trees of the bench's images, as tar entries. Seeded: the same bytes on every run.
import { readFileSync } from "node:fs";
import { corpus, noise, rng } from "./content.mjs";

export const APP_FILES = 40_000;
const FILES_PER_PACKAGE = 50;
const text = corpus(1, 8 << 20);

const applets = "sh true false echo cat ls mkdir seq sleep awk dd rm cp mv touch wc head tail env id ps top grep sed yes test printf date kill ping ip wget nc httpd hostname mount df du find sort tr cut tee xargs chmod chown ln stat md5sum sha256sum";

/** A root file system of the host's static busybox. */
export function* busybox() {
  for (const dir of ["bin", "etc", "tmp", "root", "var", "usr", "usr/bin", "proc", "sys", "dev"]) {
    yield { path: `${dir}/`, type: "5", mode: dir === "tmp" ? 0o1777 : 0o755 };
  }
  yield { path: "bin/busybox", mode: 0o755, data: readFileSync("/bin/busybox") };
  for (const applet of applets.split(" ")) yield { path: `bin/${applet}`, type: "2", link: "busybox", mode: 0o777 };
  yield { path: "etc/passwd", data: Buffer.from("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n") };
  yield { path: "etc/group", data: Buffer.from("root:x:0:\nnogroup:x:65534:\n") };
}

/** File `i` of a tree like node_modules: log-normal sizes, median 1.6 KB, mean about 4.5 KB. */
function appFile(i) {
  const random = rng(1000 + i);
  const gauss = Math.sqrt(-2 * Math.log(random() || 1e-9)) * Math.cos(2 * Math.PI * random());
  const size = Math.min(200_000, Math.max(40, Math.floor(1600 * Math.exp(1.45 * gauss))));
  const at = Math.floor(random() * (text.length - size));
  const folder = `app/node_modules/pkg-${String(Math.floor(i / FILES_PER_PACKAGE)).padStart(4, "0")}`;
  const sub = ["", "lib/", "dist/esm/", "dist/cjs/", "test/"][i % 5];
  return { path: `${folder}/${sub}module-${i}.js`, data: text.subarray(at, at + size) };
}

/** Files `from` to `to` with the directories that they lie in. */
export function* app(from, to) {
  const seen = new Set();
  for (let i = from; i < to; i++) {
    const file = appFile(i);
    for (let at = file.path.indexOf("/") + 1; at > 0; at = file.path.indexOf("/", at) + 1) {
      const dir = file.path.slice(0, at);
      if (!seen.has(dir)) { seen.add(dir); yield { path: dir, type: "5", mode: 0o755 }; }
    }
    yield file;
  }
}

/** The app's tree in `count` layers of whole packages. */
export function appLayers(count) {
  const per = Math.ceil(APP_FILES / count / FILES_PER_PACKAGE) * FILES_PER_PACKAGE;
  return Array.from({ length: count }, (_, i) => () => app(i * per, Math.min(APP_FILES, (i + 1) * per)));
}

/** 64 files of 16 MiB; each 4 KiB is half noise, half text. */
export function* halfCompressible(seed = 4, files = 64) {
  const random = noise(seed);
  yield { path: "data/", type: "5", mode: 0o755 };
  for (let f = 0; f < files; f++) {
    const size = 16 << 20;
    const chunks = function* () {
      for (let done = 0; done < size; done += 1 << 20) {
        const block = random(1 << 20);
        for (let at = 0; at < block.length; at += 4096) {
          const from = ((f * 7919 + done / 4096 + at) * 61) % (text.length - 2048);
          text.copy(block, at + 2048, from, from + 2048);
        }
        yield block;
      }
    };
    yield { path: `data/${seed === 4 ? "" : `${seed}-`}part-${String(f).padStart(2, "0")}.bin`, size, chunks: chunks() };
  }
}

/** Twenty small files, and one that every such layer replaces. */
export function* small(n) {
  yield { path: `layer-${n}/`, type: "5", mode: 0o755 };
  for (let i = 0; i < 20; i++) {
    const at = (n * 20 + i) * 4096;
    yield { path: `layer-${n}/f${i}`, data: text.subarray(at, at + 4096) };
  }
  yield { path: "etc/shared", data: Buffer.from(`layer ${n}\n`) };
}

/** A build that copies the whole app. */
export function* contextCopy(base) {
  yield { path: "Dockerfile", data: Buffer.from(`FROM ${base}\nCOPY app /app\n`) };
  yield* app(0, APP_FILES);
}

/** A build of twelve steps. */
export function* contextSteps(base) {
  yield { path: "Dockerfile", data: Buffer.from([
    `FROM ${base}`, "LABEL bench=12", "ENV A=1 B=2", "WORKDIR /srv",
    "COPY one.txt .", "RUN echo one > /srv/r1", "RUN mkdir -p /srv/d && echo two > /srv/d/r2", "COPY dir ./dir",
    "RUN cat one.txt dir/* > all.txt", "RUN rm one.txt", "USER nobody", 'CMD ["cat","/srv/all.txt"]', ""].join("\n")) };
  yield { path: "one.txt", data: Buffer.from("one\n") };
  yield { path: "dir/", type: "5", mode: 0o755 };
  for (let i = 0; i < 20; i++) yield { path: `dir/f${i}`, data: text.subarray(i * 2000, i * 2000 + 2000) };
}
