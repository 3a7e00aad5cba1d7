-- What must survive a power cut: records (and with them the outbox of the platform), state, clock anchors.
-- Random, once for each file: (site, epoch, seq) names a record for ever.
CREATE TABLE epoch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    site TEXT NOT NULL,
    clean INTEGER NOT NULL
);
-- From first_seq on, rows are of this boot.
CREATE TABLE stretch (
    first_seq INTEGER PRIMARY KEY,
    boot_id TEXT NOT NULL
);
-- (run, n) tells a record that was stored by a COMMIT which reported failure from one that was not.
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
CREATE INDEX record_lane ON record (lane, seq);
CREATE TABLE state (
    name TEXT PRIMARY KEY,
    blob BLOB NOT NULL,
    crc INTEGER NOT NULL
);
-- A moment at which the wall clock could be trusted: earlier times of that boot are dated from it.
CREATE TABLE anchor (
    boot_id TEXT NOT NULL,
    mono_ns INTEGER NOT NULL,
    wall_ns INTEGER NOT NULL,
    PRIMARY KEY (boot_id, mono_ns)
) WITHOUT ROWID;
