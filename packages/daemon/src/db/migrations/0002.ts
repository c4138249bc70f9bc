/** Damaged layers, and the manifests that images came with; db/schema.ts draws it. */
export const sql = `
-- A layer's snapshot whose bytes are not what its diff ID says. It keeps its chain until a sound one takes its place.
CREATE TABLE damage (
  snapshot  TEXT PRIMARY KEY REFERENCES snapshot ON DELETE CASCADE,
  chain     TEXT NOT NULL,
  found_at  REAL NOT NULL,
  detail    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Manifests that describe an image: by them its packed layers have the digests that registries know.
CREATE TABLE image_manifest (
  image   TEXT NOT NULL REFERENCES image ON DELETE CASCADE,
  digest  TEXT NOT NULL,
  PRIMARY KEY (image, digest)
) STRICT, WITHOUT ROWID;

DROP VIEW root;
CREATE VIEW root (kind, key) AS
  SELECT 'image', id FROM image
  UNION ALL SELECT 'container', id FROM container
  UNION ALL SELECT 'volume', name FROM volume
  UNION ALL SELECT 'network', id FROM network
  UNION ALL SELECT 'ingest', id FROM ingest
  UNION ALL SELECT kind, key FROM lease_hold
  -- A container that runs stands on what it was started with.
  UNION ALL SELECT 'snapshot', damage.snapshot FROM damage JOIN image_layer USING (chain) JOIN container USING (image) WHERE container.status IN ('running', 'paused', 'restarting');

DROP VIEW edge;
CREATE VIEW edge (from_kind, from_key, to_kind, to_key) AS
  SELECT 'image', id, 'layer', top FROM image WHERE top IS NOT NULL
  UNION ALL SELECT 'image', id, 'image', parent FROM image WHERE parent IS NOT NULL
  UNION ALL SELECT 'image', image, 'blob', digest FROM reference WHERE digest IS NOT NULL
  UNION ALL SELECT 'image', image, 'blob', digest FROM image_manifest
  UNION ALL SELECT 'layer', chain_id, 'layer', parent FROM layer WHERE parent IS NOT NULL
  UNION ALL SELECT 'layer', chain, 'snapshot', id FROM snapshot WHERE chain IS NOT NULL
  UNION ALL SELECT 'layer', layer.chain_id, 'blob', packed_source.digest FROM layer JOIN packed_source USING (diff_id)
  UNION ALL SELECT 'container', id, 'image', image FROM container
  UNION ALL SELECT 'container', owner, 'snapshot', snapshot FROM writable
  UNION ALL SELECT 'container', owner, 'volume', volume FROM volume_use
  UNION ALL SELECT 'container', container, 'network', network FROM endpoint
  UNION ALL SELECT 'snapshot', snapshot, 'snapshot', init FROM writable
  UNION ALL SELECT 'snapshot', snapshot, 'layer', parent FROM writable WHERE parent IS NOT NULL
  UNION ALL SELECT 'snapshot', init, 'layer', parent FROM writable WHERE parent IS NOT NULL;
`;
