-- How many steps and marks (telemetry.db) of its run were journalled before a record: what it was decided by.
ALTER TABLE record ADD COLUMN place INTEGER NOT NULL DEFAULT -1;
