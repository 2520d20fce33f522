//! Rows 17 to 24: what the API answers to a poll.

use std::fs;
use std::time::Duration;

use crate::case::{Case, Seen};
use crate::night::{Night, fault, of_job, once, one_each};

const fn case(row: u8, name: &'static str, expected: &'static str, run: fn(&mut Seen)) -> Case {
    Case { row, name, expected, run }
}

pub(crate) const CASES: &[Case] = &[
    case(
        17,
        "a status word nobody knows",
        "polls on, shown, quarantined at the deadline",
        unknown_word,
    ),
    case(18, "a status that flaps", "one done, one file", flap),
    case(
        19,
        "outputs empty, null, objects, 1000, twice",
        "re-poll, lost_output; quarantined over the cap",
        odd_outputs,
    ),
    case(20, "ESC, bidi and script in an error", "inert everywhere; refunded", hostile_error),
    case(21, "404 on a fresh id", "goes on within the grace time", fresh_404),
    case(22, "404 for ever", "quarantined, money stays committed", lasting_404),
    case(23, "an answer about another id", "refused, quarantined", other_id),
    case(24, "never finishes", "quarantined at the deadline, resumable", never_finishes),
];

fn unknown_word(seen: &mut Seen) {
    let always = of_job(1, "poll", "unknown_status", "word = \"paused\"");
    let passing = of_job(2, "poll", "unknown_status", "word = \"paused\"\ntimes = 2");
    let night = Night::new(4, &format!("{always}{passing}"));
    night.ends(4, &["--job-timeout", "600ms"]);
    night.has(&[("quarantined", 1), ("done", 3)]);
    let told = night.story.events();
    assert!(told.iter().any(|event| event["status"] == "paused"), "the word is shown");
    let error = night.error(1);
    assert!(error.contains("paused"), "{error}");
    seen.judge(&night);
    seen.says(format!("3 done, 1 quarantined: {error}"));
}

fn flap(seen: &mut Seen) {
    let night = Night::new(3, &once("poll", "flap"));
    night.ends(0, &[]);
    night.acted(&["flap"]);
    assert_eq!(night.story.count_events("artifact_saved"), 3);
    assert_eq!(night.story.count_events("job_done"), 3);
    seen.judge(&night);
    // A link that is renewed is polled for again: then a flap comes after a `completed`.
    let night = Night::new(
        2,
        &format!(
            "{}{}",
            once("download", "expired"),
            fault("poll", "flap", "per = \"job\"\nnth = [2]")
        ),
    );
    night.ends(0, &[]);
    assert_eq!(night.story.count_events("job_done"), 2);
    assert_eq!(night.charges(), 2);
    seen.judge(&night);
    seen.says("before and after `completed`: one file each, 1 charge each");
}

fn odd_outputs(seen: &mut Seen) {
    let kinds = ["outputs_empty", "outputs_null", "outputs_missing"];
    let passing = Night::new(3, &one_each("poll", &kinds, "times = 1"));
    passing.ends(0, &[]);
    seen.judge(&passing);
    let lasting: String =
        [kinds.as_slice(), &["outputs_many", "outputs_objects", "outputs_duplicate"]]
            .concat()
            .iter()
            .enumerate()
            .map(|(n, kind)| of_job(n + 1, "poll", kind, ""))
            .collect();
    let night = Night::new(7, &lasting);
    for _ in 0..2 {
        night.ends(4, &[]);
        night.has(&[("lost_output", 3), ("quarantined", 1), ("done", 3)]);
    }
    assert_eq!(night.charges(), 7, "nothing is bought again");
    seen.judge(&night);
    seen.says(
        "once: done; always: 3 lost_output, 1000 outputs quarantined, objects and doubles done",
    );
}

