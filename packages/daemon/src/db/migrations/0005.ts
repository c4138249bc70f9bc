/** What things take on disk and when that was measured, when volumes were last used, and indexes by which the graph is read upwards. */
export const sql = `
-- stale: it may have changed since it was measured. Layers were counted before all of them was on disk: once more.
ALTER TABLE snapshot ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE snapshot ADD COLUMN measured_at REAL;
ALTER TABLE snapshot ADD COLUMN stale INTEGER NOT NULL DEFAULT 1;
CREATE INDEX snapshot_stale ON snapshot (kind, id) WHERE stale = 1;
CREATE INDEX snapshot_kind ON snapshot (kind, driver, bytes, inodes);
CREATE INDEX snapshot_layer ON snapshot (chain, bytes, inodes) WHERE chain IS NOT NULL;

ALTER TABLE volume ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE volume ADD COLUMN inodes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE volume ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE volume ADD COLUMN measured_at REAL;
ALTER TABLE volume ADD COLUMN stale INTEGER NOT NULL DEFAULT 1;
ALTER TABLE volume ADD COLUMN last_used_at REAL NOT NULL DEFAULT 0;
UPDATE volume SET last_used_at = created_at;

-- Bytes on disk; size is the length.
ALTER TABLE blob ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE blob SET bytes = (size + 4095) / 4096 * 4096;

-- A container's own directory: logs and the rest.
CREATE TABLE container_usage (
  container    TEXT PRIMARY KEY REFERENCES container ON DELETE CASCADE,
  bytes        INTEGER NOT NULL,
  inodes       INTEGER NOT NULL,
  log_bytes    INTEGER NOT NULL,
  log_inodes   INTEGER NOT NULL,
  measured_at  REAL NOT NULL,
  stale        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Directories whose content comes and goes: downloads, tmp/, trash/.
CREATE TABLE place_usage (
  place        TEXT PRIMARY KEY,
  bytes        INTEGER NOT NULL,
  inodes       INTEGER NOT NULL,
  entries      INTEGER NOT NULL,
  measured_at  REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX lease_hold_key ON lease_hold (kind, key);
CREATE INDEX reference_digest ON reference (digest) WHERE digest IS NOT NULL;
CREATE INDEX image_manifest_digest ON image_manifest (digest);
CREATE INDEX packed_source_digest ON packed_source (digest);
`;
