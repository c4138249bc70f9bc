/** First schema; db/schema.ts draws it. */
export const sql = `
CREATE TABLE blob (
  digest      TEXT PRIMARY KEY,
  media_type  TEXT NOT NULL,
  size        INTEGER NOT NULL,
  created_at  REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ingest (
  id          TEXT PRIMARY KEY,
  ref         TEXT NOT NULL UNIQUE,
  digest      TEXT,
  size        INTEGER,
  media_type  TEXT NOT NULL,
  created_at  REAL NOT NULL,
  used_at     REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE layer (
  chain_id     TEXT PRIMARY KEY,
  diff_id      TEXT NOT NULL,
  parent       TEXT REFERENCES layer DEFERRABLE INITIALLY DEFERRED,
  size         INTEGER NOT NULL,
  tar_size     INTEGER NOT NULL,
  created_at   REAL NOT NULL,
  last_used_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX layer_parent ON layer (parent);
CREATE INDEX layer_diff ON layer (diff_id);

CREATE TABLE snapshot (
  id          TEXT PRIMARY KEY,
  driver      TEXT NOT NULL,
  kind        TEXT NOT NULL CHECK (kind IN ('layer', 'init', 'writable')),
  state       TEXT NOT NULL CHECK (state IN ('preparing', 'committed')),
  chain       TEXT REFERENCES layer DEFERRABLE INITIALLY DEFERRED,
  bytes       INTEGER NOT NULL DEFAULT 0,
  inodes      INTEGER NOT NULL DEFAULT 0,
  created_at  REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX snapshot_chain ON snapshot (chain, driver) WHERE chain IS NOT NULL;

CREATE TABLE writable (
  owner       TEXT PRIMARY KEY,
  snapshot    TEXT NOT NULL UNIQUE REFERENCES snapshot ON DELETE CASCADE,
  init        TEXT NOT NULL UNIQUE REFERENCES snapshot ON DELETE CASCADE,
  parent      TEXT REFERENCES layer DEFERRABLE INITIALLY DEFERRED,
  volatile    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX writable_parent ON writable (parent);

CREATE TABLE image (
  id              TEXT PRIMARY KEY,
  top             TEXT REFERENCES layer DEFERRABLE INITIALLY DEFERRED,
  parent          TEXT REFERENCES image,
  size            INTEGER NOT NULL,
  created_at      REAL NOT NULL,
  labels          TEXT NOT NULL,
  stored_at       REAL NOT NULL,
  last_used_at    REAL NOT NULL,
  last_tagged_at  REAL
) STRICT, WITHOUT ROWID;
CREATE INDEX image_parent ON image (parent);
CREATE INDEX image_top ON image (top);

-- Apart from the image, so that lists and marks of use do not carry it.
CREATE TABLE image_config (
  image   TEXT PRIMARY KEY REFERENCES image ON DELETE CASCADE,
  config  BLOB NOT NULL
) STRICT;

CREATE TABLE image_layer (
  chain  TEXT NOT NULL REFERENCES layer DEFERRABLE INITIALLY DEFERRED,
  image  TEXT NOT NULL REFERENCES image ON DELETE CASCADE,
  PRIMARY KEY (chain, image)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_layer_image ON image_layer (image);

CREATE TABLE reference (
  name        TEXT PRIMARY KEY,
  image       TEXT NOT NULL REFERENCES image ON DELETE CASCADE,
  digest      TEXT,
  created_at  REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_image ON reference (image);

CREATE TABLE packed_source (
  diff_id     TEXT NOT NULL,
  digest      TEXT NOT NULL,
  repository  TEXT NOT NULL,
  size        INTEGER NOT NULL,
  media_type  TEXT NOT NULL,
  PRIMARY KEY (diff_id, digest, repository)
) STRICT, WITHOUT ROWID;

CREATE TABLE container (
  id               TEXT PRIMARY KEY,
  name             TEXT NOT NULL UNIQUE,
  image            TEXT NOT NULL REFERENCES image,
  created_at       REAL NOT NULL,
  driver           TEXT NOT NULL,
  revision         INTEGER NOT NULL,
  status           TEXT NOT NULL,
  pid              INTEGER NOT NULL,
  exit_code        INTEGER NOT NULL,
  error            TEXT NOT NULL,
  oom_killed       INTEGER NOT NULL,
  started_at       REAL,
  finished_at      REAL,
  stopped_by_user  INTEGER,
  restart_count    INTEGER NOT NULL,
  document         TEXT NOT NULL
) STRICT;
CREATE INDEX container_image ON container (image);

CREATE TABLE volume (
  name        TEXT PRIMARY KEY,
  driver      TEXT NOT NULL,
  anonymous   INTEGER NOT NULL,
  labels      TEXT NOT NULL,
  options     TEXT NOT NULL,
  created_at  REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE volume_use (
  volume  TEXT NOT NULL REFERENCES volume,
  owner   TEXT NOT NULL,
  PRIMARY KEY (volume, owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX volume_use_owner ON volume_use (owner);

CREATE TABLE network (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  created_at  REAL NOT NULL,
  document    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE endpoint (
  id         TEXT PRIMARY KEY,
  network    TEXT NOT NULL REFERENCES network,
  container  TEXT NOT NULL,
  ipv4       TEXT,
  ipv6       TEXT,
  document   TEXT NOT NULL,
  UNIQUE (network, container),
  UNIQUE (network, ipv4),
  UNIQUE (network, ipv6)
) STRICT, WITHOUT ROWID;
CREATE INDEX endpoint_container ON endpoint (container);

CREATE TABLE port (
  protocol        TEXT NOT NULL,
  host_port       INTEGER NOT NULL,
  host_ip         TEXT NOT NULL,
  container       TEXT NOT NULL,
  container_port  INTEGER NOT NULL,
  PRIMARY KEY (protocol, host_port, host_ip)
) STRICT, WITHOUT ROWID;
CREATE INDEX port_container ON port (container);

CREATE TABLE lease (
  id          TEXT PRIMARY KEY,
  purpose     TEXT NOT NULL,
  expires_at  REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lease_hold (
  lease  TEXT NOT NULL REFERENCES lease ON DELETE CASCADE,
  kind   TEXT NOT NULL,
  key    TEXT NOT NULL,
  PRIMARY KEY (lease, kind, key)
) STRICT, WITHOUT ROWID;

-- A container that is gone uses no volume.
CREATE TRIGGER container_gone AFTER DELETE ON container BEGIN
  DELETE FROM volume_use WHERE owner = old.id;
END;

-- Where a packed form can be had is worth knowing for as long as a layer has that content.
CREATE TRIGGER layer_gone AFTER DELETE ON layer
WHEN NOT EXISTS (SELECT 1 FROM layer WHERE diff_id = old.diff_id) BEGIN
  DELETE FROM packed_source WHERE diff_id = old.diff_id;
END;

CREATE VIEW root (kind, key) AS
  SELECT 'image', id FROM image
  UNION ALL SELECT 'container', id FROM container
  UNION ALL SELECT 'volume', name FROM volume
  UNION ALL SELECT 'network', id FROM network
  UNION ALL SELECT 'ingest', id FROM ingest
  UNION ALL SELECT kind, key FROM lease_hold;

CREATE VIEW edge (from_kind, from_key, to_kind, to_key) AS
  SELECT 'image', id, 'layer', top FROM image WHERE top IS NOT NULL
  UNION ALL SELECT 'image', id, 'image', parent FROM image WHERE parent IS NOT NULL
  UNION ALL SELECT 'image', image, 'blob', digest FROM reference WHERE digest IS NOT NULL
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
