-- What searches over runs look up: docs/design/search.md. Filled from the rows of before when this is applied.

CREATE TABLE search_runs (
  number INTEGER PRIMARY KEY,
  run TEXT NOT NULL UNIQUE,
  project TEXT NOT NULL,
  change BIGINT NOT NULL,
  experiment TEXT NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  kind TEXT NOT NULL,
  parent TEXT NOT NULL,
  revision TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_us BIGINT NOT NULL,
  ended_us BIGINT NOT NULL,
  deleted_us BIGINT NOT NULL
);
CREATE INDEX search_runs_by_change ON search_runs (change);
CREATE INDEX search_runs_by_project ON search_runs (project, run);
CREATE INDEX search_runs_by_experiment ON search_runs (experiment, run);

CREATE TABLE search_values (
  field BIGINT NOT NULL,
  run BIGINT NOT NULL,
  number DOUBLE PRECISION,
  text TEXT,
  PRIMARY KEY (field, run)
) WITHOUT ROWID;
CREATE INDEX search_values_by_number ON search_values (field, number, run) WHERE number IS NOT NULL;
CREATE INDEX search_values_by_text ON search_values (field, substr(text, 1, 64), run) WHERE text IS NOT NULL;

-- NaN is NULL: a metric has a row, whatever its values are.
CREATE TABLE search_metrics (
  field BIGINT NOT NULL,
  run BIGINT NOT NULL,
  last DOUBLE PRECISION,
  low DOUBLE PRECISION,
  high DOUBLE PRECISION,
  first DOUBLE PRECISION,
  mean DOUBLE PRECISION,
  count DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (field, run)
) WITHOUT ROWID;
CREATE INDEX search_metrics_by_last ON search_metrics (field, last, run) WHERE last IS NOT NULL;
