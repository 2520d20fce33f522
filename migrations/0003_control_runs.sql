-- What an operator asks of the run that is going on, from another process or a page; `said` is what
-- the run made of it. And how that run stands, as far as jobs and money do not tell.
CREATE TABLE controls (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('pause', 'resume', 'concurrency', 'budget', 'look')),
    batch_id INTEGER REFERENCES batches (id),
    value INTEGER CHECK (value >= 0),
    asked_at INTEGER NOT NULL,
    said TEXT,
    CHECK (kind <> 'budget' OR batch_id IS NOT NULL),
    CHECK (kind <> 'concurrency' OR value >= 1)
) STRICT;
CREATE INDEX controls_open ON controls (id) WHERE said IS NULL;
CREATE TABLE live (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    run_id INTEGER NOT NULL REFERENCES runs (id),
    paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
    concurrency INTEGER NOT NULL,
    allowed INTEGER NOT NULL
) STRICT;
PRAGMA user_version = 3;
