//! Rows 25 to 36: what becomes of a download.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nightreel::artifacts::{
    Artifacts, Expect, FetchError, FetchSettings, Fetched, RelPath, Wanted,
};
use nightreel::domain::Output;

use crate::case::{Case, Seen};
use crate::media::mp4;
use crate::night::{Night, block_on, fault, of_job, one_each};
use crate::server::{Make, Reply, Server, Then};

const fn case(row: u8, name: &'static str, expected: &'static str, run: fn(&mut Seen)) -> Case {
    Case { row, name, expected, run }
}

pub(crate) const CASES: &[Case] = &[
    case(25, "links that are gone: 403, 404, 410", "fresh link, then lost_output, loud", gone),
    case(26, "media expired over a long pause", "lost_output, retention named", expired),
    case(27, "body short of its length", "resumed or restarted, never renamed", short_body),
    case(28, "body longer than its length; two lengths", "refused", long_body),
    case(29, "ended by closing, cut", "not trusted", cut_by_closing),
    case(30, "ranges and validators that lie", "restart at 0, never joined", lying_ranges),
    case(31, "type or magic does not match", "quarantined, never under a final name", not_media),
    case(32, "endless, chunked, gzip bomb", "stops at the cap; no inflate", oversize),
    case(33, "trickle; stall", "min-speed abort, resume", too_slow),
    case(34, "redirect loop, 11 hops, other schemes", "stop at 3, scheme refused", redirects),
    case(
        35,
        "links to addresses that are not public",
        "refused before connect; sink sees 0",
        private,
    ),
    case(36, "a name that resolves to a private address", "refused at connect", rebinding),
];

/// Links that are gone once, and for good.
fn gone(seen: &mut Seen) {
    let kinds = ["status_403", "status_404", "status_410"];
    let faults = one_each("download", &kinds, "");
    let passing: String =
        (4..=6).zip(kinds).map(|(n, kind)| of_job(n, "download", kind, "times = 1")).collect();
    let night = Night::new(6, &format!("{faults}{passing}"));
    let ended = night.ends(4, &[]);
    night.has(&[("lost_output", 3), ("done", 3)]);
    assert!(ended.out.contains("lost"), "{ended}");
    assert_eq!(night.charges(), 6);
    night.ends(4, &[]);
    assert_eq!(night.charges(), 6);
    seen.judge(&night);
    seen.says("once: a fresh link, done; always: lost_output, exit 4, never bought again");
}

fn expired(seen: &mut Seen) {
    let night = Night::new(
        3,
        "[latency]\nkind = \"fixed\"\nlength = \"600ms\"\n[output]\nlifetime = \"800ms\"\n",
    );
    let mut run = night.run(&[]).start();
    assert!(run.until(|| night.story.count_events("prediction_accepted") == 3));
    run.signal(rustix::process::Signal::TERM);
    assert_eq!(run.end().code(), 143);
    // The lifetime of the media runs out while nothing runs.
    std::thread::sleep(Duration::from_secs(1));
    night.ends(4, &[]);
    night.has(&[("lost_output", 3)]);
    assert_eq!(night.charges(), 3);
    seen.judge(&night);
    seen.says(format!("lost_output: {}", night.error(1)));
}

/// A video of some packets, spoilt by each kind in the middle of its transfer.
fn spoilt(seen: &mut Seen, kinds: &[&str]) {
    let faults = one_each("download", kinds, "times = 1");
    let night = Night::new(kinds.len() + 1, &format!("[output]\nbytes = 300_000\n{faults}"));
    night.ends(0, &[]);
    night.acted(kinds);
    let whole = night.story.list().iter().all(|job| job["artifacts"][0]["bytes"] == 300_000);
    assert!(whole, "{:?}", night.story.list());
    seen.judge(&night);
    seen.says(format!("{}: whole in the end", kinds.join(", ")));
}

fn short_body(seen: &mut Seen) {
    spoilt(seen, &["truncated", "reset"]);
}

fn long_body(seen: &mut Seen) {
    spoilt(seen, &["longer", "two_lengths"]);
}

fn cut_by_closing(seen: &mut Seen) {
    spoilt(seen, &["no_length_cut", "no_length"]);
}

