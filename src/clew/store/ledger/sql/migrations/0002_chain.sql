-- Events get the order in which they arrived, and sequence numbers that are dense within a project.
-- `arrival` counts by itself; `position` and `hash` are empty until the sealer has put the event into the chain.

CREATE TABLE arrived_events (
  arrival INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  project TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  document TEXT NOT NULL,
  position BIGINT,
  hash TEXT,
  UNIQUE (project, position)
);
INSERT INTO arrived_events (id, project, kind, subject, document)
  SELECT id, project, kind, subject, document FROM events ORDER BY id;
DROP TABLE events;
ALTER TABLE arrived_events RENAME TO events;
CREATE INDEX events_by_project ON events (project, id);
CREATE INDEX events_by_subject ON events (subject, id);
CREATE INDEX events_unsealed ON events (project, arrival) WHERE position IS NULL;

CREATE TABLE chain_tails (
  project TEXT PRIMARY KEY,
  position BIGINT NOT NULL,
  hash TEXT NOT NULL
);
