-- Series whose blocks were merged, and the sources of the blocks that are no more: docs/design/series.md.

ALTER TABLE series ADD COLUMN merged BIGINT NOT NULL DEFAULT 0;

CREATE TABLE series_sources (
  digest TEXT PRIMARY KEY
) WITHOUT ROWID;
