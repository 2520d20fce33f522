//! `kill -9` at random moments of a night of 50 jobs, again and again.

use std::sync::Mutex;
use std::time::Duration;

use nightreel::domain::Micros;
use rustix::process::Signal;

use crate::api::Api;
use crate::figures::Figures;
use crate::points::each;
use crate::story::Story;

const JOBS: usize = 50;
/// Kills of one story, before it is left to end.
const KILLS: usize = 6;
/// Stories in CI: 300 cycles of kill and resume.
const STORIES: u64 = 50;
/// Seeds that once failed, tried for ever.
/// 34: killed while the ledger was made; the next run could not read it.
const FAILED_ONCE: [u64; 1] = [34];

fn night(seed: u64) -> String {
    format!(
        "seed = {seed}\n[latency]\nkind = \"uniform\"\nfrom = \"5ms\"\nto = \"120ms\"\n\
         [[fault]]\non = \"submit\"\nkind = \"charged_then_reset\"\nprobability = 0.05\n\
         [[fault]]\non = \"submit\"\nkind = \"failed_later\"\nprobability = 0.05\nper = \"job\"\ntimes = 1\n\
         [[fault]]\non = \"submit\"\nkind = \"slow\"\nfor = \"20ms\"\nprobability = 0.3\n\
         [[fault]]\non = \"download\"\nkind = \"slow\"\nfor = \"30ms\"\nprobability = 0.3\n"
    )
}

/// One story: killed several times at moments drawn from the seed, then left to end.
fn survive(seed: u64, kills: usize) -> Figures {
    let mut dice = fastrand::Rng::with_seed(seed);
    let story = Story::of_jobs(JOBS);
    let api = Api::start(&story, &night(seed));
    let run = || story.run(&api).with(["--concurrency", "16", "--budget", "20"]);
    for _ in 0..kills {
        let mut running = run().start();
        let moment = Duration::from_millis(dice.u64(20..450));
        let began = std::time::Instant::now();
        running.until(|| began.elapsed() >= moment);
        running.signal(Signal::KILL);
        running.end();
    }
    let ended = run().end();
    assert_eq!(ended.code(), 0, "seed {seed}: {ended}");
    let budget = Micros::parse("20").unwrap();
    let judged = Figures::judge(&story, &api.book(), JOBS, Some(budget));
    assert!(judged.is_clean(), "seed {seed}: {judged}");
    judged
}

fn survive_all(seeds: &[u64], kills: usize) {
    let figures = Mutex::new(Figures::default());
    each(seeds, |seed| {
        let judged = survive(*seed, kills);
        figures.lock().unwrap().add(judged);
    });
    let cycles = seeds.len() * kills;
    println!("{cycles} random kills, seeds {seeds:?}: {}", figures.into_inner().unwrap());
}

#[test]
fn three_hundred_random_kills_lose_nothing_and_pay_nothing_twice() {
    let seeds: Vec<u64> = FAILED_ONCE.into_iter().chain(1..STORIES).collect();
    survive_all(&seeds, KILLS);
}

#[test]
#[ignore = "ten thousand kills take an hour"]
fn ten_thousand_random_kills_lose_nothing_and_pay_nothing_twice() {
    let seeds: Vec<u64> = (10_000..10_000 + 1_000).collect();
    survive_all(&seeds, 10);
}
