//! Every named kill point × each kind of history × two resumes; and a second kill during recovery.

use std::collections::BTreeSet;
use std::sync::Mutex;

use nightreel::domain::Micros;
use nightreel::domain::kill::POINTS;

use crate::api::Api;
use crate::figures::Figures;
use crate::process::Run;
use crate::story::Story;

/// Jobs of a story: one with a picture, one that fails first, one whose answer is lost after the
/// charge, one whose request never arrives.
const JOBS: usize = 5;
/// Exactly what the five jobs cost: one charge too many is over it.
const BUDGET: &str = "1.02";
/// Points that only a run after a killed one passes.
const IN_RECOVERY: [&str; 1] = ["intent_recovered"];
/// Leaves two intents at once for the next run to recover.
const TWO_INTENTS: &str = "intent_durable:2";

/// One of the demo's own pictures.
pub(crate) fn picture() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/images/town.jpg")).unwrap()
}

pub(crate) fn small() -> Story {
    let story = Story::new();
    story.file("town.jpg", picture());
    story.file(
        "m.csv",
        "id,model,prompt,image\n\
         a,minimax/hailuo-02/fast,with a picture,town.jpg\n\
         b,minimax/hailuo-02/t2v-standard,fails first,\n\
         c,minimax/hailuo-02/t2v-standard,answer lost,\n\
         d,minimax/hailuo-02/t2v-standard,never arrives,\n\
         e,minimax/hailuo-02/t2v-standard,refused first,\n",
    );
    story
}

pub(crate) fn scenario(history: &str) -> String {
    let once = "per = \"job\"\ntimes = 1\n";
    format!(
        "[latency]\nkind = \"fixed\"\nlength = \"10ms\"\n\
         [history]\nmode = \"{history}\"\ndelay = \"100ms\"\n\
         [[fault]]\non = \"submit\"\nmatch = \"fails first\"\nkind = \"failed_later\"\n{once}\
         [[fault]]\non = \"submit\"\nmatch = \"answer lost\"\nkind = \"charged_then_reset\"\n{once}\
         [[fault]]\non = \"submit\"\nmatch = \"never arrives\"\nkind = \"close\"\n{once}\
         [[fault]]\non = \"submit\"\nmatch = \"refused first\"\nkind = \"status_429\"\n{once}"
    )
}

fn run(story: &Story, api: &Api) -> Run {
    let flags = ["--absence-wait", "150ms", "--concurrency", "3", "--budget", BUDGET];
    story.run(api).with(flags)
}

/// Resumes twice; the second time there is nothing left to do. Where there is no history, outcomes
/// may stay unknown.
fn resumed(story: &Story, api: &Api, history: &str, what: &str) -> Figures {
    let allowed: &[i32] = if history == "absent" { &[0, 4] } else { &[0] };
    for _ in 0..2 {
        let ended = run(story, api).end();
        assert!(allowed.contains(&ended.code()), "{what}, history {history}: {ended}");
    }
    let stuck = story.list().iter().filter(|job| job["state"] == "submitting").count();
    assert_eq!(stuck, 0, "{what}, history {history}: nobody decides about these");
    Figures::judge(story, &api.book(), JOBS, Some(Micros::parse(BUDGET).unwrap()))
}

/// Kills a run at a point. Returns whether it was reached.
fn killed(story: &Story, api: &Api, point: &str) -> bool {
    run(story, api).env("NIGHTREEL_KILL_AT", point).end().code() == -1
}

/// Does all of it on as many threads as there are cores.
pub(crate) fn each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from) * 2 + 1;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) =
                    items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    work(item);
                }
            });
        }
    });
}

#[test]
fn each_point_stands_in_the_code_exactly_once() {
    let mut placed: Vec<String> = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let calls = text.split("kill_point(\"").skip(1);
            placed.extend(calls.map(|call| call.split('"').next().unwrap().to_owned()));
        }
    }
    placed.sort();
    assert_eq!(placed, POINTS);
}

#[test]
fn a_kill_at_any_point_loses_nothing_and_pays_nothing_twice() {
    let cases: Vec<(&str, &str)> = ["full", "late", "absent"]
        .into_iter()
        .flat_map(|history| POINTS.iter().map(move |point| (*point, history)))
        .collect();
    let reached = Mutex::new(BTreeSet::new());
    let figures = Mutex::new(Figures::default());
    each(&cases, |(point, history)| {
        let story = small();
        let api = Api::start(&story, &scenario(history));
        if IN_RECOVERY.contains(point) {
            assert!(killed(&story, &api, TWO_INTENTS), "two intents are left");
        }
        if killed(&story, &api, point) {
            reached.lock().unwrap().insert(*point);
        }
        let judged = resumed(&story, &api, history, point);
        assert!(judged.is_clean(), "killed at {point}, history {history}: {judged}");
        figures.lock().unwrap().add(judged);
    });
    let figures = figures.into_inner().unwrap();
    println!("kill points: {figures}");
    let missed: Vec<_> =
        POINTS.iter().filter(|point| !reached.lock().unwrap().contains(*point)).collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
}

#[test]
fn a_second_kill_during_recovery_changes_nothing() {
    let firsts = [TWO_INTENTS, "answer_in", "accept_begun", "files_recorded"];
    let seconds = [
        "lock_taken",
        "run_begun",
        "intent_recovered",
        "recovered",
        "adopt_due",
        "adopted",
        "absence_noted",
        "names_given",
    ];
    let cases: Vec<(&str, &str)> =
        firsts.into_iter().flat_map(|first| seconds.map(move |second| (first, second))).collect();
    let reached = Mutex::new(Vec::new());
    let figures = Mutex::new(Figures::default());
    each(&cases, |(first, second)| {
        let story = small();
        let api = Api::start(&story, &scenario("full"));
        assert!(killed(&story, &api, first), "{first} is on every run's way");
        // What the first kill left decides which of these the recovery passes.
        if killed(&story, &api, second) {
            reached.lock().unwrap().push(*second);
        }
        let judged = resumed(&story, &api, "full", first);
        assert!(judged.is_clean(), "killed at {first}, then at {second}: {judged}");
        figures.lock().unwrap().add(judged);
    });
    let reached = reached.into_inner().unwrap();
    println!("{} double kills: {}", reached.len(), figures.into_inner().unwrap());
    let missed: Vec<_> = seconds.iter().filter(|point| !reached.contains(point)).collect();
    assert!(missed.is_empty(), "never reached after another kill: {missed:?}");
}
