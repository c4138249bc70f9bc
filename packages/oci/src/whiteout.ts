/** Whiteout names in a layer tar (OCI image-spec, layer.md "Whiteouts"). */
export const WHITEOUT_PREFIX = ".wh.";
/** AUFS metadata names; everything that starts so, but the opaque marker, is ignored on apply. */
export const WHITEOUT_META_PREFIX = ".wh..wh.";
/** Marks its directory opaque: entries of lower layers are hidden. */
export const OPAQUE_WHITEOUT = ".wh..wh..opq";
