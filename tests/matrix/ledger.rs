//! Rows 51 to 60: the disk and the ledger.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::case::{Case, Seen};
use crate::night::{Night, block_on};
use crate::sql::{execute, open};

const fn case(row: u8, name: &'static str, expected: &'static str, run: fn(&mut Seen)) -> Case {
    Case { row, name, expected, run }
}

pub(crate) const CASES: &[Case] = &[
    case(51, "no space at the intent's commit", "no POST; clear stop; resumes", full_ledger),
    case(
        52,
        "no space or EIO at the id's commit",
        "emergency journal, stop; nothing lost",
        id_not_taken,
    ),
    case(53, "no space for an output", "stays ready, submitting pauses, resumes", full_outputs),
    case(54, "fsync fails", "stop, never retried", sync_fails),
    case(
        55,
        "output folder read-only, vanished, replaced by a link",
        "refused, no write outside",
        odd_outputs,
    ),
    case(56, "ledger locked by another process", "waits 4 s; for ever: clear stop", locked),
    case(57, "second runner on one ledger", "exit 7, owner named", second_runner),
    case(
        58,
        "ledger flipped, cut, empty, foreign, without WAL, linked",
        "refused or sound; never resubmits",
        damaged,
    ),
    case(59, "schema newer; older; kill in migration", "refused; copied, then migrated", schemas),
    case(60, "ledger on a network file system", "refused with reason", network),
];

const SLOW: &str = "[latency]\nkind = \"fixed\"\nlength = \"150ms\"\n";

