//! The report as a person uses it: look, search, compare, play, and be safe from what is shown.

use crate::chrome::{Chrome, DESK, ENTER, ESCAPE, PHONE, RIGHT, is_wanted};
use crate::shown::{self, EVIL};

const COUNT: &str = "document.getElementById('count').textContent";

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_looked_at_searched_compared_and_played() {
    if !is_wanted() {
        return;
    }
    let (_story, page) = shown::night(shown::QUICK);
    let chrome = Chrome::open(DESK).await;
    chrome.show(&page).await;
    assert_eq!(chrome.ask::<String>("document.querySelector('h1').textContent").await, "night");
    assert_eq!(chrome.ask::<String>(COUNT).await, "48 of 48 jobs");
    figures_and_troubles(&chrome).await;
    filters(&chrome).await;
    videos(&chrome).await;
    compare(&chrome).await;
    keyboard(&chrome).await;
    assert_eq!(chrome.complaints().await, Vec::<String>::new());
}

async fn figures_and_troubles(chrome: &Chrome) {
    let figures: String = chrome.ask("document.getElementById('figures').innerText").await;
    assert!(figures.contains("43") && figures.contains("of $20.00"), "{figures}");
    let causes: Vec<String> = chrome
        .ask("[...document.querySelectorAll('.cause')].map((it) => it.dataset.state + ' ' + it.dataset.class)")
        .await;
    assert_eq!(causes, ["failed generation_failed", "failed moderation", "unknown reset"]);
    chrome.until("[...document.querySelectorAll('.cause code')].some((it) => it.textContent === 'nightreel resolve --absent=night/job-13')").await;
    assert_eq!(chrome.ask::<u32>("document.querySelectorAll('#charts svg').length").await, 4);
}

async fn filters(chrome: &Chrome) {
    chrome.choose("state", "failed").await;
    chrome.until(&format!("{COUNT} === '4 of 48 jobs'")).await;
    chrome.choose("state", "").await;
    chrome.choose("duration", "10").await;
    chrome.choose("style", "anime").await;
    chrome.until(&format!("{COUNT} === '8 of 48 jobs'")).await;
    chrome.write("input[type=search]", "lighthouse FOG").await;
    chrome.until(&format!("{COUNT} === '2 of 48 jobs'")).await;
    chrome.clear("input[type=search]").await;
    chrome.choose("duration", "").await;
    chrome.choose("style", "").await;
    chrome.choose("order", "slowest first").await;
    chrome.until(&format!("{COUNT} === '48 of 48 jobs'")).await;
    chrome.choose("order", "as in the manifest").await;
    chrome.until("document.querySelector('.card').dataset.key === 'job-00'").await;
}

async fn videos(chrome: &Chrome) {
    chrome.to_results().await;
    let card = ".card[data-key='job-01']";
    chrome
        .until("document.querySelector(\".card[data-key='job-01'] video\").readyState >= 1")
        .await;
    chrome.hover(card).await;
    chrome
        .until("document.querySelector(\".card[data-key='job-01'] video\").currentTime > 0.05")
        .await;
    chrome.hover("input[type=search]").await;
    chrome.until("document.querySelector(\".card[data-key='job-01'] video\").paused").await;
    chrome.click(card).await;
    chrome.until("document.getElementById('detail').open").await;
    let shown: String = chrome.ask("document.getElementById('detail').innerText").await;
    for wanted in ["job-01", "A market at dawn", "6", "anime", "$0.23", "night.csv:3", "sidecar"] {
        assert!(shown.contains(wanted), "{wanted} in {shown}");
    }
    chrome.ask::<bool>("(document.querySelector('#detail video').play(), true)").await;
    chrome.until("document.querySelector('#detail video').currentTime > 0.05").await;
}

async fn compare(chrome: &Chrome) {
    chrome.click("#detail .variants").await;
    chrome
        .until("document.getElementById('compare').open && !document.getElementById('detail').open")
        .await;
    let videos: u32 = chrome.ask("document.querySelectorAll('#compare video').length").await;
    assert!((10..=12).contains(&videos), "the variants of one prompt: {videos}");
    let marked: Vec<String> = chrome
        .ask("[...document.querySelectorAll('#compare mark')].map((it) => it.textContent)")
        .await;
    assert!(
        marked.iter().any(|it| it == "anime") && marked.iter().any(|it| it == "10"),
        "{marked:?}"
    );
    chrome.click("#compare .play").await;
    chrome
        .until("[...document.querySelectorAll('#compare video')].every((it) => it.currentTime > 0)")
        .await;
    chrome.key(ESCAPE).await;
    chrome.until("!document.getElementById('compare').open").await;
    for key in ["job-00", "job-02"] {
        chrome.click(&format!(".card[data-key='{key}'] .pick")).await;
    }
    chrome.click("#tray button").await;
    chrome.until("document.querySelectorAll('#compare .beside > div').length === 2").await;
    chrome.key(ESCAPE).await;
}

async fn keyboard(chrome: &Chrome) {
    chrome
        .ask::<bool>("(document.querySelector(\".card[data-key='job-00']\").focus(), true)")
        .await;
    for _ in 0..3 {
        chrome.key(RIGHT).await;
    }
    chrome.until("document.activeElement.dataset.key === 'job-03'").await;
    chrome.key(ENTER).await;
    chrome.until("document.querySelector('#detail[open] h3')?.textContent === 'job-03'").await;
    chrome.key(RIGHT).await;
    chrome.until("document.querySelector('#detail[open] h3')?.textContent === 'job-04'").await;
    chrome.key(ESCAPE).await;
    chrome.until("!document.getElementById('detail').open").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_shown_and_never_run() {
    if !is_wanted() {
        return;
    }
    let (_story, page) = shown::night(shown::QUICK);
    let chrome = Chrome::open(DESK).await;
    chrome.show(&page).await;
    chrome.write("input[type=search]", "window.caught=1").await;
    chrome.until(&format!("{COUNT} === '1 of 48 jobs'")).await;
    chrome.to_results().await;
    chrome.click(".card").await;
    chrome.until("document.getElementById('detail').open").await;
    let shown: String = chrome.ask("document.querySelector('#detail .full').textContent").await;
    assert_eq!(shown, EVIL.replace('\u{202e}', "\\u{202e}"));
    assert!(chrome.ask::<bool>("window.caught === undefined").await);
    let foreign: u32 = chrome
        .ask("document.querySelectorAll('img[src=x], script:not(#data) ~ script').length")
        .await;
    assert_eq!(foreign, 0, "its own two scripts, and no picture");
    let said: String = chrome.ask("document.getElementById('causes').textContent").await;
    assert!(said.contains("refused <img src=x onerror=window.caught=4> by moderation"), "{said}");
    assert_eq!(chrome.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_shows_it_without_going_sideways() {
    if !is_wanted() {
        return;
    }
    let (_story, page) = shown::night(shown::QUICK);
    let chrome = Chrome::open(PHONE).await;
    chrome.show(&page).await;
    chrome.to_results().await;
    assert!(chrome.ask::<bool>("document.documentElement.scrollWidth <= innerWidth").await);
    chrome.click(".card").await;
    chrome.until("document.getElementById('detail').open").await;
    assert!(
        chrome.ask::<bool>("document.getElementById('detail').scrollWidth <= innerWidth").await
    );
}
