/** Collection by policy: plans, runs, pins, and images that can be brought back; when networks were last used. */
export const sql = `
ALTER TABLE network ADD COLUMN last_used_at REAL;
CREATE TRIGGER network_joined AFTER INSERT ON endpoint BEGIN UPDATE network SET last_used_at = unixepoch('subsec') * 1000 WHERE id = new.network; END;
CREATE TRIGGER network_left AFTER DELETE ON endpoint BEGIN UPDATE network SET last_used_at = unixepoch('subsec') * 1000 WHERE id = old.network; END;

-- A pin goes with the name that it is on.
CREATE TABLE pin (name TEXT PRIMARY KEY REFERENCES reference ON DELETE CASCADE) STRICT, WITHOUT ROWID;

-- One row at most: what was set over the API.
CREATE TABLE gc_settings (only INTEGER PRIMARY KEY CHECK (only = 1), document TEXT NOT NULL) STRICT;

CREATE TABLE gc_plan (id TEXT PRIMARY KEY, created_at REAL NOT NULL, document TEXT NOT NULL) STRICT;
CREATE TABLE gc_run (id TEXT PRIMARY KEY, started_at REAL NOT NULL, state TEXT NOT NULL, document TEXT NOT NULL) STRICT;
CREATE TABLE gc_run_item (
  run       TEXT NOT NULL REFERENCES gc_run ON DELETE CASCADE,
  position  INTEGER NOT NULL,
  outcome   TEXT NOT NULL,
  bytes     INTEGER NOT NULL,
  freed     INTEGER NOT NULL,
  document  TEXT NOT NULL,
  PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;

-- Images that a run took away, for as long as they can be brought back.
CREATE TABLE trashed_image (
  id          TEXT PRIMARY KEY,
  run         TEXT NOT NULL,
  position    INTEGER NOT NULL,
  top         TEXT REFERENCES layer DEFERRABLE INITIALLY DEFERRED,
  config      BLOB NOT NULL,
  document    TEXT NOT NULL,
  bytes       INTEGER NOT NULL,
  expires_at  REAL NOT NULL
) STRICT;
CREATE INDEX trashed_image_top ON trashed_image (top);
CREATE TABLE trashed_blob (
  image   TEXT NOT NULL REFERENCES trashed_image ON DELETE CASCADE,
  digest  TEXT NOT NULL,
  PRIMARY KEY (image, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX trashed_blob_digest ON trashed_blob (digest);

DROP VIEW root;
CREATE VIEW root (kind, key) AS
  SELECT 'image', id FROM image
  UNION ALL SELECT 'container', id FROM container
  UNION ALL SELECT 'volume', name FROM volume
  UNION ALL SELECT 'network', id FROM network
  UNION ALL SELECT 'ingest', id FROM ingest
  UNION ALL SELECT 'layer', top FROM build_record WHERE top IS NOT NULL
  UNION ALL SELECT 'layer', top FROM trashed_image WHERE top IS NOT NULL
  UNION ALL SELECT 'blob', digest FROM trashed_blob
  UNION ALL SELECT kind, key FROM lease_hold
  UNION ALL SELECT 'snapshot', damage.snapshot FROM damage JOIN image_layer USING (chain) JOIN container USING (image) WHERE container.status IN ('running', 'paused', 'restarting');
`;
