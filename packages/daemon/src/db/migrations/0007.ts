/** What things take on disk and when that was measured, when volumes were last used, and indexes by which the graph is read upwards. */
export const sql = `
-- stale: it may have changed since it was measured. Layers were counted before all of them was on disk: once more.
ALTER TABLE snapshot ADD COLUMN tree_size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE snapshot ADD COLUMN measured_at REAL;
ALTER TABLE snapshot ADD COLUMN stale INTEGER NOT NULL DEFAULT 1;
CREATE INDEX snapshot_stale ON snapshot (kind, id) WHERE stale = 1;
CREATE INDEX snapshot_kind ON snapshot (kind, driver, bytes, inodes);
-- Damaged layers that another has taken the place of.
CREATE INDEX snapshot_replaced ON snapshot (bytes, inodes) WHERE kind = 'layer' AND chain IS NULL;
CREATE INDEX container_status ON container (status);

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
CREATE INDEX blob_bytes ON blob (bytes);

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

-- Sums that are asked for, kept by triggers: of a layer over its snapshots, how many images and containers hold it; of an
-- image over its layers, and over those that it alone has; of all layers by how many images (2: several) and whether
-- containers hold them.
ALTER TABLE layer ADD COLUMN disk_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE layer ADD COLUMN disk_inodes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE layer ADD COLUMN image_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE layer ADD COLUMN container_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE image ADD COLUMN disk_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE image ADD COLUMN unique_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE layer SET disk_bytes = coalesce((SELECT sum(bytes) FROM snapshot WHERE chain = chain_id), 0), disk_inodes = coalesce((SELECT sum(inodes) FROM snapshot WHERE chain = chain_id), 0),
  image_count = (SELECT count(*) FROM image_layer WHERE chain = chain_id), container_count = (SELECT count(*) FROM image_layer JOIN container USING (image) WHERE chain = chain_id);
UPDATE image SET disk_bytes = coalesce((SELECT sum(layer.disk_bytes) FROM image_layer JOIN layer ON chain_id = chain WHERE image = id), 0),
  unique_bytes = coalesce((SELECT sum(layer.disk_bytes) FROM image_layer JOIN layer ON chain_id = chain WHERE image = id AND image_count = 1), 0);

CREATE TABLE layer_total (
  images  INTEGER NOT NULL,
  used    INTEGER NOT NULL,
  layers  INTEGER NOT NULL,
  bytes   INTEGER NOT NULL,
  inodes  INTEGER NOT NULL,
  PRIMARY KEY (images, used)
) STRICT, WITHOUT ROWID;
INSERT INTO layer_total SELECT i.value, u.value, (SELECT count(*) FROM layer WHERE min(image_count, 2) = i.value AND min(container_count, 1) = u.value),
    coalesce((SELECT sum(disk_bytes) FROM layer WHERE min(image_count, 2) = i.value AND min(container_count, 1) = u.value), 0), coalesce((SELECT sum(disk_inodes) FROM layer WHERE min(image_count, 2) = i.value AND min(container_count, 1) = u.value), 0)
  FROM json_each('[0, 1, 2]') i, json_each('[0, 1]') u;

CREATE TRIGGER layer_total_more AFTER INSERT ON layer BEGIN
  UPDATE layer_total SET layers = layers + 1, bytes = bytes + new.disk_bytes, inodes = inodes + new.disk_inodes WHERE images = min(new.image_count, 2) AND used = min(new.container_count, 1);
END;
CREATE TRIGGER layer_total_less AFTER DELETE ON layer BEGIN
  UPDATE layer_total SET layers = layers - 1, bytes = bytes - old.disk_bytes, inodes = inodes - old.disk_inodes WHERE images = min(old.image_count, 2) AND used = min(old.container_count, 1);
END;
CREATE TRIGGER layer_total_other AFTER UPDATE OF disk_bytes, disk_inodes, image_count, container_count ON layer BEGIN
  UPDATE layer_total SET layers = layers - 1, bytes = bytes - old.disk_bytes, inodes = inodes - old.disk_inodes WHERE images = min(old.image_count, 2) AND used = min(old.container_count, 1);
  UPDATE layer_total SET layers = layers + 1, bytes = bytes + new.disk_bytes, inodes = inodes + new.disk_inodes WHERE images = min(new.image_count, 2) AND used = min(new.container_count, 1);
END;

CREATE TRIGGER layer_bytes_more AFTER INSERT ON snapshot WHEN new.chain IS NOT NULL BEGIN
  UPDATE layer SET disk_bytes = disk_bytes + new.bytes, disk_inodes = disk_inodes + new.inodes WHERE chain_id = new.chain;
END;
CREATE TRIGGER layer_bytes_less AFTER DELETE ON snapshot WHEN old.chain IS NOT NULL BEGIN
  UPDATE layer SET disk_bytes = disk_bytes - old.bytes, disk_inodes = disk_inodes - old.inodes WHERE chain_id = old.chain;
END;
CREATE TRIGGER layer_bytes_other AFTER UPDATE OF chain, bytes, inodes ON snapshot WHEN old.chain IS NOT NULL OR new.chain IS NOT NULL BEGIN
  UPDATE layer SET disk_bytes = disk_bytes - old.bytes, disk_inodes = disk_inodes - old.inodes WHERE chain_id = old.chain;
  UPDATE layer SET disk_bytes = disk_bytes + new.bytes, disk_inodes = disk_inodes + new.inodes WHERE chain_id = new.chain;
END;
CREATE TRIGGER image_bytes AFTER UPDATE OF disk_bytes ON layer WHEN new.disk_bytes <> old.disk_bytes AND new.image_count > 0 BEGIN
  UPDATE image SET disk_bytes = disk_bytes + new.disk_bytes - old.disk_bytes, unique_bytes = unique_bytes + CASE new.image_count WHEN 1 THEN new.disk_bytes - old.disk_bytes ELSE 0 END
    WHERE id IN (SELECT image FROM image_layer WHERE chain = new.chain_id);
END;

-- What one image had alone is shared as soon as a second has it, and the other way round.
CREATE TRIGGER image_layer_more AFTER INSERT ON image_layer BEGIN
  UPDATE image SET disk_bytes = disk_bytes + coalesce((SELECT layer.disk_bytes FROM layer WHERE chain_id = new.chain), 0), unique_bytes = unique_bytes + coalesce((SELECT layer.disk_bytes FROM layer WHERE chain_id = new.chain AND image_count = 0), 0) WHERE id = new.image;
  UPDATE image SET unique_bytes = unique_bytes - (SELECT layer.disk_bytes FROM layer WHERE chain_id = new.chain)
    WHERE id = (SELECT image FROM layer JOIN image_layer ON chain = chain_id WHERE chain_id = new.chain AND image_count = 1 AND image <> new.image);
  UPDATE layer SET image_count = image_count + 1, container_count = container_count + (SELECT count(*) FROM container WHERE image = new.image) WHERE chain_id = new.chain;
END;
CREATE TRIGGER image_layer_less AFTER DELETE ON image_layer BEGIN
  UPDATE layer SET image_count = image_count - 1, container_count = container_count - (SELECT count(*) FROM container WHERE image = old.image) WHERE chain_id = old.chain;
  UPDATE image SET unique_bytes = unique_bytes + (SELECT layer.disk_bytes FROM layer WHERE chain_id = old.chain)
    WHERE id = (SELECT image FROM layer JOIN image_layer ON chain = chain_id WHERE chain_id = old.chain AND image_count = 1);
END;

CREATE TRIGGER container_layers_more AFTER INSERT ON container BEGIN
  UPDATE layer SET container_count = container_count + 1 WHERE chain_id IN (SELECT chain FROM image_layer WHERE image = new.image);
END;
CREATE TRIGGER container_layers_less AFTER DELETE ON container BEGIN
  UPDATE layer SET container_count = container_count - 1 WHERE chain_id IN (SELECT chain FROM image_layer WHERE image = old.image);
END;
CREATE TRIGGER container_layers_other AFTER UPDATE OF image ON container WHEN old.image <> new.image BEGIN
  UPDATE layer SET container_count = container_count - 1 WHERE chain_id IN (SELECT chain FROM image_layer WHERE image = old.image);
  UPDATE layer SET container_count = container_count + 1 WHERE chain_id IN (SELECT chain FROM image_layer WHERE image = new.image);
END;
`;
