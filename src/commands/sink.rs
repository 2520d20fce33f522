//! Files that the user names for what a command tells: `--events` and `--output-file`. What stands
//! there already and is something else is never written over.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::context::{Context, Wrong};
use super::manifests::Opened;
use crate::domain::{clock, text};

/// Bytes of a file that say what it is: the first line of an event, and more of a plan than is looked at.
const HEAD: u64 = 64 << 10;
/// How a plan for people begins in a file.
const PLAN: &str = "nightreel plan, ";
/// How a plan in JSON begins.
const PLAN_JSON: [&str; 2] = ["{\"balance\":", "\"batches\":["];
/// What events in the state folder are called: every other name there is the program's own.
const EVENTS_EXTENSION: &str = "jsonl";

/// What is written to such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Events,
    Plan,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Plan => "the plan",
        }
    }

    /// Whether a file that begins so was written by an earlier command of this kind.
    fn is_own(self, head: &str) -> bool {
        match self {
            Self::Events => head.lines().next().is_some_and(is_event),
            Self::Plan => {
                head.starts_with(PLAN)
                    || head.starts_with(PLAN_JSON[0]) && head.contains(PLAN_JSON[1])
            }
        }
    }
}

fn is_event(line: &str) -> bool {
    let event: Value = serde_json::from_str(line).unwrap_or_default();
    ["at", "run", "kind"].iter().all(|field| event[field].is_string())
}

/// Refuses a file for events that is anything else. Makes nothing.
pub(super) fn check_events(cx: &Context, manifests: &[Opened]) -> Result<(), Wrong> {
    match &cx.settings.events {
        Some(path) if path != Path::new("-") => check(Kind::Events, path, cx, manifests),
        _ => Ok(()),
    }
}

/// Where the events of a run go, if anywhere.
pub(super) fn events(cx: &Context) -> Result<Option<Box<dyn Write + Send>>, Wrong> {
    match &cx.settings.events {
        None => Ok(None),
        Some(path) if path == Path::new("-") => Ok(Some(Box::new(io::stdout()))),
        Some(path) => Ok(Some(Box::new(open(Kind::Events, path)?))),
    }
}

/// Refuses a file for the plan that is anything else. Makes nothing.
pub(super) fn check_plan(path: &Path, cx: &Context, manifests: &[Opened]) -> Result<(), Wrong> {
    check(Kind::Plan, path, cx, manifests)
}

/// Writes the plan to its file, headed so that it is known again.
pub(super) fn write_plan(
    path: &Path,
    cx: &Context,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Wrong> {
    let head = format!("{PLAN}{}\n", clock::local(clock::now()));
    let head = if cx.json() { "" } else { &head };
    let mut file = io::BufWriter::new(open(Kind::Plan, path)?);
    let written = file.write_all(head.as_bytes()).and_then(|()| write(&mut file));
    written.and_then(|()| file.flush()).map_err(|error| cannot(Kind::Plan, path, &error))
}

fn check(kind: Kind, path: &Path, cx: &Context, manifests: &[Opened]) -> Result<(), Wrong> {
    let refused = |why: &str| Err(wrong(kind, path, why));
    let place = real(path);
    if manifests.iter().any(|one| real(Path::new(one.manifest.file())) == place) {
        return refused("that is the manifest");
    }
    let state = real(&cx.settings.state_dir);
    let is_named = place.extension().is_some_and(|extension| extension == EVENTS_EXTENSION);
    let may_stand = kind == Kind::Events && is_named && place.parent() == Some(&state);
    if place.starts_with(&state) && !may_stand {
        return refused(match kind {
            Kind::Events => "the state folder is nightreel's own; call the file NAME.jsonl there",
            Kind::Plan => "the state folder is nightreel's own",
        });
    }
    match head(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot(kind, path, &error)),
        Ok(head) if head.is_empty() || kind.is_own(&head) => Ok(()),
        Ok(_) => refused("it holds something else, which is left as it is; choose another file"),
    }
}

/// The path without links and detours, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let known = whole.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match known {
        Some((above, real)) => match whole.strip_prefix(above) {
            Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
            _ => real,
        },
        None => whole,
    }
}

/// How a regular file begins; a pipe or a device holds nothing.
fn head(path: &Path) -> io::Result<String> {
    if !path.metadata()?.is_file() {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn open(kind: Kind, path: &Path) -> Result<File, Wrong> {
    let mut options = OpenOptions::new();
    options.create(true);
    match kind {
        Kind::Events => options.append(true),
        Kind::Plan => options.write(true).truncate(true),
    };
    open_at_once(&mut options, path).map_err(|error| match error.raw_os_error() {
        Some(UNREAD) => wrong(kind, path, "nobody reads that pipe; start its reader first"),
        _ => cannot(kind, path, &error),
    })
}

/// What the system says of a pipe that nobody reads (open(2), `ENXIO`).
#[cfg(unix)]
const UNREAD: i32 = rustix::io::Errno::NXIO.raw_os_error();
#[cfg(not(unix))]
const UNREAD: i32 = -1;

/// Opens without waiting for a pipe's reader: no signal would be heard meanwhile. From then on writing
/// waits as usual.
#[cfg(unix)]
fn open_at_once(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let at_once = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let file = options.custom_flags(at_once).open(path)?;
    fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
    Ok(file)
}

#[cfg(not(unix))]
fn open_at_once(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.open(path)
}

fn wrong(kind: Kind, path: &Path, why: &str) -> Wrong {
    let path = text::visible(&path.to_string_lossy());
    Wrong(format!("{} cannot go to {path}: {why}", kind.words()))
}

fn cannot(kind: Kind, path: &Path, error: &io::Error) -> Wrong {
    wrong(kind, path, &error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_wrote_is_known_again_and_nothing_else() {
        let event = r#"{"at":"2026-11-23T06:17:38.120Z","run":"r","kind":"run_started"}"#;
        assert!(Kind::Events.is_own(&format!("{event}\n")));
        assert!(Kind::Plan.is_own("nightreel plan, 2026-11-23 22:00:00 +01:00\nm: 1 row\n"));
        assert!(Kind::Plan.is_own("{\"balance\":null,\"batches\":[]}"));
        for other in
            ["id,model\n", "{}", "[]", "\"at\"", "{\"at\":1,\"run\":2,\"kind\":3}", "SQLite\0"]
        {
            assert!(!Kind::Events.is_own(other) && !Kind::Plan.is_own(other), "{other}");
        }
    }

    #[test]
    fn a_path_is_the_same_by_every_way_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("a")).unwrap();
        assert_eq!(real(&root.join("a/../new/file")), root.join("new/file"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.join("a"), root.join("link")).unwrap();
            assert_eq!(real(&root.join("link/new")), root.join("a/new"));
        }
    }
}
