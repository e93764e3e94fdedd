-- Experiments get numbers that are dense within a project, 0 for the default one; runs can lie in the trash; logged
-- models, and what runs say that they used, get tables.

ALTER TABLE experiments ADD COLUMN number BIGINT NOT NULL DEFAULT -1;
UPDATE experiments SET number = 1 + (
  SELECT COUNT(*) FROM experiments AS other
  WHERE other.project = experiments.project AND other.id < experiments.id AND other.name <> 'default'
);
UPDATE experiments SET number = 0 WHERE name = 'default';
CREATE UNIQUE INDEX experiments_by_number ON experiments (project, number);

ALTER TABLE runs ADD COLUMN deleted_us BIGINT NOT NULL DEFAULT 0;

CREATE TABLE logged_models (
  id TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  experiment TEXT NOT NULL,
  run TEXT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL
);
CREATE INDEX logged_models_by_experiment ON logged_models (project, experiment, id);
CREATE INDEX logged_models_by_run ON logged_models (run, id);

CREATE TABLE run_inputs (
  run TEXT NOT NULL,
  role TEXT NOT NULL,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  model TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (run, role, name, digest, model)
);
