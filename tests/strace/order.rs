//! The order of system calls of one run, from a trace: durable first, then the side effect.

use std::collections::HashMap;
use std::fmt::Write as _;

use nightreel::domain::Digest;

use crate::api::Api;
use crate::story::Story;
use crate::trace::{lines, step, strace};

const JOBS: usize = 20;
/// The model of the story's jobs.
const MODEL: &str = "minimax/hailuo-02/t2v-standard";

/// What a trace has shown so far.
#[derive(Default)]
struct Seen<'a> {
    /// Writes to the ledger's log since its last sync, and those before it.
    unsynced: Vec<&'a str>,
    durable: Vec<&'a str>,
    /// Files and folders whose sync has ended.
    synced: Vec<String>,
    /// Syncs that have begun, by thread.
    begun: HashMap<&'a str, String>,
}

/// The path strace shows beside the first descriptor of a call.
fn path_of(call: &str) -> &str {
    call.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(path, _)| path)
}

/// Bytes as strace prints a string that is not plain ASCII.
fn as_traced(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "\\x{byte:02x}").unwrap();
    }
    text
}

impl<'a> Seen<'a> {
    fn take(&mut self, thread: &'a str, call: &'a str) {
        if call.starts_with("pwrite64(") && path_of(call).ends_with("ledger.db-wal") {
            self.unsynced.push(call);
        } else if call.starts_with("fsync(") || call.starts_with("fdatasync(") {
            let path = path_of(call).to_owned();
            if call.contains("<unfinished") {
                self.begun.insert(thread, path);
            } else if call.ends_with("= 0") {
                self.sync(path);
            }
        } else if (call.starts_with("<... fsync resumed")
            || call.starts_with("<... fdatasync resumed"))
            && let Some(path) = self.begun.remove(thread).filter(|_| call.ends_with("= 0"))
        {
            self.sync(path);
        }
    }

    fn sync(&mut self, path: String) {
        if path.ends_with("ledger.db-wal") {
            self.durable.append(&mut self.unsynced);
        }
        self.synced.push(path);
    }

    fn is_durable(&self, bytes: &[u8]) -> bool {
        let wanted = as_traced(bytes);
        self.durable.iter().any(|write| write.contains(&wanted))
    }
}

/// What only an attempt's row holds: the model right before the hash of the body. The job's row, which
/// the import writes, has the same hash elsewhere.
fn intent(body: &str) -> Vec<u8> {
    [MODEL.as_bytes(), &Digest::of(body.as_bytes()).0].concat()
}

/// The body of a paid POST in a traced call.
fn posted(call: &str) -> Option<String> {
    let (_, after) = call.split_once("POST /api/v1/model/generate")?;
    let (_, body) = after.split_once("iov_base=\"{")?;
    let (body, _) = body.split_once("}\"")?;
    Some(format!("{{{}}}", body.replace("\\\"", "\"").replace("\\\\", "\\")))
}

#[test]
fn each_post_follows_the_sync_of_its_intent_and_each_name_the_sync_of_its_file() {
    if step().is_none() {
        return;
    }
    let story = Story::of_jobs(JOBS);
    let api = Api::start(&story, "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n");
    let calls = "trace=pwrite64,fdatasync,fsync,renameat2,writev,sendto,sendmsg,write";
    let code =
        strace(&story, &api, "100", &["-y", "-x", "-s", "70000", "-e", calls, "-o", "trace"]);
    assert_eq!(code, 0);
    let bytes = std::fs::read(story.path("trace")).unwrap();
    let trace = String::from_utf8_lossy(&bytes);
    let bodies: Vec<String> = lines(&trace).filter_map(|line| posted(line.call)).collect();
    let mut seen = Seen::default();
    let (mut posts, mut names) = (0, 0);
    for line in lines(&trace) {
        seen.take(line.thread, line.call);
        if let Some(body) = posted(line.call) {
            if posts == 0 {
                let early = bodies.iter().filter(|body| seen.is_durable(&intent(body))).count();
                assert!(early < JOBS, "what is looked for is there before the intents are");
            }
            posts += 1;
            assert!(seen.is_durable(&intent(&body)), "POST before its intent was synced: {body}");
        }
        if let Some((temp, name)) = renamed(line.call) {
            names += 1;
            assert!(seen.synced.iter().any(|path| path.ends_with(&temp)), "{name} before its sync");
            let content = std::fs::read(story.path(&format!("outputs/m/{name}"))).unwrap();
            let sha = Digest::of(&content);
            assert!(seen.is_durable(&sha.0), "{name} before its hash was synced");
        }
    }
    assert_eq!((posts, names), (JOBS, JOBS), "every POST and every name was seen");
    let folder = seen.synced.iter().filter(|path| path.ends_with("outputs/m")).count();
    assert!(folder >= JOBS, "the folder is synced after each name");
    println!(
        "order: {posts} POSTs after the sync of their intents, {names} names after file and hash"
    );
}

/// The temporary and the final name of a video in a traced rename.
fn renamed(call: &str) -> Option<(String, String)> {
    let mut quoted = call.strip_prefix("renameat2(")?.split('"').skip(1).step_by(2);
    let (temp, name) = (quoted.next()?, quoted.next()?);
    let is_video = std::path::Path::new(name).extension().is_some_and(|it| it == "mp4");
    is_video.then(|| (temp.to_owned(), name.to_owned()))
}
