/** Checks that are over. */
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
`;
