import { InvalidArgument } from "../core/index.js";

/** ctrl-p, ctrl-q. */
const DEFAULT = Buffer.from([0x10, 0x11]);

/** `ctrl-a,x`: the bytes of a detach sequence. An empty text is the default. */
export function parseDetachKeys(text: string | undefined): Buffer {
  if (text === undefined || text === "") return DEFAULT;
  return Buffer.from(text.split(",").map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/.exec(key.toLowerCase());
    if (control !== null) return control[1]!.toUpperCase().charCodeAt(0) & 0x1f;
    if (key.length === 1 && key.charCodeAt(0) < 0x80) return key.charCodeAt(0);
    throw new InvalidArgument(`Invalid detach keys (${text}) provided: unknown character: '${key}'`);
  }));
}

/** Watches input for a sequence of keys; a start of it is held back until it is known not to be one. */
export class DetachScanner {
  #matched = 0;

  constructor(private readonly keys: Buffer) {}

  /** What of the input goes on, and whether the sequence was seen (what follows it is dropped). */
  scan(input: Buffer): { data: Buffer; detached: boolean } {
    if (this.#matched === 0 && !input.includes(this.keys[0]!)) return { data: input, detached: false };
    const out: number[] = [];
    for (const byte of input) {
      while (this.#matched > 0 && byte !== this.keys[this.#matched]) this.#fallBack(out);
      if (byte === this.keys[this.#matched]) this.#matched++;
      else out.push(byte);
      if (this.#matched === this.keys.length) return { data: Buffer.from(out), detached: true };
    }
    return { data: Buffer.from(out), detached: false };
  }

  /** Gives up the longest match and keeps the longest shorter one that ends the same way. */
  #fallBack(out: number[]): void {
    const held = this.keys.subarray(0, this.#matched);
    let shorter = this.#matched - 1;
    while (shorter > 0 && !held.subarray(held.length - shorter).equals(this.keys.subarray(0, shorter))) shorter--;
    out.push(...held.subarray(0, this.#matched - shorter));
    this.#matched = shorter;
  }
}
