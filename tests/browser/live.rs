//! The dashboard while a run goes on: counts that change, buttons that do what they say, and a page of
//! somebody else that gets nothing.

use std::path::Path;

use serde_json::Value;

use crate::api::Api;
use crate::chrome::{Chrome, DESK, Look, is_wanted};
use crate::process::Running;
use crate::shown::EVIL;
use crate::story::Story;

const DONE: &str = "Number(document.querySelector('#figures dd').firstChild.textContent)";
const SAID: &str = "document.querySelector('.said').textContent";

/// A slow night of 80 jobs: one fails, one is hostile.
fn night() -> (Story, Api) {
    let story = Story::of_jobs(80);
    let manifest = std::fs::read_to_string(story.path("m.csv")).unwrap();
    let evil = EVIL.replace('"', "'");
    story.file("m.csv", manifest.replace("scene number 0004", &format!("\"{evil}\"")));
    let scenario = "[latency]\nkind = \"fixed\"\nlength = \"700ms\"\n[[fault]]\non = \"submit\"\n\
                    kind = \"status_400\"\nnth = [2]\n";
    let api = Api::start(&story, scenario);
    (story, api)
}

/// The address with its token, once the program has printed it.
fn address(running: &mut Running) -> String {
    let said = running.err_path();
    let read = || {
        let text = std::fs::read_to_string(&said).unwrap_or_default();
        let url = text.split(' ').find(|word| word.contains("/?token="))?;
        Some(url.to_owned())
    };
    assert!(running.until(|| read().is_some()));
    read().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_keeps_up_with_a_run_and_rules_it() {
    if !is_wanted() {
        return;
    }
    let (story, api) = night();
    let flags = ["--concurrency", "2", "--budget", "30", "--dashboard"];
    let mut running = story.run(&api).with(flags).start();
    let url = address(&mut running);
    let chrome = Chrome::open(DESK).await;
    chrome.go(&url).await;
    chrome.until("document.querySelector('.link.is-live')").await;
    assert_eq!(chrome.ask::<String>("location.pathname + location.search").await, "/outputs/m/");
    chrome.until(&format!("{DONE} >= 1")).await;
    let first: u32 = chrome.ask(DONE).await;
    chrome.until(&format!("{DONE} > {first}")).await;
    chrome.to_results().await;
    chrome.until("document.querySelector('.card.is-done video')").await;
    chrome.ask::<bool>("(scrollTo(0, 0), true)").await;

    pause_and_resume(&chrome).await;
    pictures(&url).await;
    chrome.until("!document.querySelector('.requeue-all').hidden").await;
    chrome.click(".requeue-all").await;
    chrome.until(&format!("{SAID}.includes('1 job back to pending')")).await;
    set(&chrome, "budget", "42.50").await;
    chrome.until(&format!("{SAID}.includes('42.50')")).await;
    chrome.until("document.getElementById('figures').innerText.includes('of $42.50')").await;
    set(&chrome, "concurrency", "12").await;
    chrome.until(&format!("{SAID}.includes('12 predictions')")).await;

    tokio::task::block_in_place(|| assert_eq!(running.end().code(), 0));
    assert_eq!(story.status()["jobs"]["done"], 80);
    api.book().assert_paid_once(80);
    assert!(chrome.ask::<bool>("window.caught === undefined").await, "a prompt ran");
}

async fn pause_and_resume(chrome: &Chrome) {
    chrome.until("document.querySelector('.pause').textContent === 'Pause'").await;
    chrome.click(".pause").await;
    chrome.until("document.querySelector('.pause').textContent === 'Resume'").await;
    chrome.until("document.querySelector('.run').textContent.includes('paused')").await;
    chrome.until("document.getElementById('bar').getAttribute('aria-label').match(/generating|submitted/) === null").await;
    let at: u32 = chrome.ask(DONE).await;
    assert!(at < 79, "{at}");
    chrome.click(".pause").await;
    chrome.until("document.querySelector('.pause').textContent === 'Pause'").await;
    chrome.until(&format!("{DONE} > {at}")).await;
}

async fn set(chrome: &Chrome, name: &str, value: &str) {
    let input = format!(".live input[name='{name}']");
    chrome.clear(&input).await;
    chrome.write(&input, &format!("{value}\u{e007}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_an_earlier_batch_plays_and_other_pages_get_nothing() {
    if !is_wanted() {
        return;
    }
    let (story, api) = night();
    assert_eq!(story.run(&api).with(["--concurrency", "40"]).end().code(), 3);
    let before = story.list();
    let mut running = story.nightreel(["dashboard"]).start();
    let out = running.out_path();
    let read = || std::fs::read_to_string(&out).unwrap_or_default();
    assert!(running.until(|| read().ends_with('\n')));
    let url = read().trim().to_owned();
    let home = url.split('?').next().unwrap().to_owned();
    let chrome = Chrome::open(DESK).await;
    chrome.go(&home).await;
    let refused: String = chrome.ask("document.body.innerText").await;
    assert!(refused.contains("has the token") && !refused.contains("scene"), "{refused}");
    assert_eq!(chrome.complaints().await.len(), 1, "of the refusal");
    chrome.go(&url).await;
    chrome.until("document.querySelector('.link.is-live')").await;
    chrome.until("document.querySelector('.run').textContent === 'no run is going on'").await;
    chrome.to_results().await;
    chrome.hover(".card.is-done").await;
    chrome.until("document.querySelector('.card.is-done video').currentTime > 0.05").await;
    chrome.choose("state", "failed").await;
    chrome.until("document.querySelectorAll('.card').length === 1").await;
    chrome.click(".card").await;
    chrome.until("document.getElementById('detail').open").await;
    assert_eq!(chrome.complaints().await, Vec::<String>::new());
    others_get_nothing(&chrome, &api, &home).await;
    assert_eq!(story.list(), before);

    chrome.go(&home).await;
    chrome.until("document.querySelector('.link.is-live')").await;
    chrome.choose("state", "failed").await;
    chrome.until("document.querySelectorAll('.card').length === 1").await;
    chrome.click(".card").await;
    chrome.click("#detail .requeue").await;
    chrome.until(&format!("{SAID}.includes('the next run submits them')")).await;
    assert_eq!(story.status()["jobs"]["pending"], 1);
}

/// A page of another origin, in the same browser, which has the cookie.
async fn others_get_nothing(chrome: &Chrome, api: &Api, home: &str) {
    chrome.go(&format!("{}/__figures", api.url())).await;
    let body = "JSON.stringify({ act: 'requeue', batch: 1 })";
    for ask in [
        format!("fetch('{home}outputs/m/', {{ credentials: 'include' }})"),
        format!("fetch('{home}-/act', {{ method: 'POST', credentials: 'include', body: {body} }})"),
        format!(
            "fetch('{home}-/act', {{ method: 'POST', credentials: 'include', body: {body}, \
             headers: {{ 'x-nightreel': '1', 'content-type': 'application/json' }} }})"
        ),
    ] {
        let start = format!(
            "(window.got = undefined, {ask}.then((it) => it.text()).then((text) => window.got = text, \
             (error) => window.got = 'refused'), true)"
        );
        chrome.ask::<bool>(&start).await;
        chrome.until("window.got !== undefined").await;
        assert_eq!(chrome.ask::<String>("window.got").await, "refused", "{ask}");
    }
    // Without a word of permission a post is sent all the same, and must do nothing.
    let blind = format!(
        "(window.got = undefined, fetch('{home}-/act', {{ method: 'POST', mode: 'no-cors', \
         credentials: 'include', body: {body} }}).finally(() => window.got = 'sent'), true)"
    );
    chrome.ask::<bool>(&blind).await;
    chrome.until("window.got !== undefined").await;
    let changes = format!(
        "(window.source = new EventSource('{home}-/changes?batch=1&since=0', {{ withCredentials: true }}), \
         window.heard = 0, window.source.addEventListener('state', () => window.heard += 1), \
         window.source.onerror = () => window.got = 'closed', window.got = undefined, true)"
    );
    chrome.ask::<bool>(&changes).await;
    chrome.until("window.got === 'closed'").await;
    assert_eq!(chrome.ask::<Value>("window.heard").await, 0);
}

/// For the documents, where `NIGHTREEL_PICTURES` names a folder.
async fn pictures(url: &str) {
    let Some(folder) = std::env::var_os("NIGHTREEL_PICTURES") else { return };
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let light = Look { width: 1280, height: 1000, dark: false };
    let phone = Look { width: 500, height: 1100, dark: false };
    for (name, look) in [("light", light), ("dark", Look { dark: true, ..light }), ("phone", phone)]
    {
        let chrome = Chrome::open(look).await;
        chrome.go(url).await;
        chrome.until("document.querySelector('.pause')").await;
        chrome.until("document.querySelectorAll('#charts svg').length > 2").await;
        let mut file = std::fs::File::create(at.join(format!("dashboard-{name}.png"))).unwrap();
        std::io::Write::write_all(&mut file, &chrome.picture().await).unwrap();
    }
}