/// The transfer breaks first, then the server lies about what it goes on with.
fn lying_ranges(seen: &mut Seen) {
    let kinds = ["wrong_range", "range_ignored", "changed_etag", "weak_etag", "no_etag"];
    let broken = fault("download", "truncated", "per = \"job\"\nnth = [1]");
    let lies = one_each("download", &kinds, "nth = [2]\nper = \"job\"");
    let night = Night::new(kinds.len() + 1, &format!("[output]\nbytes = 300_000\n{broken}{lies}"));
    night.ends(0, &[]);
    night.acted(&["truncated"]);
    night.acted(&kinds);
    seen.judge(&night);
    seen.says(format!("{} after a cut: whole and as the API has it", kinds.join(", ")));
}

fn not_media(seen: &mut Seen) {
    let kinds = ["wrong_magic", "html", "garbage"];
    let night = Night::new(
        5,
        &format!(
            "{}{}",
            one_each("download", &kinds, ""),
            of_job(4, "download", "wrong_type", "content_type = \"text/html\"")
        ),
    );
    night.ends(4, &[]);
    night.has(&[("quarantined", 3), ("done", 2)]);
    let files = night.story.files("outputs");
    for number in 1..=3 {
        let name = format!("job-{number:04}");
        assert!(!files.iter().any(|file| file.contains(&name)), "{files:?}");
    }
    let suspects = files.iter().filter(|file| file.ends_with(".suspect")).count();
    assert_eq!(suspects, 3, "what came is kept for people: {files:?}");
    seen.judge(&night);
    seen.says("3 pages quarantined and kept as .suspect; a video under a wrong type is a video");
}

/// What the library makes of a server's answers to one download, and the files it leaves.
fn fetch_from(settings: FetchSettings, reply: Make) -> (Result<Fetched, FetchError>, usize) {
    let folder = tempfile::tempdir().unwrap();
    rustls::crypto::ring::default_provider().install_default().ok();
    let artifacts = Artifacts::open(folder.path(), settings).unwrap();
    block_on(async {
        let server = Server::start(move |_, _| reply()).await;
        let fetched = fetch(&artifacts, &server.url()).await;
        (fetched, count_files(folder.path()))
    })
}

async fn fetch(artifacts: &Artifacts, url: &str) -> Result<Fetched, FetchError> {
    let (output, folder) = (Output::parse(url), RelPath::root());
    let wanted = Wanted { output: &output, folder: &folder, stem: "1-1", expect: Expect::Video };
    artifacts.fetch(&wanted).await
}

fn count_files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn loopback() -> FetchSettings {
    FetchSettings { allow_loopback: true, ..FetchSettings::default() }
}

fn oversize(seen: &mut Seen) {
    let small = || FetchSettings { max_bytes: 10_000, ..loopback() };
    let endless: [Make; 3] = [
        || Reply::raw("200 OK", &["Content-Length: 10737418240"], &mp4(20_000, 1)),
        || Reply::raw("200 OK", &[], &mp4(20_000, 1)).then(Then::Trickle),
        || {
            let chunk = [b"4000\r\n".as_slice(), &mp4(0x4000, 1), b"\r\n"].concat();
            Reply::raw("200 OK", &["Transfer-Encoding: chunked"], &chunk).then(Then::Hang)
        },
    ];
    for reply in endless {
        let (fetched, left) = fetch_from(small(), reply);
        assert!(matches!(fetched, Err(FetchError::TooLarge { .. })), "{fetched:?}");
        assert_eq!(left, 0);
    }
    // What says to be compressed is taken as it is: ten bytes stay ten bytes, and no video.
    let bomb: Make = || {
        Reply::raw(
            "200 OK",
            &["Content-Encoding: gzip", "Content-Length: 10"],
            b"\x1f\x8b\x08\0\0\0\0\0\0\0",
        )
    };
    let (fetched, left) = fetch_from(small(), bomb);
    assert!(matches!(fetched, Err(FetchError::NotMedia { .. })), "{fetched:?}");
    assert_eq!(left, 1, "ten bytes as .suspect");
    seen.says(
        "announced, endless and chunked stop at the cap; gzip is not inflated; ten bytes left",
    );
}

