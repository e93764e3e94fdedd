-- What runs measured of logged models gets rows of its own, taken out of the models' documents when this is applied.

CREATE TABLE logged_metrics (
  model TEXT NOT NULL,
  key TEXT NOT NULL,
  time_us BIGINT NOT NULL,
  step BIGINT NOT NULL,
  run TEXT NOT NULL,
  dataset TEXT NOT NULL,
  digest TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, key, time_us, step, run, dataset, digest, value)
) WITHOUT ROWID;
