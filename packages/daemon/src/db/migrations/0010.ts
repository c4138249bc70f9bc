/** Where packed forms of layers that are gone can be had: what is loaded or built again need not be packed and sent again. */
export const sql = `
-- Holds nothing: neither a root nor an edge. The newest 50,000 stay (looked at every thousand), by when their layer went.
CREATE TABLE former_source (
  id          INTEGER PRIMARY KEY,
  diff_id     TEXT NOT NULL,
  digest      TEXT NOT NULL,
  repository  TEXT NOT NULL,
  size        INTEGER NOT NULL,
  media_type  TEXT NOT NULL
) STRICT;
CREATE INDEX former_source_diff ON former_source (diff_id);
CREATE TRIGGER former_source_bound AFTER INSERT ON former_source WHEN new.id % 1000 = 0 BEGIN
  DELETE FROM former_source WHERE id <= (SELECT id FROM former_source ORDER BY id DESC LIMIT 1 OFFSET 50000);
END;

DROP TRIGGER layer_gone;
CREATE TRIGGER layer_gone AFTER DELETE ON layer
WHEN NOT EXISTS (SELECT 1 FROM layer WHERE diff_id = old.diff_id) BEGIN
  DELETE FROM former_source WHERE diff_id = old.diff_id AND (digest, repository) IN (SELECT digest, repository FROM packed_source WHERE diff_id = old.diff_id);
  INSERT INTO former_source (diff_id, digest, repository, size, media_type) SELECT diff_id, digest, repository, size, media_type FROM packed_source WHERE diff_id = old.diff_id;
  DELETE FROM packed_source WHERE diff_id = old.diff_id;
END;
`;