/// A small disk; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn mount(path: PathBuf, kilobytes: u32) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let size = format!("size={kilobytes}k,mode=700");
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", &size, "none"]).arg(&path).output();
        done.is_ok_and(|done| done.status.success()).then_some(Self(path))
    }

    fn remount(&self, options: &str) {
        let option = format!("remount,{options}");
        let done = Command::new("mount").args(["-o", &option]).arg(&self.0).status().unwrap();
        assert!(done.success());
    }

    /// Takes all room there is; giving back is removing the file.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let file = fs::File::create(&path).unwrap();
        let (mut size, nothing) = (0, rustix::fs::FallocateFlags::empty());
        // In ever smaller pieces: the run takes room at the same time.
        for piece in [1 << 20, 64 << 10, 4 << 10] {
            while rustix::fs::fallocate(&file, nothing, size, piece).is_ok() {
                size += piece;
            }
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

const NO_MOUNT: &str = "this user may not mount a small disk";

/// The night, with one of its folders on a small disk from the start.
fn small(rows: usize, folder: &str, kilobytes: u32) -> (Night, Option<SmallDisk>) {
    let night = Night::new(rows, SLOW);
    let disk = SmallDisk::mount(night.story.path(folder), kilobytes);
    (night, disk)
}

fn full_ledger(seen: &mut Seen) {
    let (night, Some(disk)) = small(40, "state", 32 << 10) else {
        return seen.not_covered(NO_MOUNT);
    };
    let mut run = night.run(&["--concurrency", "4"]).start();
    assert!(run.until(|| night.story.count_events("job_done") >= 2));
    let filler = disk.fill();
    let ended = run.end();
    assert_eq!(ended.code(), 1, "{ended}");
    let charged = night.charges();
    assert!((2..40).contains(&charged), "{charged}");
    fs::remove_file(filler).unwrap();
    night.ends(0, &[]);
    night.api.book().assert_paid_once(40);
    seen.judge(&night);
    drop(disk);
    seen.says(format!("stopped with {charged} of 40 charged, exit 1; with room again all 40"));
}

fn id_not_taken(seen: &mut Seen) {
    let night = Night::new(6, "[history]\nmode = \"absent\"\n");
    let ended = night.run(&["--concurrency", "2"]).env("NIGHTREEL_FAIL_AT", "accept:3").end();
    assert_eq!(ended.code(), 1, "{ended}");
    assert!(ended.err.contains("emergency journal"), "{ended}");
    let charged = night.charges();
    let ended = night.ends(0, &[]);
    assert!(ended.err.contains("brought in from the emergency journal"), "{ended}");
    night.api.book().assert_paid_once(6);
    seen.judge(&night);
    seen.says(format!(
        "exit 1 with {charged} charged, the ids rescued, brought in without a history"
    ));
    seen.elsewhere(
        "tests/strace/sweep.rs",
        "a_kill_or_an_error_at_the_nth_call_loses_nothing_and_pays_nothing_twice",
    );
    seen.holds_here();
}

fn full_outputs(seen: &mut Seen) {
    let (night, Some(disk)) = small(40, "outputs", 40 << 10) else {
        return seen.not_covered(NO_MOUNT);
    };
    let mut run = night.run(&["--concurrency", "4"]).start();
    assert!(run.until(|| night.story.count_events("job_done") >= 2));
    let filler = disk.fill();
    let ended = run.end();
    assert_eq!(ended.code(), 1, "{ended}");
    assert!(ended.out.contains("make room"), "{ended}");
    let charged = night.charges();
    assert!((2..40).contains(&charged), "{charged}");
    fs::remove_file(filler).unwrap();
    night.ends(0, &[]);
    night.api.book().assert_paid_once(40);
    seen.judge(&night);
    drop(disk);
    seen.says(format!("submitting stopped at {charged} of 40; with room again all 40 done"));
}

fn sync_fails(seen: &mut Seen) {
    seen.elsewhere(
        "tests/strace/sweep.rs",
        "a_kill_or_an_error_at_the_nth_call_loses_nothing_and_pays_nothing_twice",
    );
}

fn odd_outputs(seen: &mut Seen) {
    read_only(seen);
    let outside = tempfile::tempdir().unwrap();
    moved(seen, "vanished", |outputs| fs::remove_dir_all(outputs).unwrap(), Path::new("/"));
    moved(
        seen,
        "replaced by a link",
        |outputs| fs::rename(outputs, outputs.with_extension("old")).unwrap(),
        outside.path(),
    );
    let strangers = fs::read_dir(outside.path()).unwrap().count();
    assert_eq!(strangers, 0, "nothing is written outside");
}

fn read_only(seen: &mut Seen) {
    let (night, Some(disk)) = small(3, "outputs", 40 << 10) else {
        return seen.says(format!("read-only: not covered: {NO_MOUNT}"));
    };
    disk.remount("ro");
    let ended = night.run(&[]).end();
    assert!([1, 2].contains(&ended.code()), "{ended}");
    assert_eq!((night.submits(), night.charges()), (0, 0), "found before the first POST");
    disk.remount("rw");
    night.ends(0, &[]);
    seen.judge(&night);
    seen.says(format!("read-only: exit {}, 0 POSTs; then done", ended.code()));
}

/// Something happens to the output folder while jobs are in flight; a link to `to` takes its place.
fn moved(seen: &mut Seen, what: &str, away: fn(&Path), to: &Path) {
    let night = Night::new(6, SLOW);
    let outputs = night.story.path("outputs");
    let mut run = night.run(&["--concurrency", "2"]).start();
    assert!(run.until(|| night.story.count_events("prediction_accepted") >= 2));
    away(&outputs);
    if to != Path::new("/") {
        std::os::unix::fs::symlink(to, &outputs).unwrap();
    }
    let ended = run.end();
    let charged = night.charges();
    if outputs.is_symlink() {
        fs::remove_file(&outputs).unwrap();
        fs::rename(outputs.with_extension("old"), &outputs).unwrap();
    }
    night.run(&[]).end();
    let repaired = night.story.nightreel(["verify", "--repair"]).at(&night.api).end();
    assert_eq!(repaired.code(), 0, "{repaired}");
    night.api.book().assert_paid_once(6);
    seen.judge(&night);
    seen.says(format!("{what}: exit {} with {charged} charged; repaired for free", ended.code()));
}

/// Holds the ledger's write lock that long while a run goes on.
fn held(night: &Night, length: Duration) -> crate::process::Ended {
    let mut run = night.run(&["--concurrency", "2"]).start();
    assert!(run.until(|| night.story.count_events("prediction_accepted") >= 2));
    block_on(async {
        let mut other = open(&night.story.path("state/ledger.db")).await;
        sqlx::query("PRAGMA busy_timeout = 5000").execute(&mut other).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        tokio::time::sleep(length).await;
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        sqlx::Connection::close(other).await.unwrap();
    });
    run.end()
}

fn locked(seen: &mut Seen) {
    let night = Night::new(6, SLOW);
    let ended = held(&night, Duration::from_secs(4));
    assert_eq!(ended.code(), 0, "{ended}");
    seen.judge(&night);
    // Longer than the 10 s that a writer waits, from when it has something to write.
    let night = Night::new(6, SLOW);
    let ended = held(&night, Duration::from_secs(16));
    assert_eq!(ended.code(), 1, "{ended}");
    assert!(format!("{}{}", ended.out, ended.err).contains("locked"), "{ended}");
    night.ends(0, &[]);
    night.api.book().assert_paid_once(6);
    seen.judge(&night);
    seen.says("4 s are waited out; after 10 s exit 1 says that it is locked (SQLite cannot name the holder); resumed");
}

fn second_runner(seen: &mut Seen) {
    let night = Night::new(4, "[latency]\nkind = \"fixed\"\nlength = \"900ms\"\n");
    let mut first = night.run(&[]).start();
    assert!(first.until(|| night.story.count_events("prediction_accepted") == 4));
    let second = night.ends(7, &[]);
    assert!(second.err.contains(&format!("pid {}", first.pid())), "{second}");
    assert_eq!(first.end().code(), 0);
    let foreign = "pid 4711 on elsewhere, started 2026-11-23 23:00:00 +00:00, \
         boot 00000000-0000-0000-0000-000000000000\n";
    let lock = night.story.path("state/owner.lock");
    assert_eq!(
        fs::read_to_string(&lock).unwrap(),
        "",
        "an owner that ended by itself leaves no name"
    );
    night.story.file("state/owner.lock", foreign);
    let text = fs::read_to_string(night.story.path("m.csv")).unwrap();
    night.story.file("m.csv", format!("{text}more,minimax/hailuo-02/t2v-standard,one more\n"));
    let refused = night.ends(7, &[]);
    assert!(refused.err.contains("on elsewhere") && night.charges() == 4, "{refused}");
    fs::remove_file(&lock).unwrap();
    night.ends(0, &[]);
    seen.judge(&night);
    seen.says(
        "exit 7 names the owner's pid; a folder copied from a live owner elsewhere is refused",
    );
}

/// What happens to a ledger's file.
type Damage = fn(&Path);

fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    use std::io::Write as _;
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::File::create(path).unwrap().write_all(&bytes).unwrap();
}

