//! Who may write: one of many, and nobody who was overtaken while asleep.

use nightreel::ledger::Ledger;
use rustix::process::Signal;

use crate::api::Api;
use crate::figures::Figures;
use crate::story::Story;

const SLOW: &str = "[latency]\nkind = \"fixed\"\nlength = \"150ms\"\n";

#[test]
fn of_eight_processes_one_works_and_seven_name_it() {
    let story = Story::of_jobs(12);
    let api = Api::start(&story, SLOW);
    let processes: Vec<_> =
        (0..8).map(|_| story.run(&api).with(["--concurrency", "2"]).start()).collect();
    let ended: Vec<_> = processes.into_iter().map(|one| (one.pid(), one.end())).collect();
    let (owners, others): (Vec<_>, Vec<_>) = ended.iter().partition(|(_, ended)| ended.code() == 0);
    // One that comes late enough finds all done, and is an owner of nothing.
    assert!(!owners.is_empty(), "somebody did the work");
    let (_, host) = nightreel::ledger::identity();
    let names: Vec<String> = owners.iter().map(|(pid, _)| format!("pid {pid} on {host}")).collect();
    for (_, other) in others {
        assert_eq!(other.code(), 7, "{other}");
        assert!(names.iter().any(|name| other.err.contains(name)), "{names:?}: {other}");
    }
    api.book().assert_paid_once(12);
}

#[test]
fn an_owner_that_slept_through_a_takeover_writes_and_sends_nothing_more() {
    let story = Story::of_jobs(40);
    let api = Api::start(&story, "[latency]\nkind = \"fixed\"\nlength = \"1500ms\"\n");
    let mut sleeper = story.run(&api).with(["--concurrency", "8"]).start();
    assert!(sleeper.until(|| story.count_events("prediction_accepted") == 8));
    // All slots are taken and nothing ends yet: it only polls, and holds no lock of the database.
    std::thread::sleep(std::time::Duration::from_millis(150));
    sleeper.signal(Signal::STOP);
    let charged = api.book().charges().count();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::open(&story.path("state/ledger.db")).await.unwrap();
        ledger.begin_run("takeover").await.unwrap();
        ledger.recover().await.unwrap();
        ledger.close().await;
    });
    sleeper.signal(Signal::CONT);
    let ended = sleeper.end();
    assert_eq!(ended.code(), 7, "{ended}");
    assert!(ended.out.contains("taken over"), "{ended}");
    assert_eq!(api.book().charges().count(), charged, "nothing was sent after the takeover");

    let ended = story.run(&api).with(["--absence-wait", "300ms"]).end();
    assert_eq!(ended.code(), 0, "{ended}");
    let judged = Figures::judge(&story, &api.book(), 40, None);
    assert!(judged.is_clean(), "{judged}");
    println!("a sleeper overtaken: {judged}");
}