fn hostile_error(seen: &mut Seen) {
    let message = "\\u001b[2J\\u001b]52;c;aGk=\\u0007\\u202egnp.exe<script>alert(1)</script>\\u0000\\r\\nFAKE";
    let night =
        Night::new(3, &of_job(1, "submit", "failed_later", &format!("message = \"{message}\"")));
    let ended = night.ends(3, &["--max-attempts", "2", "-vv"]);
    night.has(&[("failed", 1), ("done", 2)]);
    assert_eq!(night.api.book().refunds().len(), 2);
    let mut told = vec![("run", format!("{}{}", ended.out, ended.err))];
    for (name, args) in [
        ("list", &["list", "--long"][..]),
        ("list as JSON", &["list", "--format", "json"]),
        ("show", &["show", "job-0001"]),
        ("show as JSON", &["show", "job-0001", "--format", "json"]),
        ("status", &["status"]),
    ] {
        told.push((name, night.story.nightreel(args).end().out));
    }
    told.push(("events", fs::read_to_string(night.story.path("events.jsonl")).unwrap()));
    for log in night.story.files("state/logs") {
        let path = night.story.path("state/logs").join(log);
        told.push(("log", fs::read_to_string(path).unwrap()));
    }
    for (name, text) in &told {
        for c in ['\u{1b}', '\u{7}', '\u{202e}', '\0', '\r'] {
            assert!(!text.contains(c), "{name} holds {c:?}: {text}");
        }
        assert!(!text.lines().any(|line| line.starts_with("FAKE")), "{name}: {text}");
    }
    assert!(told[1].1.contains("script"), "the message is told: {}", told[1].1);
    seen.judge(&night);
    seen.says(format!("{} outputs searched, nothing raw in them; 2 attempts refunded", told.len()));
}

fn fresh_404(seen: &mut Seen) {
    let night = Night::new(3, &fault("poll", "status_404", "per = \"job\"\ntimes = 3"));
    night.ends(0, &[]);
    night.acted(&["status_404"]);
    seen.judge(&night);
    seen.says("3 times 404 each, then done");
}

fn lasting_404(seen: &mut Seen) {
    let night = Night::new(3, &of_job(1, "poll", "status_404", ""));
    // The grace time is a minute, or the job's timeout where that is shorter.
    night.ends(4, &["--job-timeout", "500ms"]);
    night.has(&[("quarantined", 1), ("done", 2)]);
    assert_eq!(night.money("committed"), "0.690000");
    night.ends(4, &["--job-timeout", "500ms"]);
    assert_eq!(night.charges(), 3);
    seen.judge(&night);
    seen.says(format!("quarantined ({}), $0.69 of 3 stay committed", night.error(1)));
}

fn other_id(seen: &mut Seen) {
    let night = Night::new(3, &of_job(1, "poll", "other_id", ""));
    night.ends(4, &[]);
    night.has(&[("quarantined", 1), ("done", 2)]);
    assert!(!night.story.path("outputs/m/job-0001.mp4").exists());
    seen.judge(&night);
    seen.says(format!("quarantined ({})", night.error(1).split(':').next().unwrap()));
}

fn never_finishes(seen: &mut Seen) {
    let night = Night::new(3, &of_job(1, "submit", "never_finishes", ""));
    night.ends(4, &["--job-timeout", "400ms"]);
    night.has(&[("quarantined", 1), ("done", 2)]);
    let resolved = night.story.nightreel(["resolve"]).at(&night.api).end();
    assert!([0, 4].contains(&resolved.code()), "{resolved}");
    night.ends(4, &["--job-timeout", "400ms"]);
    assert_eq!(night.charges(), 3);
    seen.judge(&night);
    for asked in [true, false] {
        let night = Night::new(2, "[latency]\nkind = \"fixed\"\nlength = \"900ms\"\n");
        night.ends(4, &["--job-timeout", "200ms"]);
        night.has(&[("quarantined", 2)]);
        std::thread::sleep(Duration::from_millis(900));
        if asked {
            let resolved = night.story.nightreel(["resolve"]).at(&night.api).end();
            assert!(resolved.out.contains("2 jobs to be collected"), "{resolved}");
        }
        night.ends(0, &["--job-timeout", "200ms"]);
        assert_eq!(night.charges(), 2);
        seen.judge(&night);
    }
    seen.says("never bought again; what took too long is found by `resolve` and by the next run");
}
