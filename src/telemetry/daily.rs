//! Log files of a day each. Only their owner can read them, and only the latest are kept.
//!
//! Written here because every file must be made with mode 0600, also the one that begins at
//! midnight in the middle of a run.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tracing_subscriber::fmt::MakeWriter;

use crate::domain::clock;

/// How many days are kept.
const DAYS: usize = 14;
const PREFIX: &str = "nightreel.";
const SUFFIX: &str = ".log";

/// The file of the day (UTC), which becomes the next one at midnight.
#[derive(Debug)]
pub(super) struct DailyFile {
    folder: PathBuf,
    current: Mutex<(Date, File)>,
}

impl DailyFile {
    /// Makes the folder where it is missing, and opens the file of today.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        make_private(folder)?;
        let today = today();
        let file = open(folder, today)?;
        prune(folder);
        Ok(Self { folder: folder.to_owned(), current: Mutex::new((today, file)) })
    }
}

impl<'f> MakeWriter<'f> for DailyFile {
    type Writer = Writer<'f>;

    fn make_writer(&'f self) -> Writer<'f> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        Writer { folder: &self.folder, current }
    }
}

/// The file of the day, for as long as one line takes.
pub(super) struct Writer<'f> {
    folder: &'f Path,
    current: MutexGuard<'f, (Date, File)>,
}

impl Writer<'_> {
    fn turn_to(&mut self, day: Date) -> io::Result<()> {
        if self.current.0 != day {
            *self.current = (day, open(self.folder, day)?);
            prune(self.folder);
        }
        Ok(())
    }
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.turn_to(today())?;
        self.current.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.current.1.flush()
    }
}

fn today() -> Date {
    clock::now().to_zoned(TimeZone::UTC).date()
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn open(folder: &Path, day: Date) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(folder.join(format!("{PREFIX}{day}{SUFFIX}")))
}

/// Removes all but the latest files. What cannot be removed stays: logs never stop a run.
fn prune(folder: &Path) {
    let Ok(entries) = folder.read_dir() else { return };
    let mut days: Vec<Date> =
        entries.flatten().filter_map(|entry| day_of(entry.file_name().to_str()?)).collect();
    days.sort_unstable_by(|a, b| b.cmp(a));
    for day in days.into_iter().skip(DAYS) {
        std::fs::remove_file(folder.join(format!("{PREFIX}{day}{SUFFIX}"))).ok();
    }
}

fn day_of(name: &str) -> Option<Date> {
    let day: Date = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()?;
    (name.len() == PREFIX.len() + "2026-01-31".len() + SUFFIX.len()).then_some(day)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;
    use jiff::civil::date;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = folder.read_dir().unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn at_midnight_the_next_file_begins() {
        let folder = tempfile::tempdir().unwrap();
        let logs = DailyFile::open(folder.path()).unwrap();
        let mut writer = logs.make_writer();
        writer.turn_to(date(2020, 12, 31)).unwrap();
        writer.current.1.write_all(b"old\n").unwrap();
        writer.turn_to(date(2021, 1, 1)).unwrap();
        writer.current.1.write_all(b"new\n").unwrap();
        drop(writer);
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(text("nightreel.2020-12-31.log"), "old\n");
        assert_eq!(text("nightreel.2021-01-01.log"), "new\n");
    }

    #[test]
    fn a_fortnight_is_kept_and_strange_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let start = date(2026, 2, 20);
        for days in 0..20 {
            open(folder.path(), start + days.days()).unwrap();
        }
        for name in ["nightreel.log", "nightreel.2020-01-01.log.bak", "notes.2020-01-01.log"] {
            File::create(folder.path().join(name)).unwrap();
        }
        prune(folder.path());
        let kept = names(folder.path());
        assert_eq!(kept.len(), DAYS + 3);
        assert_eq!(kept.iter().find_map(|name| day_of(name)), Some(start + 6.days()));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_the_logs() {
        use std::os::unix::fs::MetadataExt as _;

        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let logs = DailyFile::open(&state.join("logs")).unwrap();
        logs.make_writer().turn_to(date(2021, 1, 1)).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
        assert_eq!(mode(&state), 0o700);
        assert_eq!(mode(&state.join("logs")), 0o700);
        for name in names(&state.join("logs")) {
            assert_eq!(mode(&state.join("logs").join(name)), 0o600);
        }
    }
}
