-- Runs are listed by when they were created: runs that came from elsewhere keep ids that do not grow with time.

DROP INDEX search_runs_by_experiment;
CREATE INDEX search_runs_by_experiment ON search_runs (experiment, created_us, run);
CREATE INDEX search_runs_by_created ON search_runs (project, created_us, run);
