-- The ledger: the only truth about what was wanted, paid, and stored.
-- Moments are Unix milliseconds (UTC), money is integer micro-dollars.
-- The last line marks the schema's version in the same transaction that makes the tables.

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

-- The jobs of one manifest. The four sums are what `entries` adds up to: a trigger there keeps them.
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
CREATE INDEX jobs_waiting ON jobs (batch_id, not_before)
    WHERE state = 'pending' AND not_before > 0;
CREATE INDEX jobs_at_work ON jobs (state, id)
    WHERE state IN ('submitting', 'submitted', 'ready', 'storing', 'unknown');
-- D3: the steps of `JobState::next`; a test holds the two together.
CREATE TRIGGER jobs_step_legally BEFORE UPDATE OF state ON jobs
    WHEN OLD.state <> NEW.state AND NOT CASE OLD.state
        WHEN 'pending' THEN NEW.state IN ('submitting', 'failed', 'canceled')
        WHEN 'submitting' THEN NEW.state IN ('submitted', 'pending', 'failed', 'unknown', 'quarantined')
        WHEN 'submitted' THEN NEW.state IN ('ready', 'pending', 'failed', 'quarantined', 'lost_output')
        WHEN 'ready' THEN NEW.state IN ('storing', 'submitted', 'lost_output', 'quarantined')
        WHEN 'storing' THEN NEW.state IN ('done', 'ready', 'lost_output', 'quarantined')
        WHEN 'done' THEN NEW.state IN ('submitted', 'pending')
        WHEN 'failed' THEN NEW.state IN ('pending')
        WHEN 'unknown' THEN NEW.state IN ('submitted', 'pending', 'failed')
        WHEN 'lost_output' THEN NEW.state IN ('submitted', 'pending')
        WHEN 'quarantined' THEN NEW.state IN ('submitted', 'pending')
        WHEN 'canceled' THEN NEW.state IN ('pending')
        WHEN 'invalid' THEN NEW.state IN ('pending')
        ELSE FALSE END
    BEGIN SELECT RAISE (ABORT, 'no such step of a job'); END;

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
-- D3: the steps of `AttemptState::next`; a test holds the two together.
CREATE TRIGGER attempts_step_legally BEFORE UPDATE OF state ON attempts
    WHEN OLD.state <> NEW.state AND NOT CASE OLD.state
        WHEN 'intent' THEN NEW.state IN ('not_sent', 'rejected', 'accepted', 'unknown')
        WHEN 'accepted' THEN NEW.state IN ('settled', 'api_failed')
        WHEN 'unknown' THEN NEW.state IN ('accepted', 'absent', 'assumed_charged')
        ELSE FALSE END
    BEGIN SELECT RAISE (ABORT, 'no such step of an attempt'); END;
CREATE TRIGGER attempts_keep_their_intent
    BEFORE UPDATE OF id, job_id, number, run_id, origin, model, body_sha256, reserved, intent_at
    ON attempts
    BEGIN SELECT RAISE (ABORT, 'what was intended is never changed'); END;
CREATE TRIGGER attempts_keep_their_prediction BEFORE UPDATE OF prediction_id ON attempts
    WHEN OLD.prediction_id IS NOT NULL AND OLD.prediction_id IS NOT NEW.prediction_id
    BEGIN SELECT RAISE (ABORT, 'a prediction id is never changed'); END;
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
-- M4: nothing is reserved beyond the budget. (A charge may pass it: it is known too late.)
CREATE TRIGGER entries_keep_the_budget BEFORE INSERT ON entries
    WHEN NEW.target = 'reserved' AND EXISTS (
        SELECT 1 FROM attempts a JOIN jobs j ON j.id = a.job_id JOIN batches b ON b.id = j.batch_id
        WHERE a.id = NEW.attempt_id AND b.reserved + b.committed + b.unknown + NEW.micros > b.budget)
    BEGIN SELECT RAISE (ABORT, 'the budget would be passed'); END;
CREATE TRIGGER entries_move_the_sums AFTER INSERT ON entries
    BEGIN
        UPDATE batches SET
            reserved = reserved
                + ((NEW.target = 'reserved') - (NEW.source = 'reserved')) * NEW.micros,
            committed = committed
                + ((NEW.target = 'committed') - (NEW.source = 'committed')) * NEW.micros,
            unknown = unknown + ((NEW.target = 'unknown') - (NEW.source = 'unknown')) * NEW.micros,
            released = released + (NEW.target = 'released') * NEW.micros
        WHERE id = (SELECT j.batch_id FROM attempts a JOIN jobs j ON j.id = a.job_id
            WHERE a.id = NEW.attempt_id);
    END;
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

PRAGMA user_version = 1;
