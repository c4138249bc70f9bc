/**
 * What lists and sums ask for, kept by triggers: what images share with others, what records of builds hold, sizes of all layers; and
 * indexes by which the largest owners are found.
 */
export const sql = `
-- Untagged images that others were made from are but steps to those, and do not count as holders of layers.
-- unshared: sizes of the image's layers that fewer than two hold. A row goes after the image's layers have.
CREATE TABLE image_share (
  image     TEXT PRIMARY KEY,
  step      INTEGER NOT NULL,
  unshared  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO image_share SELECT id, id IN (SELECT parent FROM image WHERE parent IS NOT NULL) AND id NOT IN (SELECT image FROM reference), 0 FROM image;

-- holder_count: images that hold the layer, without steps; record_count: records of builds that hold it.
ALTER TABLE layer ADD COLUMN holder_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE layer ADD COLUMN record_count INTEGER NOT NULL DEFAULT 0;
UPDATE layer SET holder_count = held.n FROM (SELECT chain, count(*) AS n FROM image_layer JOIN image_share USING (image) WHERE step = 0 GROUP BY chain) AS held WHERE chain_id = held.chain;
UPDATE image_share SET unshared = own.size FROM (SELECT image_layer.image AS image, sum(layer.size) AS size FROM image_layer JOIN layer ON chain_id = chain WHERE holder_count < 2 GROUP BY image_layer.image) AS own WHERE own.image = image_share.image;
UPDATE layer SET record_count = held.n FROM (
  WITH RECURSIVE line (chain) AS (SELECT top FROM build_record WHERE top IS NOT NULL UNION ALL SELECT layer.parent FROM line JOIN layer ON chain_id = line.chain WHERE layer.parent IS NOT NULL)
  SELECT chain, count(*) AS n FROM line GROUP BY chain) AS held WHERE chain_id = held.chain;

DROP TRIGGER layer_total_more;
DROP TRIGGER layer_total_less;
DROP TRIGGER layer_total_other;
DROP TABLE layer_total;
CREATE TABLE layer_total (
  images  INTEGER NOT NULL,
  used    INTEGER NOT NULL,
  built   INTEGER NOT NULL,
  layers  INTEGER NOT NULL,
  size    INTEGER NOT NULL,
  bytes   INTEGER NOT NULL,
  inodes  INTEGER NOT NULL,
  PRIMARY KEY (images, used, built)
) STRICT, WITHOUT ROWID;
INSERT INTO layer_total SELECT i.value, u.value, b.value, 0, 0, 0, 0 FROM json_each('[0, 1, 2]') i, json_each('[0, 1]') u, json_each('[0, 1]') b;
UPDATE layer_total SET layers = own.layers, size = own.size, bytes = own.bytes, inodes = own.inodes FROM (
  SELECT min(image_count, 2) AS images, min(container_count, 1) AS used, min(record_count, 1) AS built, count(*) AS layers, sum(size) AS size, sum(disk_bytes) AS bytes, sum(disk_inodes) AS inodes FROM layer GROUP BY 1, 2, 3) AS own
  WHERE layer_total.images = own.images AND layer_total.used = own.used AND layer_total.built = own.built;

CREATE TRIGGER layer_total_more AFTER INSERT ON layer BEGIN
  UPDATE layer_total SET layers = layers + 1, size = size + new.size, bytes = bytes + new.disk_bytes, inodes = inodes + new.disk_inodes
    WHERE images = min(new.image_count, 2) AND used = min(new.container_count, 1) AND built = min(new.record_count, 1);
END;
CREATE TRIGGER layer_total_less AFTER DELETE ON layer BEGIN
  UPDATE layer_total SET layers = layers - 1, size = size - old.size, bytes = bytes - old.disk_bytes, inodes = inodes - old.disk_inodes
    WHERE images = min(old.image_count, 2) AND used = min(old.container_count, 1) AND built = min(old.record_count, 1);
END;
CREATE TRIGGER layer_total_other AFTER UPDATE OF size, disk_bytes, disk_inodes, image_count, container_count, record_count ON layer
WHEN (old.size, old.disk_bytes, old.disk_inodes, min(old.image_count, 2), min(old.container_count, 1), min(old.record_count, 1))
  <> (new.size, new.disk_bytes, new.disk_inodes, min(new.image_count, 2), min(new.container_count, 1), min(new.record_count, 1)) BEGIN
  UPDATE layer_total SET layers = layers - 1, size = size - old.size, bytes = bytes - old.disk_bytes, inodes = inodes - old.disk_inodes
    WHERE images = min(old.image_count, 2) AND used = min(old.container_count, 1) AND built = min(old.record_count, 1);
  UPDATE layer_total SET layers = layers + 1, size = size + new.size, bytes = bytes + new.disk_bytes, inodes = inodes + new.disk_inodes
    WHERE images = min(new.image_count, 2) AND used = min(new.container_count, 1) AND built = min(new.record_count, 1);
END;

CREATE TRIGGER share_more AFTER INSERT ON image BEGIN
  INSERT INTO image_share VALUES (new.id, 0, 0);
  UPDATE image_share SET step = NOT EXISTS (SELECT 1 FROM reference WHERE image = new.parent) WHERE image = new.parent;
END;
CREATE TRIGGER share_less AFTER DELETE ON image BEGIN
  DELETE FROM image_share WHERE image = old.id;
  UPDATE image_share SET step = EXISTS (SELECT 1 FROM image WHERE parent = old.parent) AND NOT EXISTS (SELECT 1 FROM reference WHERE image = old.parent) WHERE image = old.parent;
END;
CREATE TRIGGER share_parent AFTER UPDATE OF parent ON image WHEN old.parent IS NOT new.parent BEGIN
  UPDATE image_share SET step = EXISTS (SELECT 1 FROM image WHERE parent = image_share.image) AND NOT EXISTS (SELECT 1 FROM reference WHERE reference.image = image_share.image) WHERE image IN (old.parent, new.parent);
END;
CREATE TRIGGER share_name_more AFTER INSERT ON reference BEGIN UPDATE image_share SET step = 0 WHERE image = new.image; END;
CREATE TRIGGER share_name_less AFTER DELETE ON reference BEGIN
  UPDATE image_share SET step = EXISTS (SELECT 1 FROM image WHERE parent = old.image) AND NOT EXISTS (SELECT 1 FROM reference WHERE image = old.image) WHERE image = old.image;
END;
CREATE TRIGGER share_name_moved AFTER UPDATE OF image ON reference WHEN old.image <> new.image BEGIN
  UPDATE image_share SET step = 0 WHERE image = new.image;
  UPDATE image_share SET step = EXISTS (SELECT 1 FROM image WHERE parent = old.image) AND NOT EXISTS (SELECT 1 FROM reference WHERE image = old.image) WHERE image = old.image;
END;
CREATE TRIGGER share_step AFTER UPDATE OF step ON image_share WHEN old.step <> new.step BEGIN
  UPDATE layer SET holder_count = holder_count + old.step - new.step WHERE chain_id IN (SELECT chain FROM image_layer WHERE image = new.image);
END;
CREATE TRIGGER share_layer_more AFTER INSERT ON image_layer BEGIN
  UPDATE image_share SET unshared = unshared + coalesce((SELECT size FROM layer WHERE chain_id = new.chain AND holder_count < 2), 0) WHERE image = new.image;
  UPDATE layer SET holder_count = holder_count + 1 WHERE chain_id = new.chain AND (SELECT step FROM image_share WHERE image = new.image) = 0;
END;
CREATE TRIGGER share_layer_less AFTER DELETE ON image_layer BEGIN
  UPDATE image_share SET unshared = unshared - coalesce((SELECT size FROM layer WHERE chain_id = old.chain AND holder_count < 2), 0) WHERE image = old.image;
  UPDATE layer SET holder_count = holder_count - 1 WHERE chain_id = old.chain AND (SELECT step FROM image_share WHERE image = old.image) = 0;
END;
-- What one had alone is shared as soon as a second has it, and the other way round.
CREATE TRIGGER share_holders AFTER UPDATE OF holder_count ON layer WHEN (old.holder_count < 2) <> (new.holder_count < 2) BEGIN
  UPDATE image_share SET unshared = unshared + CASE WHEN new.holder_count < 2 THEN new.size ELSE - new.size END WHERE image IN (SELECT image FROM image_layer WHERE chain = new.chain_id);
END;

CREATE TRIGGER record_more AFTER INSERT ON build_record WHEN new.top IS NOT NULL BEGIN
  UPDATE layer SET record_count = record_count + 1 WHERE chain_id IN (
    WITH RECURSIVE line (chain) AS (SELECT new.top UNION ALL SELECT layer.parent FROM line JOIN layer ON chain_id = line.chain WHERE layer.parent IS NOT NULL) SELECT chain FROM line);
END;
CREATE TRIGGER record_less AFTER DELETE ON build_record WHEN old.top IS NOT NULL BEGIN
  UPDATE layer SET record_count = record_count - 1 WHERE chain_id IN (
    WITH RECURSIVE line (chain) AS (SELECT old.top UNION ALL SELECT layer.parent FROM line JOIN layer ON chain_id = line.chain WHERE layer.parent IS NOT NULL) SELECT chain FROM line);
END;
CREATE TRIGGER record_other AFTER UPDATE OF top ON build_record WHEN old.top IS NOT new.top BEGIN
  UPDATE layer SET record_count = record_count - 1 WHERE chain_id IN (
    WITH RECURSIVE line (chain) AS (SELECT old.top WHERE old.top IS NOT NULL UNION ALL SELECT layer.parent FROM line JOIN layer ON chain_id = line.chain WHERE layer.parent IS NOT NULL) SELECT chain FROM line);
  UPDATE layer SET record_count = record_count + 1 WHERE chain_id IN (
    WITH RECURSIVE line (chain) AS (SELECT new.top WHERE new.top IS NOT NULL UNION ALL SELECT layer.parent FROM line JOIN layer ON chain_id = line.chain WHERE layer.parent IS NOT NULL) SELECT chain FROM line);
END;

CREATE INDEX image_unique ON image (unique_bytes DESC, id);
CREATE INDEX snapshot_largest ON snapshot (bytes DESC, id) WHERE kind = 'writable';
`;