fn too_slow(seen: &mut Seen) {
    let demanding =
        || FetchSettings { min_speed: (1000, Duration::from_millis(200)), ..loopback() };
    let stuck: [Make; 2] = [
        || Reply::raw("200 OK", &["Content-Length: 99999"], b"").then(Then::Trickle),
        || Reply::raw("200 OK", &["Content-Length: 99999"], &mp4(99_000, 1)).then(Then::Hang),
    ];
    for reply in stuck {
        let (fetched, _) = fetch_from(demanding(), reply);
        let error = fetched.unwrap_err().to_string();
        assert!(error.contains("too slow"), "{error}");
    }
    let night = Night::new(
        3,
        &format!(
            "[output]\nbytes = 300_000\n{}",
            one_each("download", &["slow", "stall"], "times = 1\nfor = \"700ms\"")
        ),
    );
    night.ends(0, &[]);
    night.acted(&["slow", "stall"]);
    seen.judge(&night);
    seen.says("a trickle and a stall end below the least speed; a slow night gets through");
}

fn redirects(seen: &mut Seen) {
    let schemes = ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"];
    let elsewhere: String = (4..=6)
        .zip(schemes)
        .map(|(n, url)| of_job(n, "download", "redirect_to", &format!("url = \"{url}\"")))
        .collect();
    let night = Night::new(
        7,
        &format!(
            "{}{}{}{elsewhere}",
            of_job(1, "download", "redirect_loop", ""),
            of_job(2, "download", "redirect", "hops = 11"),
            of_job(3, "download", "redirect", "hops = 3"),
        ),
    );
    night.ends(4, &[]);
    night.has(&[("quarantined", 5), ("done", 2)]);
    seen.judge(&night);
    seen.says("a loop, 11 hops, file:, ftp: and gopher: quarantined; 3 hops are followed");
}

const PRIVATE: [&str; 12] = [
    "127.0.0.1",
    "localhost",
    "localhost.",
    "0x7f.1",
    "2130706433",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "169.254.169.254",
    "10.0.0.1",
    "100.64.0.1",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
];

fn private(seen: &mut Seen) {
    let folder = tempfile::tempdir().unwrap();
    rustls::crypto::ring::default_provider().install_default().ok();
    let artifacts = Artifacts::open(folder.path(), FetchSettings::default()).unwrap();
    block_on(async {
        let sink = Server::start(|_, _| Reply::whole(&mp4(10, 1))).await;
        for host in PRIVATE {
            let url = format!("https://{host}:{}/a.mp4", sink.address.port());
            let fetched = fetch(&artifacts, &url).await;
            assert!(matches!(fetched, Err(FetchError::Refused { .. })), "{url}: {fetched:?}");
        }
        assert_eq!(sink.requests().len(), 0);
    });
    let hosts = ["169.254.169.254", "10.0.0.1", "[::ffff:10.0.0.1]"];
    let faults: String = hosts
        .iter()
        .enumerate()
        .map(|(n, host)| {
            of_job(n + 1, "poll", "outputs_url", &format!("url = \"http://{host}/a.mp4\""))
        })
        .collect();
    let night =
        Night::new(5, &format!("{faults}{}", of_job(4, "download", "redirect_private", "")));
    night.ends(4, &[]);
    night.has(&[("quarantined", 4), ("done", 1)]);
    seen.judge(&night);
    seen.says(format!(
        "{} hosts refused, sink 0; by link and by redirect quarantined",
        PRIVATE.len()
    ));
}

/// A name whose address is another one here: a file of hosts in a mount namespace of its own.
fn rebinding(seen: &mut Seen) {
    let night = Night::new(
        2,
        &of_job(1, "poll", "outputs_url", "url = \"https://media.nightreel.test/a.mp4\""),
    );
    night.story.file("hosts", "10.9.9.9 media.nightreel.test\n127.0.0.1 localhost\n");
    let script = format!(
        "mount --bind hosts /etc/hosts && exec {} run m.csv --no-ramp --base-url {}",
        env!("CARGO_BIN_EXE_nightreel"),
        night.api.url()
    );
    let ended = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .current_dir(night.story.path(""))
        .env("ATLASCLOUD_API_KEY", "apikey-of-the-tests")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    if told.contains("Operation not permitted") || told.contains("permission denied") {
        return seen.not_covered("this user may not make a mount namespace");
    }
    assert_eq!(ended.status.code(), Some(4), "{told}");
    let error = night.error(1);
    assert!(error.contains("without a public address"), "{error}");
    seen.judge(&night);
    seen.says(error);
}
