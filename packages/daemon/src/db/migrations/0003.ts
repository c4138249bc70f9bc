/** Records of build steps, and containers that builds run in. */
export const sql = `
CREATE TABLE build_record (
  key TEXT PRIMARY KEY,
  parent TEXT,
  config BLOB NOT NULL,
  top TEXT REFERENCES layer (chain_id),
  description TEXT NOT NULL,
  size INTEGER NOT NULL,
  created_at REAL NOT NULL,
  last_used_at REAL NOT NULL,
  uses INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX build_record_by_top ON build_record (top);

-- Names of containers of builds under way: what a crash leaves of them is removed at the start.
CREATE TABLE build_container (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

DROP VIEW root;
CREATE VIEW root (kind, key) AS
  SELECT 'image', id FROM image
  UNION ALL SELECT 'container', id FROM container
  UNION ALL SELECT 'volume', name FROM volume
  UNION ALL SELECT 'network', id FROM network
  UNION ALL SELECT 'ingest', id FROM ingest
  UNION ALL SELECT 'layer', top FROM build_record WHERE top IS NOT NULL
  UNION ALL SELECT kind, key FROM lease_hold
  UNION ALL SELECT 'snapshot', damage.snapshot FROM damage JOIN image_layer USING (chain) JOIN container USING (image) WHERE container.status IN ('running', 'paused', 'restarting');
`;
