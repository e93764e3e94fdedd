-- Documents are JSON; the columns beside them are what look-ups and orders need. Times are microseconds since 1970 UTC.

CREATE TABLE projects (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  document TEXT NOT NULL
);

CREATE TABLE datasets (
  id TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (project, name)
);

CREATE TABLE dataset_versions (
  dataset TEXT NOT NULL,
  number BIGINT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  created_us BIGINT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (dataset, number)
);

CREATE TABLE log_batches (
  dataset TEXT NOT NULL,
  position BIGINT NOT NULL,
  source TEXT NOT NULL,
  source_end BIGINT NOT NULL,
  rows BIGINT NOT NULL,
  time_low_us BIGINT NOT NULL,
  time_high_us BIGINT NOT NULL,
  id_low TEXT NOT NULL,
  id_high TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (dataset, position),
  UNIQUE (dataset, source)
);
CREATE INDEX log_batches_by_time ON log_batches (dataset, time_low_us, time_high_us);
CREATE INDEX log_batches_by_id ON log_batches (dataset, id_low, id_high);

CREATE TABLE experiments (
  id TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (project, name)
);

CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  experiment TEXT NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  parent TEXT NOT NULL,
  document TEXT NOT NULL
);
CREATE INDEX runs_by_project ON runs (project, id);
CREATE INDEX runs_by_experiment ON runs (experiment, id);
CREATE INDEX runs_by_name ON runs (project, name, id);
CREATE INDEX runs_by_parent ON runs (parent, id);
CREATE INDEX runs_by_status ON runs (project, status, id);

CREATE TABLE series (
  run TEXT NOT NULL,
  key TEXT NOT NULL,
  blocks BIGINT NOT NULL,
  count BIGINT NOT NULL,
  nans BIGINT NOT NULL,
  low DOUBLE PRECISION,
  high DOUBLE PRECISION,
  total DOUBLE PRECISION,
  first DOUBLE PRECISION,
  last DOUBLE PRECISION,
  last_step DOUBLE PRECISION NOT NULL,
  last_time_us BIGINT NOT NULL,
  PRIMARY KEY (run, key)
);

CREATE TABLE series_blocks (
  run TEXT NOT NULL,
  key TEXT NOT NULL,
  position BIGINT NOT NULL,
  source TEXT NOT NULL,
  count BIGINT NOT NULL,
  nans BIGINT NOT NULL,
  low DOUBLE PRECISION,
  high DOUBLE PRECISION,
  total DOUBLE PRECISION,
  first DOUBLE PRECISION,
  last DOUBLE PRECISION,
  last_step DOUBLE PRECISION NOT NULL,
  last_time_us BIGINT NOT NULL,
  step_low DOUBLE PRECISION NOT NULL,
  step_high DOUBLE PRECISION NOT NULL,
  time_low_us BIGINT NOT NULL,
  time_high_us BIGINT NOT NULL,
  points BLOB NOT NULL,
  PRIMARY KEY (run, key, position),
  UNIQUE (run, key, source)
);

CREATE TABLE artifacts (
  run TEXT NOT NULL,
  path TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (run, path)
);

CREATE TABLE step_entries (
  project TEXT NOT NULL,
  key TEXT NOT NULL,
  step TEXT NOT NULL,
  created_us BIGINT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (project, key)
);
CREATE INDEX step_entries_by_step ON step_entries (project, step, created_us);

CREATE TABLE step_runs (
  run TEXT NOT NULL,
  position BIGINT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (run, position)
);

CREATE TABLE models (
  id TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (project, name)
);

CREATE TABLE model_versions (
  model TEXT NOT NULL,
  number BIGINT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  run TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (model, number)
);
CREATE INDEX model_versions_by_run ON model_versions (run);

CREATE TABLE alias_moves (
  model TEXT NOT NULL,
  alias TEXT NOT NULL,
  position BIGINT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (model, alias, position)
);

CREATE TABLE endpoints (
  id TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (project, name)
);

CREATE TABLE windows (
  endpoint TEXT NOT NULL,
  start_us BIGINT NOT NULL,
  version TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (endpoint, start_us, version)
);

CREATE TABLE trials (
  id TEXT PRIMARY KEY,
  endpoint TEXT NOT NULL,
  document TEXT NOT NULL
);
CREATE INDEX trials_by_endpoint ON trials (endpoint, id);

CREATE TABLE alerts (
  id TEXT PRIMARY KEY,
  endpoint TEXT NOT NULL,
  key TEXT NOT NULL,
  at_us BIGINT NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (endpoint, key)
);
CREATE INDEX alerts_by_time ON alerts (endpoint, at_us);

CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  key TEXT NOT NULL,
  state TEXT NOT NULL,
  due_us BIGINT NOT NULL,
  lease_until_us BIGINT NOT NULL,
  fence BIGINT NOT NULL,
  document TEXT NOT NULL
);
CREATE UNIQUE INDEX jobs_unfinished ON jobs (project, key) WHERE state IN ('queued', 'leased');
CREATE INDEX jobs_by_due ON jobs (project, due_us) WHERE state IN ('queued', 'leased');
CREATE INDEX jobs_by_project ON jobs (project, id);

-- `position` and `hash` are empty until the sealer has put the event into the chain.
CREATE TABLE events (
  id TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  document TEXT NOT NULL,
  position BIGINT UNIQUE,
  hash TEXT
);
CREATE INDEX events_by_project ON events (project, id);
CREATE INDEX events_by_subject ON events (subject, id);

CREATE TABLE edges (
  source TEXT NOT NULL,
  target TEXT NOT NULL,
  role TEXT NOT NULL,
  run TEXT NOT NULL,
  at_us BIGINT NOT NULL,
  PRIMARY KEY (source, target, role, run)
);
CREATE INDEX edges_by_target ON edges (target, source);
