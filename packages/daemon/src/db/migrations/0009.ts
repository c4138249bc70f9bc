/** Checks that are over; volumes whose directories are being made. */
export const sql = `
CREATE TABLE check_run (
  id           INTEGER PRIMARY KEY,
  started_at   REAL NOT NULL,
  finished_at  REAL NOT NULL,
  deep         INTEGER NOT NULL,
  repair       INTEGER NOT NULL,
  scheduled    INTEGER NOT NULL,
  found        INTEGER NOT NULL,
  repaired     INTEGER NOT NULL,
  findings     TEXT NOT NULL,
  unchecked    TEXT NOT NULL
) STRICT;

-- From the volume's row until its directory is there: what a crash leaves of it has never held anything, and is forgotten at the start.
CREATE TABLE volume_coming (volume TEXT PRIMARY KEY REFERENCES volume ON DELETE CASCADE) STRICT, WITHOUT ROWID;
`;
