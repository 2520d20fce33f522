//! Ten thousand results on one page: what is measured is printed, what must hold is counted.

use serde_json::Value;

use crate::chrome::{Chrome, DESK, is_wanted};
use crate::shown;

const MANY: usize = 10_000;

/// The same page with many more jobs: their files are those of the first ones.
fn multiplied(page: &str) -> String {
    let (before, after) = page.split_once("\n\"jobs\":[").unwrap();
    let (jobs, after) = after.split_once("]}</script>").unwrap();
    let jobs: Vec<Value> = serde_json::from_str(&format!("[{jobs}]")).unwrap();
    let more = (0..MANY).map(|at| {
        let mut job = jobs[at % 7].clone();
        job["key"] = format!("{}-{at}", job["key"].as_str().unwrap()).into();
        job["row"] = at.into();
        job.to_string()
    });
    format!("{before}\n\"jobs\":[{}]}}</script>{after}", more.collect::<Vec<_>>().join(",\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_results_are_as_light_as_fifty() {
    if !is_wanted() {
        return;
    }
    let (story, page) = shown::night(shown::QUICK);
    let page = multiplied(&std::fs::read_to_string(page).unwrap());
    let page = story.file("outputs/night/many.html", page);
    let chrome = Chrome::open(DESK).await;
    chrome.show(&page).await;
    chrome.until("document.getElementById('count').textContent.startsWith('10,000 of')").await;
    let ready: f64 = chrome.ask("performance.getEntriesByType('navigation')[0].domComplete").await;
    chrome
        .ask::<bool>(
            "(window.frames_ = [], window.most_ = 0, window.ended_ = false, (function () { \
             const grid = document.getElementById('grid'); let last = performance.now(); let at = 0; \
             const step = grid.scrollHeight / 200; \
             const next = (now) => { window.frames_.push(now - last); last = now; \
             window.most_ = Math.max(window.most_, grid.childElementCount); \
             if (at++ < 200) { scrollBy(0, step); requestAnimationFrame(next); } else window.ended_ = true; }; \
             requestAnimationFrame(next); })(), true)",
        )
        .await;
    chrome.until("window.ended_").await;
    let cards: u32 = chrome.ask("window.most_").await;
    assert!(cards <= 80, "only what can be seen exists, not {cards} cards");
    let frame: f64 = chrome
        .ask("window.frames_.sort((a, b) => a - b)[Math.floor(window.frames_.length * 0.95)]")
        .await;
    chrome.write("input[type=search]", "-9999").await;
    chrome.until("document.getElementById('count').textContent.startsWith('1 of 10,000')").await;
    chrome.until("document.querySelector('.card').dataset.key.endsWith('-9999')").await;
    println!(
        "10,000 results: page complete after {ready:.0} ms, 95 of 100 frames of a scroll through all of \
         them within {frame:.0} ms, at most {cards} cards at once"
    );
}