const DAMAGES: [(&str, Damage); 7] = [
    ("flipped bytes", |path| {
        rewrite(path, |bytes| {
            for at in (0..bytes.len()).step_by(512).skip(8) {
                bytes[at] ^= 0x5a;
            }
        });
    }),
    ("a flipped header", |path| rewrite(path, |bytes| bytes[3] ^= 0x10)),
    ("cut in half", |path| rewrite(path, |bytes| bytes.truncate(bytes.len() / 2))),
    ("cut to a page", |path| rewrite(path, |bytes| bytes.truncate(4096))),
    ("0 bytes", |path| rewrite(path, Vec::clear)),
    ("not SQLite", |path| rewrite(path, |bytes| *bytes = b"dear diary, ".repeat(1000))),
    ("hard-linked", |path| fs::hard_link(path, path.with_extension("twin")).unwrap()),
];

/// Half the jobs are done, the other half waits, when the ledger comes to harm.
fn damaged(seen: &mut Seen) {
    for (what, damage) in DAMAGES {
        let night = Night::new(
            8,
            &format!("{SLOW}[[fault]]\non = \"submit\"\nkind = \"status_402\"\nnth = [5]\n"),
        );
        night.ends(6, &["--concurrency", "1"]);
        let (charged, path) = (night.charges(), night.story.path("state/ledger.db"));
        let sound = fs::read(&path).unwrap();
        damage(&path);
        let ended = night.run(&[]).end();
        let refused = ended.code() != 0;
        if refused {
            assert_eq!(night.charges(), charged, "{what}: {ended}");
            assert!(ended.err.contains("ledger"), "{what}: {ended}");
            rewrite(&path, |bytes| *bytes = sound);
            night.ends(0, &[]);
        }
        night.api.book().assert_paid_once(8);
        seen.judge(&night);
        seen.says(format!("{what}: {}", if refused { "refused" } else { "goes on, sound" }));
    }
    without_its_log(seen);
}

