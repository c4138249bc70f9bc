/** When volumes of `RUN --mount=type=cache` were last used: they count as build cache, and go with it. */
export const sql = `
CREATE TABLE build_mount (
  volume       TEXT PRIMARY KEY REFERENCES volume ON DELETE CASCADE,
  id           TEXT NOT NULL,
  last_used_at REAL NOT NULL,
  uses         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;
