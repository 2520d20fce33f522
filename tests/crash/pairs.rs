//! Random pairs of faults: each alone is some other suite's case, together they meet.

use std::sync::Mutex;

use crate::api::Api;
use crate::figures::Figures;
use crate::points::each;
use crate::story::Story;

const JOBS: usize = 8;

/// Faults that pass, by where they act. Each hits every job once.
const FAULTS: [(&str, &str); 40] = [
    ("submit", "status_429"),
    ("submit", "status_503"),
    ("submit", "status_500"),
    ("submit", "status_502"),
    ("submit", "charged_then_500"),
    ("submit", "charged_then_504"),
    ("submit", "charged_then_reset"),
    ("submit", "charged_then_close"),
    ("submit", "close"),
    ("submit", "reset"),
    ("submit", "close_before_read"),
    ("submit", "cut_status_line"),
    ("submit", "cut_headers"),
    ("submit", "cut_body"),
    ("submit", "html"),
    ("submit", "garbage"),
    ("submit", "empty_body"),
    ("submit", "missing_id"),
    ("submit", "wild_id"),
    ("submit", "failed_later"),
    ("submit", "timeout_later"),
    ("submit", "cut_json"),
    ("poll", "status_500"),
    ("poll", "status_404"),
    ("poll", "unknown_status"),
    ("poll", "flap"),
    ("poll", "reset"),
    ("poll", "garbage"),
    ("poll", "outputs_empty"),
    ("poll", "outputs_objects"),
    ("download", "truncated"),
    ("download", "reset"),
    ("download", "longer"),
    ("download", "no_length_cut"),
    ("download", "wrong_magic"),
    ("download", "status_503"),
    ("download", "expired"),
    ("download", "weak_etag"),
    ("download", "range_ignored"),
    ("history", "status_500"),
];

fn rule((on, kind): (&str, &str)) -> String {
    let per = if on == "history" { "" } else { "per = \"job\"\n" };
    format!("[[fault]]\non = \"{on}\"\nkind = \"{kind}\"\n{per}times = 1\n")
}

/// Two faults drawn from the seed, two runs, and the judge.
fn survive(seed: u64) -> Figures {
    let mut dice = fastrand::Rng::with_seed(seed);
    let (one, two) = (FAULTS[dice.usize(..FAULTS.len())], FAULTS[dice.usize(..FAULTS.len())]);
    let story = Story::of_jobs(JOBS);
    let scenario = format!(
        "seed = {seed}\n[latency]\nkind = \"uniform\"\nfrom = \"5ms\"\nto = \"60ms\"\n{}{}",
        rule(one),
        rule(two)
    );
    let api = Api::start(&story, &scenario);
    let what = format!("seed {seed}, {one:?} and {two:?}");
    let run = || story.run(&api).with(["--absence-wait", "200ms", "--no-ramp"]);
    let first = run().end();
    assert!([0, 3, 4].contains(&first.code()), "{what}: {first}");
    let second = run().end();
    assert!([0, 3, 4].contains(&second.code()), "{what}: {second}");
    let judged = Figures::judge(&story, &api.book(), JOBS, None);
    assert!(judged.is_clean(), "{what}: {judged}\n{second}");
    judged
}

fn survive_all(seeds: std::ops::Range<u64>) {
    let figures = Mutex::new(Figures::default());
    let seeds: Vec<u64> = seeds.collect();
    each(&seeds, |seed| {
        let judged = survive(*seed);
        figures.lock().unwrap().add(judged);
    });
    println!("{} random pairs of faults: {}", seeds.len(), figures.into_inner().unwrap());
}

#[test]
fn random_pairs_of_faults_lose_nothing_and_pay_nothing_twice() {
    survive_all(1..41);
}

#[test]
#[ignore = "some minutes"]
fn five_hundred_random_pairs_of_faults_lose_nothing_and_pay_nothing_twice() {
    survive_all(1_000..1_500);
}
