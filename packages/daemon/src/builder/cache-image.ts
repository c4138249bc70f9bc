import type { ImageConfig } from "@strata/oci";
import type { CacheSource, StepState } from "./steps.js";

/**
 * An exported cache is one image for each stage: what the stage came to, with a member more in its configuration that has the keys of
 * its last steps, in order, and how many images the cache has. Any registry takes it, and whoever does not know the member sees an image.
 */
const MEMBER = "com.strata.build-cache";
interface Exported {
  readonly version: 1;
  readonly keys: readonly string[];
  readonly images: number;
}

/** The configuration of an image of a cache. */
export function cacheImage({ config, keys }: StepState, images: number): Buffer {
  const exported: Exported = { version: 1, keys, images };
  return Buffer.from(JSON.stringify({ ...config, [MEMBER]: exported }));
}

/** What may be taken from an image, a cache's or any other; `images` of its cache. */
export function cacheSource(config: ImageConfig): CacheSource & { readonly images: number } {
  const exported = (config as ImageConfig & { readonly [MEMBER]?: Partial<Exported> })[MEMBER];
  const { keys, images } = exported?.version === 1 ? exported : {};
  return { config, keys: isTexts(keys) ? keys : [], images: Number.isInteger(images) && images! > 0 && images! <= MOST ? images! : 1 };
}
/** Stages of a file whose cache is taken: what comes from elsewhere is not trusted to say how many. */
const MOST = 256;
const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every((one) => typeof one === "string");
