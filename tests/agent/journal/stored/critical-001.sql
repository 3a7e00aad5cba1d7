-- critical.db as version 1 of the schema made it.
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'tocsin-critical','critical-001','2026-11-23 17:19:53.853602+00:00');
CREATE TABLE anchor (
    boot_id TEXT NOT NULL,
    mono_ns INTEGER NOT NULL,
    wall_ns INTEGER NOT NULL,
    PRIMARY KEY (boot_id, mono_ns)
) WITHOUT ROWID;
CREATE TABLE epoch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    site TEXT NOT NULL,
    clean INTEGER NOT NULL
);
INSERT INTO "epoch" VALUES(1,'00000000deadbeef','s',1);
CREATE TABLE record (
    seq INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    n INTEGER NOT NULL,
    lane TEXT NOT NULL,
    kind TEXT NOT NULL,
    line TEXT NOT NULL,
    crc INTEGER NOT NULL,
    UNIQUE (run, n)
);
INSERT INTO "record" VALUES(1,'r',1,'alarm','alarm','{"body":{"n":1},"boot_id":"boot-1","clock":"untrusted","kind":"alarm","lane":"alarm","mono_ns":5,"wall_ns":6}',3427297322);
CREATE TABLE state (
    name TEXT PRIMARY KEY,
    blob BLOB NOT NULL,
    crc INTEGER NOT NULL
);
INSERT INTO "state" VALUES('timers',X'0102',247177675);
CREATE TABLE stretch (
    first_seq INTEGER PRIMARY KEY,
    boot_id TEXT NOT NULL
);
INSERT INTO "stretch" VALUES(1,'boot-1');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX record_lane ON record (lane, seq);
COMMIT;
PRAGMA user_version = 1;
