-- Readings. May lose the last seconds at a power cut, may be thrown away.
-- Random, once for each file: (site, epoch, seq) names a step for ever.
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
-- Which point a column number means.
CREATE TABLE catalogue (
    id INTEGER PRIMARY KEY,
    points TEXT NOT NULL UNIQUE
);
-- Steps first_seq..seq, packed by agent.journal.blobs; the blob stands last, so that a search by time does not read it.
CREATE TABLE batch (
    seq INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL,
    first_mono_ns INTEGER NOT NULL,
    last_mono_ns INTEGER NOT NULL,
    catalogue INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    steps BLOB NOT NULL
);
