-- Events are listed in the order in which they arrived: clocks go back, and the times in ids with them.

DROP INDEX events_by_project;
DROP INDEX events_by_subject;
CREATE INDEX events_by_project ON events (project, arrival);
CREATE INDEX events_by_subject ON events (subject, arrival);