/// The write-ahead log is deleted after a kill: what it held is gone, and that is seen.
fn without_its_log(seen: &mut Seen) {
    let night = Night::new(8, SLOW);
    let mut run = night.run(&["--concurrency", "2"]).start();
    assert!(run.until(|| night.story.count_events("job_done") >= 4));
    run.signal(Signal::KILL);
    run.end();
    let log = night.story.path("state/ledger.db-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    let aside = log.with_extension("aside");
    fs::rename(&log, &aside).unwrap();
    let charged = night.charges();
    let ended = night.run(&[]).end();
    assert_eq!(ended.code(), 1, "{ended}");
    assert!(ended.err.contains("is behind"), "{ended}");
    for command in [&["plan", "m.csv"][..], &["status"]] {
        let told = night.story.nightreel(command).end();
        assert_eq!(told.code(), 1, "{told}");
        assert!(told.err.contains("is behind"), "{told}");
    }
    assert_eq!(night.charges(), charged, "{ended}");
    fs::rename(&aside, &log).unwrap();
    night.ends(0, &[]);
    seen.judge(&night);
    seen.says("without its log: refused; with it again: goes on".to_owned());
}

fn schemas(seen: &mut Seen) {
    let night = Night::new(3, "");
    night.ends(0, &[]);
    let path = night.story.path("state/ledger.db");
    execute(&path, "PRAGMA user_version = 99");
    let text = fs::read_to_string(night.story.path("m.csv")).unwrap();
    night.story.file("m.csv", format!("{text}more,minimax/hailuo-02/t2v-standard,one more\n"));
    let ended = night.run(&[]).end();
    assert!([1, 2].contains(&ended.code()), "{ended}");
    assert!(ended.err.contains("newer nightreel"), "{ended}");
    assert_eq!(night.charges(), 3);
    // Back to the first schema, and killed on the way to the present one.
    execute(
        &path,
        "DROP TABLE controls; DROP TABLE live; DROP TABLE shapes; ALTER TABLE jobs DROP COLUMN shape; \
         DELETE FROM _sqlx_migrations WHERE version > 1; PRAGMA user_version = 1",
    );
    for point in ["ledger_marked", "ledger_migrated"] {
        let killed = night.run(&[]).env("NIGHTREEL_KILL_AT", point).end();
        assert_eq!(killed.code(), -1, "{point}: {killed}");
    }
    assert!(night.story.path("state/ledger.db.v1-backup").is_file());
    night.ends(0, &[]);
    night.has(&[("done", 4)]);
    assert_eq!(night.charges(), 4, "what was paid before the migration is known after it");
    seen.judge(&night);
    seen.says(format!("newer: exit {}, 0 POSTs; older: killed twice, then goes on", ended.code()));
}

fn network(seen: &mut Seen) {
    seen.elsewhere(
        "src/ledger/network.rs",
        "network_file_systems_are_known_and_local_ones_are_none",
    );
    seen.says("no such mount can be made here, so the refusal itself is not run");
}
