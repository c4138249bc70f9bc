/** What health checks found, and what plugins hold mounted. */
export const sql = `
CREATE TABLE health (
  container  TEXT PRIMARY KEY REFERENCES container ON DELETE CASCADE,
  document   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The row is there before a plugin is asked to mount, and until it has unmounted.
CREATE TABLE plugin_mount (
  volume  TEXT NOT NULL REFERENCES volume ON DELETE CASCADE,
  mount   TEXT NOT NULL,
  PRIMARY KEY (volume, mount)
) STRICT, WITHOUT ROWID;
`;
