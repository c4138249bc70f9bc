import { Transform } from "node:stream";

const DEFAULT = "ctrl-p,ctrl-q";

/** Reads `ctrl-p,ctrl-q` or `ctrl-],x` as bytes. Throws when a key is not understood. */
export function parseDetachKeys(keys: string = DEFAULT): Buffer {
  return Buffer.from(keys.split(",").map((key) => {
    if (key.length === 1) return key.charCodeAt(0);
    const letter = /^ctrl-([a-zA-Z@[\\\]^_])$/.exec(key)?.[1]?.toLowerCase();
    if (letter === undefined) throw new Error(`Unknown character: '${key}'`);
    return "@abcdefghijklmnopqrstuvwxyz[\\]^_".indexOf(letter);
  }));
}

/** Passes input on until the keys come in a row; then it ends and `detached` is true. A beginning that leads nowhere is passed on too. */
export class DetachFilter extends Transform {
  readonly #keys: Buffer;
  /** The end of the input so far, when it is a beginning of the keys. */
  #held: number[] = [];
  detached = false;

  constructor(keys: Buffer) {
    super();
    this.#keys = keys;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const out: number[] = [];
    for (const byte of this.detached ? [] : chunk) {
      this.#held.push(byte);
      while (!this.#held.every((one, at) => one === this.#keys[at])) out.push(this.#held.shift()!);
      this.detached = this.#held.length === this.#keys.length;
      if (this.detached) break;
    }
    if (out.length > 0) this.push(Buffer.from(out));
    if (this.detached) this.emit("detach");
    done();
  }

  override _flush(done: (error?: Error | null) => void): void {
    if (!this.detached && this.#held.length > 0) this.push(Buffer.from(this.#held));
    done();
  }
}
