CREATE TABLE users (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  document TEXT NOT NULL
);

CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  document TEXT NOT NULL
);
CREATE INDEX tokens_by_user ON tokens (user_id, id);

CREATE TABLE members (
  project TEXT NOT NULL,
  user_id TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (project, user_id)
);
CREATE INDEX members_by_user ON members (user_id, project);
