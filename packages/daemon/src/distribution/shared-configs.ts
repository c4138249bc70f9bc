import type { Descriptor } from "@strata/oci";
import type { LeaseStore } from "../core/index.js";
import { Flights } from "./flights.js";

/** Configurations of images that are being pulled: fetched once however many pulls want one, and at hand until the last of them is over. */
export class SharedConfigs {
  readonly #flights: Flights<Buffer, never>;
  readonly #held = new Map<string, { readonly bytes: Buffer; users: number }>();

  constructor(leases: LeaseStore) { this.#flights = new Flights("configuration", leases); }

  async with<T>({ digest }: Descriptor, signal: AbortSignal, fetch: (signal: AbortSignal) => Promise<Buffer>, use: (bytes: Buffer) => Promise<T>): Promise<T> {
    const hold = (bytes: Buffer): void => {
      const known = this.#held.get(digest);
      if (known === undefined) this.#held.set(digest, { bytes, users: 1 });
      else known.users++;
    };
    let bytes = this.#held.get(digest)?.bytes;
    if (bytes === undefined) bytes = await this.#flights.join(digest, signal, () => undefined, (context) => fetch(context.signal), hold);
    else hold(bytes);
    try {
      return await use(bytes);
    } finally {
      const held = this.#held.get(digest)!;
      if (--held.users === 0) this.#held.delete(digest);
    }
  }
}
