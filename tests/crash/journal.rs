//! An id that the ledger does not take goes to the emergency journal, and comes back.

use crate::api::Api;
use crate::figures::Figures;
use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";

#[test]
fn ids_the_ledger_does_not_take_are_rescued_and_brought_in_by_the_next_run() {
    for history in ["full", "absent"] {
        let story = Story::of_jobs(12);
        let api = Api::start(&story, &format!("{QUICK}[history]\nmode = \"{history}\"\n"));
        let ended =
            story.run(&api).env("NIGHTREEL_FAIL_AT", "accept:4").with(["--concurrency", "6"]).end();
        assert_eq!(ended.code(), 1, "{ended}");
        let charged = api.book().charges().count();
        assert!((4..12).contains(&charged), "{charged} charged before submitting stopped");
        assert!(ended.err.contains("emergency journal"), "{ended}");

        let ended = story.run(&api).end();
        assert_eq!(ended.code(), 0, "{ended}");
        assert!(ended.err.contains("brought in from the emergency journal"), "{ended}");
        api.book().assert_paid_once(12);
        let judged = Figures::judge(&story, &api.book(), 12, None);
        assert!(judged.is_clean(), "{judged}");
        println!("emergency journal, history {history}: {judged}");
    }
}
