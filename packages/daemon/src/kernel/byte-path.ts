/**
 * File names as Linux has them: bytes, any but NUL and `/`. Tar has them so too. Node's strings cannot hold them all,
 * so code that must not change a name holds it as a *byte string*: a latin1 string, one character a byte. `<` on byte
 * strings is memcmp, and an ASCII name is the same in both worlds.
 */
export type ByteString = string;

// eslint-disable-next-line no-control-regex
const beyondAscii = /[^\x00-\x7f]/;

/** Text to bytes (UTF-8). */
export function toByteString(text: string): ByteString {
  return beyondAscii.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}
/** Bytes to text, for messages and JSON; bytes that are not UTF-8 become U+FFFD. */
export function fromByteString(bytes: ByteString): string {
  return beyondAscii.test(bytes) ? Buffer.from(bytes, "latin1").toString("utf8") : bytes;
}
/** What the kernel is to be given: the string itself when it is ASCII, else the bytes and their NUL. */
export function cPath(bytes: ByteString): string | Uint8Array {
  return beyondAscii.test(bytes) ? Buffer.from(`${bytes}\0`, "latin1") : bytes;
}
/** The path of an open directory's entry through /proc, for the calls that have no form relative to a descriptor. */
export function procPath(dir: number, name: ByteString): string | Uint8Array { return cPath(`/proc/self/fd/${dir}/${name}`); }
