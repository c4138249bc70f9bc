// Seeded content: the same seed gives the same bytes on every run.
import { createCipheriv, createHash } from "node:crypto";

export function rng(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Incompressible bytes: an AES-CTR key stream. */
export function noise(seed) {
  const key = createHash("sha256").update(`noise ${seed}`).digest();
  const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  return (n) => cipher.update(Buffer.alloc(n));
}

const WORDS = (
  "const let var function return if else for while import export from class extends new this " +
  "async await null undefined true false typeof module exports require options value index key " +
  "result callback error buffer stream length push map filter reduce Object Array String Promise"
).split(" ");

/** JavaScript-looking text that gzips about 4:1. */
export function corpus(seed, bytes) {
  const r = rng(seed);
  const parts = [];
  let n = 0;
  while (n < bytes) {
    const line = [];
    for (let i = 2 + Math.floor(r() * 8); i > 0; i--) {
      line.push(r() < 0.65 ? WORDS[Math.floor(r() * WORDS.length)] : Math.floor(r() * 2 ** 31).toString(36));
    }
    const s = "  ".repeat(Math.floor(r() * 4)) + line.join(r() < 0.5 ? " " : ".") + ";\n";
    parts.push(s);
    n += s.length;
  }
  return Buffer.from(parts.join("")).subarray(0, bytes);
}
