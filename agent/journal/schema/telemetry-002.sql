-- What decides besides readings (an operator's reset, a re-zero), and images of the judge, each in its place behind step
-- after_seq. Steps and marks of a run are counted from 1: where fewer are found than `place` says, some are missing.
CREATE TABLE mark (
    run TEXT NOT NULL,
    place INTEGER NOT NULL,
    after_seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    rules TEXT NOT NULL,
    crc INTEGER NOT NULL,
    body TEXT NOT NULL,
    image BLOB NOT NULL,
    PRIMARY KEY (run, place)
);
CREATE INDEX mark_after ON mark (after_seq);
-- The rule sets that images are of, so that they can be judged by again when the site has another one.
CREATE TABLE ruleset (
    digest TEXT PRIMARY KEY,
    crc INTEGER NOT NULL,
    content BLOB NOT NULL
);
