//! The pictures of the documents, taken where `NIGHTREEL_PICTURES` names a folder.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::chrome::{Chrome, Look, is_wanted};
use crate::shown;

const LIGHT: Look = Look { width: 1280, height: 1400, dark: false };
const DARK: Look = Look { dark: true, ..LIGHT };
const PHONE: Look = Look { width: 500, height: 1100, dark: false };

#[tokio::test(flavor = "multi_thread")]
async fn the_report_has_a_light_and_a_dark_face() {
    if !is_wanted() {
        return;
    }
    let folder = std::env::var_os("NIGHTREEL_PICTURES");
    let (_story, page) = shown::night(if folder.is_some() { 0.1 } else { shown::QUICK });
    let mut papers = Vec::new();
    for (name, look) in [("light", LIGHT), ("dark", DARK), ("phone", PHONE)] {
        let chrome = Chrome::open(look).await;
        chrome.show(&page).await;
        chrome.to_results().await;
        papers.push(chrome.ask::<String>("getComputedStyle(document.body).backgroundColor").await);
        if let Some(folder) = &folder {
            chrome.ask::<bool>("(document.getElementById('night').scrollIntoView(), true)").await;
            chrome.until("[...document.querySelectorAll('.card video')].every((it) => it.readyState >= 2)").await;
            let at = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            let mut file = File::create(at.join(format!("report-{name}.png"))).unwrap();
            file.write_all(&chrome.picture().await).unwrap();
        }
    }
    assert_ne!(papers[0], papers[1], "light and dark");
    assert_eq!(papers[0], papers[2]);
}
