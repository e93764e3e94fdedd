CREATE TABLE beats (
  run TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  beats BIGINT NOT NULL,
  at_us BIGINT NOT NULL
);
CREATE INDEX beats_by_project ON beats (project, run);
