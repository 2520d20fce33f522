-- A shape is a model with its parameters, words and pictures left out: what a systematic mistake is
-- made in. One that has succeeded once at an API is proved there for good (reliability.md M10).
ALTER TABLE jobs ADD COLUMN shape BLOB;
CREATE TABLE shapes (
    origin TEXT NOT NULL,
    shape BLOB NOT NULL CHECK (length(shape) = 32),
    model TEXT NOT NULL,
    proved_at INTEGER NOT NULL,
    PRIMARY KEY (origin, shape)
) STRICT;
PRAGMA user_version = 2;
