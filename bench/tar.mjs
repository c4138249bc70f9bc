// Minimal deterministic ustar writer (paths up to 255 bytes, no PAX).
const BLOCK = 512;

function octal(buf, value, at, len) {
  buf.write(value.toString(8).padStart(len - 1, "0"), at, "latin1");
}

export function header(path, { size = 0, mode = 0o644, type = "0", link = "", mtime = 0 } = {}) {
  const h = Buffer.alloc(BLOCK);
  let name = path, prefix = "";
  if (name.length > 100) {
    const cut = path.indexOf("/", path.length - 101);
    prefix = path.slice(0, cut);
    name = path.slice(cut + 1);
  }
  h.write(name, 0);
  octal(h, mode, 100, 8);
  octal(h, 0, 108, 8);
  octal(h, 0, 116, 8);
  octal(h, size, 124, 12);
  octal(h, mtime, 136, 12);
  h.fill(" ", 148, 156);
  h.write(type, 156);
  h.write(link, 157);
  h.write("ustar\x0000", 257, "latin1");
  h.write("root", 265);
  h.write("root", 297);
  h.write(prefix, 345);
  let sum = 0;
  for (const b of h) sum += b;
  h.write(sum.toString(8).padStart(6, "0") + "\0 ", 148, "latin1");
  return h;
}

export function padding(size) {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** Yields the tar stream of `entries`: {path, data?|chunks?+size?, mode?, type?, link?}. */
export async function* tarStream(entries) {
  for await (const e of entries) {
    const size = e.size ?? e.data?.length ?? 0;
    yield header(e.path, { ...e, size });
    if (e.chunks) yield* e.chunks;
    else if (e.data?.length) yield e.data;
    const pad = padding(size);
    if (pad.length) yield pad;
  }
  yield Buffer.alloc(2 * BLOCK);
}
