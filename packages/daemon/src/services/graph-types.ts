import type { BuildCacheUsage, ImagesUsage, KindUsage, Owners, Usage, Why } from "../core/index.js";

/** What the data root occupies. `kinds` add up to `bytes`; `images` and `buildCache` are parts of the layers. */
export interface GraphUsage extends Usage {
  readonly at: number;
  readonly kinds: readonly KindUsage[];
  readonly images: ImagesUsage;
  readonly buildCache: BuildCacheUsage;
  readonly owners: Owners;
}

export interface GraphService {
  /** From the ledger. `refresh`: after everything that may have changed was measured. `owners`: with the largest so many of each kind. */
  usage(options: { readonly refresh: boolean; readonly owners: number }): Promise<GraphUsage>;
  /** Of everything that has this name, ID, digest or beginning of one. NotFound when nothing has. */
  why(text: string): Why[];
}
