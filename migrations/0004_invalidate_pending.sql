-- A job that was never sent becomes invalid when its row gets a mistake (`--skip-invalid`), and
-- pending again with the row put right; with the row gone it is canceled.
DROP TRIGGER jobs_step_legally;
-- D3: the steps of `JobState::next`; a test holds the two together.
CREATE TRIGGER jobs_step_legally BEFORE UPDATE OF state ON jobs
    WHEN OLD.state <> NEW.state AND NOT CASE OLD.state
        WHEN 'pending' THEN NEW.state IN ('submitting', 'failed', 'canceled', 'invalid')
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
        WHEN 'invalid' THEN NEW.state IN ('pending', 'canceled')
        ELSE FALSE END
    BEGIN SELECT RAISE (ABORT, 'no such step of a job'); END;
PRAGMA user_version = 4;
