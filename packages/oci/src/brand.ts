/**
 * Branded strings: values that share a representation but must not be mixed up.
 * Every brand has a key of its own; two brands under one key would collapse to `never`.
 */
/** `sha256:<64 hex>` of any byte string. */
export type Digest = string & { readonly __digest: true };
/** Digest of a layer's uncompressed tar (OCI image-spec, config.md "Layer DiffID"). */
export type DiffId = Digest & { readonly __diffId: true };
/** Digest that names a stack of layers (OCI image-spec, config.md "Layer ChainID"). */
export type ChainId = Digest & { readonly __chainId: true };
/** Digest of an image's configuration JSON. */
export type ImageId = Digest & { readonly __imageId: true };
