-- telemetry.db as version 1 of the schema made it.
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'tocsin-telemetry','telemetry-001','2026-11-25 13:31:57.991134+00:00');
CREATE TABLE batch (
    seq INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL,
    first_mono_ns INTEGER NOT NULL,
    last_mono_ns INTEGER NOT NULL,
    catalogue INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    steps BLOB NOT NULL
);
INSERT INTO "batch" VALUES(4,1,1000000000000,1003000000000,1,3237736510,X'01040000000800000001000000780163606060103875EAD4D259B3665DB1B6B67E01E4A3830F408116204E046251209E03C4D381581C88B10107A0603F1083686C80092AC808A5598100A66ED64C10D8690FA14FDA9B1883C0657B88FC8F7A5C34003A9E1CF8');
CREATE TABLE catalogue (
    id INTEGER PRIMARY KEY,
    points TEXT NOT NULL UNIQUE
);
INSERT INTO "catalogue" VALUES(1,'["pit.level", "pit.distance"]');
CREATE TABLE epoch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    site TEXT NOT NULL,
    clean INTEGER NOT NULL
);
INSERT INTO "epoch" VALUES(1,'e151a96772cf26ff','s',1);
CREATE TABLE stretch (
    first_seq INTEGER PRIMARY KEY,
    boot_id TEXT NOT NULL
);
INSERT INTO "stretch" VALUES(1,'boot-1');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
COMMIT;
PRAGMA user_version = 1;
