-- The ledger: the only truth about what was wanted, paid, and stored.
-- Moments are Unix milliseconds (UTC), money is integer micro-dollars.

-- Who may write. A run bumps the fence when it starts; an owner that was stopped and continued
-- finds another number here and can commit nothing more.
CREATE TABLE owner (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    fence INTEGER NOT NULL CHECK (fence >= 0)
) STRICT;
INSERT INTO owner (id, fence) VALUES (1, 0);

-- One invocation of `run`. Its id is its fence.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    pid INTEGER NOT NULL,
    host TEXT NOT NULL,
    exit INTEGER CHECK (exit BETWEEN 0 AND 255),
    reason TEXT,
    CHECK ((finished_at IS NULL) = (exit IS NULL))
) STRICT;

-- The jobs of one manifest. The four sums are kept in the transaction that moves the money, and
-- equal what `entries` adds up to.
CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 100),
    manifest TEXT NOT NULL,
    origin TEXT NOT NULL,
    budget INTEGER CHECK (budget >= 0),
    reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    committed INTEGER NOT NULL DEFAULT 0 CHECK (committed >= 0),
    unknown INTEGER NOT NULL DEFAULT 0 CHECK (unknown >= 0),
    released INTEGER NOT NULL DEFAULT 0 CHECK (released >= 0),
    created_at INTEGER NOT NULL
) STRICT;

-- One wanted result. `attempts` counts all, `tries` those that count against --max-attempts,
-- `waits` the refusals in a row that only asked for patience.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    batch_id INTEGER NOT NULL REFERENCES batches (id),
    key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    state TEXT NOT NULL CHECK (state IN ('pending', 'submitting', 'submitted', 'ready', 'storing', 'done', 'failed', 'unknown', 'lost_output', 'quarantined', 'canceled', 'invalid')),
    priority INTEGER NOT NULL DEFAULT 0,
    row INTEGER NOT NULL CHECK (row >= 0),
    file TEXT NOT NULL,
    line INTEGER NOT NULL,
    model TEXT NOT NULL,
    request TEXT NOT NULL,
    request_sha256 BLOB NOT NULL CHECK (length(request_sha256) = 32),
    output TEXT,
    vars TEXT,
    price INTEGER CHECK (price >= 0),
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    tries INTEGER NOT NULL DEFAULT 0 CHECK (tries BETWEEN 0 AND attempts),
    waits INTEGER NOT NULL DEFAULT 0 CHECK (waits >= 0),
    not_before INTEGER NOT NULL DEFAULT 0,
    error_class TEXT,
    error_message TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX jobs_by_key ON jobs (batch_id, key);
CREATE INDEX jobs_by_state ON jobs (batch_id, state);
CREATE INDEX jobs_pending ON jobs (batch_id, priority DESC, id) WHERE state = 'pending';
CREATE INDEX jobs_at_work ON jobs (state, id)
    WHERE state IN ('submitting', 'submitted', 'ready', 'storing', 'unknown');

-- One intended paid POST. Rows are only ever added; money belongs to them.
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES jobs (id),
    number INTEGER NOT NULL CHECK (number >= 1),
    state TEXT NOT NULL CHECK (state IN ('intent', 'not_sent', 'rejected', 'accepted', 'unknown', 'absent', 'assumed_charged', 'settled', 'api_failed')),
    run_id INTEGER NOT NULL REFERENCES runs (id),
    origin TEXT NOT NULL,
    model TEXT NOT NULL,
    body_sha256 BLOB NOT NULL CHECK (length(body_sha256) = 32),
    reserved INTEGER NOT NULL CHECK (reserved >= 0),
    charged INTEGER CHECK (charged >= 0),
    prediction_id TEXT,
    adopted INTEGER NOT NULL DEFAULT 0 CHECK (adopted IN (0, 1)),
    pays_again INTEGER NOT NULL DEFAULT 0 CHECK (pays_again IN (0, 1)),
    http_status INTEGER,
    request_id TEXT,
    api_status TEXT,
    error_class TEXT,
    error_message TEXT,
    outputs TEXT,
    evidence TEXT,
    intent_at INTEGER NOT NULL,
    accepted_at INTEGER,
    completed_at INTEGER,
    looked_at INTEGER,
    UNIQUE (job_id, number),
    CHECK (state NOT IN ('accepted', 'settled', 'api_failed') OR prediction_id IS NOT NULL)
) STRICT;
-- M1: at most one attempt of a job is open.
CREATE UNIQUE INDEX attempts_open ON attempts (job_id) WHERE state IN ('intent', 'unknown', 'accepted');
CREATE UNIQUE INDEX attempts_by_prediction ON attempts (origin, prediction_id)
    WHERE prediction_id IS NOT NULL;
CREATE TRIGGER attempts_are_kept BEFORE DELETE ON attempts
    BEGIN SELECT RAISE (ABORT, 'attempts are never deleted'); END;

-- Every movement of money, double-entry, only ever added.
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    attempt_id INTEGER NOT NULL REFERENCES attempts (id),
    source TEXT NOT NULL CHECK (source IN ('outside', 'reserved', 'committed', 'unknown')),
    target TEXT NOT NULL CHECK (target IN ('reserved', 'committed', 'unknown', 'released')),
    micros INTEGER NOT NULL CHECK (micros >= 0),
    cause TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries
    BEGIN SELECT RAISE (ABORT, 'entries are never changed'); END;
CREATE TRIGGER entries_are_kept BEFORE DELETE ON entries
    BEGIN SELECT RAISE (ABORT, 'entries are never deleted'); END;

-- Files made of outputs. Size and hash are durable before the file gets its final name.
CREATE TABLE artifacts (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES jobs (id),
    attempt_id INTEGER NOT NULL REFERENCES attempts (id),
    number INTEGER NOT NULL CHECK (number >= 1),
    state TEXT NOT NULL CHECK (state IN ('storing', 'stored', 'superseded')),
    path TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE,
    temp TEXT NOT NULL,
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    media TEXT NOT NULL,
    source_host TEXT,
    UNIQUE (attempt_id, number)
) STRICT;
CREATE INDEX artifacts_by_job ON artifacts (job_id);

-- Local files that requests refer to, and where they were uploaded: once for each content.
CREATE TABLE media (
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    extension TEXT NOT NULL,
    path TEXT NOT NULL,
    bytes INTEGER NOT NULL CHECK (bytes > 0),
    PRIMARY KEY (sha256, extension)
) STRICT, WITHOUT ROWID;
CREATE TABLE uploads (
    id INTEGER PRIMARY KEY,
    host TEXT NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    extension TEXT NOT NULL,
    url TEXT NOT NULL,
    uploaded_at INTEGER NOT NULL,
    UNIQUE (host, sha256, extension)
) STRICT;
